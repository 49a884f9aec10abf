#!/usr/bin/env bash
# Installs a lock, exactly and by hash, and then this checkout. Usage: requirements/install.sh VENV LOCK
set -euo pipefail
venv=$1
lock=$2
started=$SECONDS
# Until the end of this script no lock counts as installed; an interrupted one is installed again.
rm -f "$venv"/.platform-* "$venv"/.dev-* "$venv"/.spark
# uv's own pin and hashes are in every lock: pip, which comes with Python, checks them.
pin=$(mktemp)
trap 'rm -f "$pin"' EXIT
awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' "$lock" >"$pin"
if ! "$venv/bin/uv" --version 2>/dev/null | grep -q "^uv $(sed -n 's/^uv==\([^ ]*\).*/\1/p' "$pin")\b"; then
  "$venv/bin/python" -m pip install --quiet --require-hashes -r "$pin"
fi
echo "Installing $lock (the first time downloads about 1 GB)"
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
echo "Installed $lock in $((SECONDS - started)) s"
