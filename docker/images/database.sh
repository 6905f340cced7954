#!/usr/bin/env bash
# database.sh: PostgreSQL for Airflow (database airflow) and the Iceberg catalog (database encore), in $PGDATA.
# Both are owned by user encore, whose password is POSTGRES_PASSWORD.
set -euo pipefail
: "${POSTGRES_PASSWORD:?is not set; docker/images/secrets.sh makes one}"
PATH=$(ls -d /usr/lib/postgresql/*/bin):$PATH
export PGDATA=${PGDATA:-/var/lib/encore/postgres}

if [ ! -f "$PGDATA/PG_VERSION" ]; then
    umask 077
    mkdir -p "$PGDATA"
    initdb --username encore --encoding UTF8 --auth scram-sha-256 --pwfile <(printf '%s' "$POSTGRES_PASSWORD") >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start >/dev/null
    for name in airflow encore; do PGPASSWORD=$POSTGRES_PASSWORD createdb --host /tmp --username encore "$name"; done
    pg_ctl -w -m fast stop >/dev/null
fi
exec postgres -c "listen_addresses=*" -c unix_socket_directories=/tmp
