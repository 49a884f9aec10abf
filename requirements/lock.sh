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

names=$(mktemp)
trap 'rm -f "$names"' EXIT
"${PYTHON:-python3}" -c '
import tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["serving"]))
' >"$names"
compile serving "$names" --constraints requirements/dev-cpu.txt
