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
compile airflow --extra airflow
git --no-pager diff --stat -- docker/
