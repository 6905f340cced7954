#!/usr/bin/env bash
# secrets.sh: what compose.yaml needs to know and nobody else should, generated once, into .env beside it.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ ! -f .env ] || { echo ".env is there already"; exit 0; }
random() { python3 -c 'import secrets; print(secrets.token_urlsafe(32))'; }
umask 077
cat >.env <<ENV
POSTGRES_PASSWORD=$(random | tr -d '_-')
REDIS_PASSWORD=$(random | tr -d '_-')
S3_SECRET_KEY=$(random)
AIRFLOW_SECRET_KEY=$(random)
AIRFLOW_JWT_SECRET=$(random)
AIRFLOW_FERNET_KEY=$(python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())')
ENV
echo "wrote .env"
