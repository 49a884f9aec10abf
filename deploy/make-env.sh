#!/usr/bin/env bash
# Writes .env with random passwords for docker-compose.yml; keeps the one that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -e .env ]; then
  echo ".env is there already; delete it to make new passwords (and the volumes with it: docker compose down -v)"
  exit 0
fi
secret() { python3 -c 'import secrets; print(secrets.token_hex(20))'; }
(umask 077 && printf 'POSTGRES_PASSWORD=%s\nS3_ACCESS_KEY=shoploop\nS3_SECRET_KEY=%s\n' "$(secret)" "$(secret)" >.env)
echo "Wrote .env; start with: docker compose up --build"
