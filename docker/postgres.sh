#!/usr/bin/env bash
# postgres.sh up|down|address: a PostgreSQL for Airflow alone, on the loopback, from Debian's package. Its data and its
# password are in $AIRFLOW_HOME/postgres; `address` prints what AIRFLOW__DATABASE__SQL_ALCHEMY_CONN takes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${AIRFLOW_HOME:-$PWD/.airflow}/postgres
data=$folder/data
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)

fail() { echo "error: $*" >&2; exit 1; }

as_owner() { # PostgreSQL does not run as root: there the package's user owns the data
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

port() { sed -n 4p "$data/postmaster.pid" 2>/dev/null || cat "$folder/port"; }

is_up() { [ -f "$data/PG_VERSION" ] && as_owner "$programs/pg_ctl" -D "$data" status >/dev/null 2>&1; }

create() {
    local free
    mkdir -p "$folder"
    chmod 711 "$folder"
    free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    echo "${POSTGRES_PORT:-$free}" >"$folder/port"
    (umask 077 && python3 -c 'import secrets; print(secrets.token_hex(16))' >"$folder/password")
    rm -rf "$data"
    mkdir -m 700 "$data"
    [ "$(id -u)" != 0 ] || chown postgres "$data"
    as_owner test -w "$data" || fail "user postgres cannot enter $data; let AIRFLOW_HOME be a folder that it can"
    # A copy for the owner of the data, as long as initdb runs.
    install -m 600 "$folder/password" "$folder/given"
    [ "$(id -u)" != 0 ] || chown postgres "$folder/given"
    as_owner "$programs/initdb" -D "$data" -U airflow -E UTF8 --auth=scram-sha-256 --pwfile="$folder/given" \
        >"$folder/initdb.log" 2>&1 || { tail -5 "$folder/initdb.log" >&2; rm -rf "$data" "$folder/given"; fail "no database was made"; }
    rm "$folder/given"
    cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $(cat "$folder/port")
unix_socket_directories = ''
CONF
}

up() {
    [ -n "$programs" ] || fail "there is no PostgreSQL; make up DATABASE=postgres installs it as root, or: sudo apt-get install postgresql"
    [ -f "$data/PG_VERSION" ] || create
    is_up || as_owner "$programs/pg_ctl" -D "$data" -l "$data/server.log" -w start >/dev/null || fail "PostgreSQL did not start; see $data/server.log"
    export PGPASSWORD
    PGPASSWORD=$(cat "$folder/password")
    "$programs/psql" -h 127.0.0.1 -p "$(port)" -U airflow -d postgres -Atc "SELECT 1 FROM pg_database WHERE datname = 'airflow'" |
        grep -q 1 || "$programs/createdb" -h 127.0.0.1 -p "$(port)" -U airflow airflow
}

down() { ! is_up || as_owner "$programs/pg_ctl" -D "$data" -m fast -w stop >/dev/null; }

case ${1:-} in
    up) up ;;
    down) down ;;
    address) echo "postgresql+psycopg2://airflow:$(cat "$folder/password")@127.0.0.1:$(port)/airflow" ;;
    *) echo "usage: $0 up|down|address" >&2; exit 2 ;;
esac
