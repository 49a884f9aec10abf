#!/usr/bin/env bash
# Writes .env for docker-compose.yml: random passwords, which stay once they are there, and the id of the code that an
# image will be built from, which is found anew each time.
set -euo pipefail
cd "$(dirname "$0")/.."

secret() { python3 -c 'import secrets; print(secrets.token_hex(20))'; }

# Git's id of the commit's files, as pipelines/snapshot.py computes it in the image. Nothing when they were edited or
# there is no git: a run in such an image is marked dirty. A dvc.lock is the record of a run by hand, not code.
tree_id() {
  local edits
  [ -e .git ] || return 0
  if edits=$(git status --porcelain --untracked-files=normal -- ':!dvc.lock') && [ -z "$edits" ]; then
    git rev-parse 'HEAD^{tree}'
  fi
}

if [ -e .env ]; then
  passwords=$(grep -v '^TREE_ID=' .env || true)
  echo "Kept the passwords of .env; delete it to make new ones (and the volumes with it: docker compose down -v)"
else
  passwords=$(printf 'POSTGRES_PASSWORD=%s\nREDIS_PASSWORD=%s\nS3_ACCESS_KEY=shoploop\nS3_SECRET_KEY=%s' "$(secret)" "$(secret)" "$(secret)")
fi
code=$(tree_id)
(umask 077 && printf '%s\nTREE_ID=%s\n' "$passwords" "$code" >.env)
echo "Wrote .env for ${code:-code of no commit}; start with: docker compose up --build"
