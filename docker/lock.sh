#!/usr/bin/env bash
# Compiles docker/*.lock from the extras in setup.cfg. Versions that still fit stay; UPGRADE=1 takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.state/uv/bin/uv
[ -x "$uv" ] || { echo "error: there is no uv yet; run: make setup" >&2; exit 1; }
compile() {
    "$uv" pip compile setup.cfg "${@:2}" --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command "make lock" --quiet --output-file "docker/$1.lock" ${UPGRADE:+--upgrade}
}
compile jobs --extra jobs --extra test
# Images need no tests; the versions are those that were tested.
compile jobs-cpu --extra jobs --constraint docker/jobs.lock
compile jobs-gpu --extra jobs --extra gpu --constraint docker/jobs.lock
compile airflow --extra airflow
# The versions of `airflow` where they fit; an SDK of AWS wants an older python-dateutil.
cp docker/airflow.lock docker/airflow-workers.lock
compile airflow-workers --extra airflow --extra airflow-workers
compile services --extra services
git --no-pager diff --stat -- docker/
