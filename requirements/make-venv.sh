#!/usr/bin/env bash
# Makes the environment with a Python that fits. Usage: requirements/make-venv.sh VENV
# PYTHON=/path/to/python3.12 chooses one.
set -euo pipefail
venv=$1

fits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
  if found=$(command -v "$candidate") && fits "$found"; then
    python=$found
    break
  fi
done
if [ -z "${python:-}" ]; then
  echo "shoploop needs Python 3.11, 3.12 or 3.13; found: ${PYTHON:-$(python3 --version 2>/dev/null || echo none)}." >&2
  echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3.13;" >&2
  echo "macOS: brew install python@3.13), or name one: make setup PYTHON=/path/to/python3.12" >&2
  exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "$python ($("$python" --version)) lacks the venv module." >&2
  echo "Debian, Ubuntu: apt-get install python3-venv; or name another Python: make setup PYTHON=/path/to/python3.12" >&2
  exit 1
fi
echo "Making $venv with $("$python" --version) ($python)"
"$python" -m venv --clear "$venv"
