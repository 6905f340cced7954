#!/usr/bin/env bash
# airflow.sh up|down: a whole Airflow (API server, DAG processor, scheduler) on the loopback of this machine.
# Each part is a process with a process group, a pid file and a log of its own. The scheduler is started last: tasks that
# begin before the API server answers would fail. PAUSED=1 pauses the nights, PAUSED=0 lets them run. Its database is
# SQLite, or with DATABASE=postgres a PostgreSQL of its own (docker/postgres.sh); the choice holds until another is made.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${AIRFLOW_HOME:=.airflow}"
AIRFLOW_HOME=$(cd "$AIRFLOW_HOME" && pwd)
export AIRFLOW_HOME
port=${PORT:-8080}
database=${DATABASE:-$(cat "$AIRFLOW_HOME/database" 2>/dev/null || echo sqlite)}
environment=.venv-airflow
passwords=$AIRFLOW_HOME/simple_auth_manager_passwords.json.generated
parts=(api-server dag-processor scheduler)
start_seconds=${START_SECONDS:-180} stop_seconds=${STOP_SECONDS:-60}

pid_of() { cat "$AIRFLOW_HOME/$1.pid" 2>/dev/null; }

alive() { # alive PART: whether its leading process runs
    local pid
    pid=$(pid_of "$1") && [[ $(ps -o stat=,args= -p "$pid" 2>/dev/null) == [!Z]*airflow* ]]
}

left() { # left PART: whether anything of its process group runs, as after a kill of its leader
    local pid
    pid=$(pid_of "$1") && pgrep -g "$pid" -f airflow >/dev/null
}

ask() { # ask PATH: the JSON that the API server answers; fails where it does not
    "$environment/bin/python" - "http://127.0.0.1:$port/api/v2/$1" 2>/dev/null <<'PYTHON'
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
PYTHON
}

sick() { # the parts that do not report that they are well, or nothing
    ask monitor/health | "$environment/bin/python" 2>/dev/null -c '
import json, sys
health = json.load(sys.stdin)
print(*(part for part in ("metadatabase", "dag_processor", "scheduler") if health[part]["status"] != "healthy"))'
}

port_is_free() {
    "$environment/bin/python" -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' "$port" 2>/dev/null
}

start() { # start PART: in a session, so a process group, of its own
    "$environment/bin/python" -c 'import os, sys; os.setsid(); os.execvp("airflow", ["airflow", sys.argv[1]])' "$1" \
        >>"$AIRFLOW_HOME/$1.log" 2>&1 </dev/null &
    echo $! >"$AIRFLOW_HOME/$1.pid"
}

await() { # await PART COMMAND…: until the command succeeds, as long as the part lives
    local _
    for _ in $(seq "$start_seconds"); do
        "${@:2}" && return
        alive "$1" || fail "$1"
        sleep 1
    done
    fail "$1"
}

well() { local parts; parts=$(sick) && [ -z "$parts" ]; }

fail() { # fail PART
    echo "error: Airflow's $1 did not start; the end of $AIRFLOW_HOME/$1.log:" >&2
    tail -5 "$AIRFLOW_HOME/$1.log" >&2
    exit 1
}

choose() { # takes the database that was asked for, and starts PostgreSQL
    case $database in
        sqlite) ;;
        postgres) environment=.venv-airflow-workers ;;
        *) echo "error: DATABASE=$database: must be sqlite or postgres" >&2; exit 2 ;;
    esac
    if [ "$database" != "$(cat "$AIRFLOW_HOME/database" 2>/dev/null || echo sqlite)" ]; then
        for part in "${parts[@]}"; do
            ! left "$part" || { echo "error: Airflow runs with another database; stop it first: make down" >&2; exit 2; }
        done
    fi
    if [ "$database" = postgres ]; then
        docker/postgres.sh up
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(docker/postgres.sh address)
        export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
    fi
    echo "$database" >"$AIRFLOW_HOME/database"
}

up() {
    local part dead=() shown_before=
    choose
    for part in "${parts[@]}"; do alive "$part" || dead+=("$part"); done
    if [ "${#dead[@]}" = 0 ] && [ -z "${PAUSED:-}" ] && well; then
        echo "Airflow is up already: http://localhost:$port; stop it with: make down"
        return
    fi
    export PATH=$PWD/$environment/bin:$PATH
    export AIRFLOW__CORE__DAGS_FOLDER=$PWD/dags AIRFLOW__CORE__PLUGINS_FOLDER=$PWD/dags/plugins
    export AIRFLOW__CORE__LOAD_EXAMPLES=False
    export AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS=0o600
    export AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS=0o700
    export AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=True AIRFLOW__CORE__PARALLELISM=4
    export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$port AIRFLOW__API__WORKERS=1
    export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://localhost:$port/execution/
    export AIRFLOW__WORKERS__EXECUTION_API_RETRIES=12 # a task waits minutes for an API server that is started again
    umask 077 # the generated password is for this user alone
    [ -f "$passwords" ] && shown_before=yes
    if [ "${#dead[@]}" = "${#parts[@]}" ]; then
        echo "starting Airflow in $AIRFLOW_HOME (logs: ${parts[*]/%/.log} there)"
    elif [ "${#dead[@]}" != 0 ]; then
        echo "not running: ${dead[*]}; starting again what is dead"
    fi
    for part in "${dead[@]}"; do stop "$part"; done # what a killed one has left
    if [[ " ${dead[*]} " == *" api-server "* ]]; then
        if ! port_is_free; then
            echo "error: port $port of this machine is taken; take another: make up PORT=8081" >&2
            exit 1
        fi
        { airflow db migrate && airflow pools import dags/pools.json; } >"$AIRFLOW_HOME/api-server.log" 2>&1 || fail api-server
    fi
    for part in "${parts[@]}"; do
        alive "$part" || start "$part"
        [ "$part" = api-server ] && await api-server ask version >/dev/null
    done
    await scheduler well
    echo "Airflow is up: http://localhost:$port, user admin"
    if [ "$database" = sqlite ]; then
        echo "this is for one machine and one person: on SQLite no backfill runs; with PostgreSQL: make down; make up DATABASE=postgres"
    fi
    if [ -z "$shown_before" ]; then
        echo "password (shown this once): $(sed -nE 's/.*"admin": *"([^"]*)".*/\1/p' "$passwords")"
    else
        echo "password: as shown at the first start; it is in $passwords"
    fi
    pause
}

pause() { # as PAUSED says, and says how it is
    case ${PAUSED:-} in
        1) await scheduler airflow dags pause nightly >>"$AIRFLOW_HOME/scheduler.log" 2>&1 ;;
        0) await scheduler airflow dags unpause nightly >>"$AIRFLOW_HOME/scheduler.log" 2>&1 ;;
    esac
    if airflow dags list --columns dag_id,is_paused --output plain 2>/dev/null | grep -Eq '^nightly +False'; then
        echo "nights run by themselves, each after its day, at 02:00 UTC; pause them with: make up PAUSED=1"
    else
        echo "no night runs by itself: they are paused. Let them run, last night's at once: make up PAUSED=0"
        echo "or run one day: Trigger at the DAG nightly; that lets the nights run too, and last night's goes first"
    fi
}

stop() { # stop PART: its leader first, which ends its children in order; after a while all that is left
    local pid _ seconds=$stop_seconds
    pid=$(pid_of "$1") || return 0
    if left "$1"; then
        if alive "$1"; then
            kill -TERM "$pid" 2>/dev/null || true
        else
            kill -TERM -- "-$pid" 2>/dev/null || true
            seconds=5 # nobody is there to end them in order
        fi
        for _ in $(seq "$seconds"); do
            left "$1" || break
            sleep 1
        done
        if left "$1"; then
            echo "$1 (process $pid) has not stopped after $seconds s: it is killed"
            kill -KILL -- "-$pid" 2>/dev/null || true
        fi
    fi
    rm -f "$AIRFLOW_HOME/$1.pid"
}

down() {
    local part down=
    for part in standalone scheduler dag-processor api-server; do # `standalone`: as Encore started it until 0.1
        left "$part" && down=yes
        stop "$part"
    done
    [ "$database" != postgres ] || docker/postgres.sh down
    if [ -x .venv/bin/python ]; then .venv/bin/python -m jobs.worker_server; fi # in which the tasks' jobs have begun
    [ -z "$down" ] || echo "Airflow is down"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
