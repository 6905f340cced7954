#!/usr/bin/env bash
# airflow.sh PART…: a part of Airflow, once the database is there. The API server brings the database up to date and makes
# the pools; the others wait for that.
set -euo pipefail
airflow db check --retry 60 --retry-delay 2 >/dev/null
if [ "$1" = api-server ]; then
    airflow db migrate
    airflow pools import dags/pools.json
else
    airflow db check-migrations --migration-wait-timeout 300 >/dev/null
fi
exec airflow "$@"
