#!/usr/bin/env bash
# Resolves all locks anew: universal (every platform and Python 3.11-3.13) and hashed; they name no package host.
# Usage: requirements/lock.sh UV [extra options of `uv pip compile`, for example --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
shift
common=(--universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet)

compile() { # NAME OPTION...
  local name=$1
  shift
  echo "  requirements/$name.txt"
  "$uv" pip compile "${common[@]}" "$@" -o "requirements/$name.txt"
}

for accelerator in cpu gpu; do
  # dev is a superset of platform: the platform lock is held to the versions of dev.
  compile "dev-$accelerator" pyproject.toml --extra "$accelerator" --extra dev "$@"
  compile "platform-$accelerator" pyproject.toml --extra "$accelerator" --constraints "requirements/dev-$accelerator.txt"
done

# Extras that are installed apart from the platform: the image's, and Spark on top of it. They share dev's versions.
names=$(mktemp)
trap 'rm -f "$names"' EXIT
for extra in serving spark; do
  "${PYTHON:-python3}" -c '
import sys, tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]]))
' "$extra" >"$names"
  compile "$extra" "$names" --constraints requirements/dev-cpu.txt
done
