#!/usr/bin/env bash
# airflow.sh up|down: a whole Airflow (API server, scheduler, DAG processor) on the loopback of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${AIRFLOW_HOME:=.airflow}"
AIRFLOW_HOME=$(cd "$AIRFLOW_HOME" && pwd)
export AIRFLOW_HOME
port=${PORT:-8080}
pid_file=$AIRFLOW_HOME/standalone.pid
log=$AIRFLOW_HOME/standalone.log
passwords=$AIRFLOW_HOME/simple_auth_manager_passwords.json.generated

is_up() { [ -f "$pid_file" ] && ps -o args= -p "$(cat "$pid_file")" 2>/dev/null | grep -q 'airflow standalone'; }

answers() { # whether scheduler and DAG processor report that they are well
    .venv-airflow/bin/python - "$port" 2>/dev/null <<'PYTHON'
import json, sys, urllib.request
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/v2/monitor/health", timeout=5) as answer:
    health = json.load(answer)
sys.exit(any(health[part]["status"] != "healthy" for part in ("metadatabase", "scheduler", "dag_processor")))
PYTHON
}

port_is_free() {
    .venv-airflow/bin/python -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1])))' "$port" 2>/dev/null
}

up() {
    if is_up; then
        echo "Airflow is up already (process $(cat "$pid_file")); stop it with: make down"
        return
    fi
    if ! port_is_free; then
        echo "error: port $port of this machine is taken; take another: make up PORT=8081" >&2
        exit 1
    fi
    umask 077 # the generated password is for this user alone
    export PATH=$PWD/.venv-airflow/bin:$PATH
    export AIRFLOW__CORE__DAGS_FOLDER=$PWD/dags AIRFLOW__CORE__PLUGINS_FOLDER=$PWD/dags/plugins
    export AIRFLOW__CORE__LOAD_EXAMPLES=False
    export AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False AIRFLOW__CORE__PARALLELISM=4
    export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$port AIRFLOW__API__WORKERS=1
    export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://localhost:$port/execution/
    local shown_before=
    [ -f "$passwords" ] && shown_before=yes
    echo "starting Airflow in $AIRFLOW_HOME (log: $log)"
    airflow db migrate >"$log" 2>&1 && airflow pools import dags/pools.json >>"$log" 2>&1 || fail
    set -m # a process group of its own, which takes SIGINT
    nohup airflow standalone >>"$log" 2>&1 </dev/null &
    echo $! >"$pid_file"
    for _ in $(seq 120); do
        if answers; then
            echo "Airflow is up: http://localhost:$port, user admin"
            if [ -z "$shown_before" ]; then
                echo "password (shown this once): $(sed -nE 's/.*"admin": *"([^"]*)".*/\1/p' "$passwords")"
            else
                echo "password: as shown at the first start; it is in $passwords"
            fi
            return
        fi
        is_up || fail
        sleep 1
    done
    fail
}

fail() {
    echo "error: Airflow did not start; the end of $log:" >&2
    tail -5 "$log" >&2
    down
    exit 1
}

down() {
    if is_up; then
        local pid
        pid=$(cat "$pid_file")
        kill -INT "$pid" # the leader alone: it ends the others in order
        for _ in $(seq 60); do
            is_up || break
            sleep 1
        done
        if is_up; then
            echo "error: Airflow (process $pid) has not stopped after 60 s; end it with: kill -9 -- -$pid" >&2
            exit 1
        fi
        echo "Airflow is down"
    fi
    rm -f "$pid_file"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
