#!/usr/bin/env bash
# environment.sh FOLDER LOCK: builds one Python environment from its lock file, then adds the project without dependencies.
# The stamp, written last, holds what the environment was built from: while it matches, nothing is done; without it
# (an interrupted build) the environment is built anew.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1 lock=$2
stamp=$folder/.built
uv_version=0.13.9
wanted="$PWD $(cat "$lock" setup.cfg pyproject.toml | cksum) uv $uv_version"

fail() { echo "error: $*" >&2; exit 1; }

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3}; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            "$name" -c 'import ensurepip, venv' 2>/dev/null || fail "$name has no venv module; on Debian: apt-get install python3-venv"
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "Encore needs Python 3.11 or 3.12, found neither (tried ${PYTHON:-python3.11, python3.12, python3}); install one, or run make with PYTHON=/path/to/python"
}

up_to_date() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$folder/bin/python" -c '' 2>/dev/null; }

mkdir -p .state
if command -v flock >/dev/null; then # two builds side by side would undo each other
    exec 9>.state/environments.lock
    flock 9
fi
up_to_date && exit 0

python=$(find_python)
uv=.state/uv/bin/uv
if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
    "$python" -m venv --clear .state/uv
    .state/uv/bin/python -m pip install --quiet "uv==$uv_version" || fail "pip could not install uv==$uv_version; see its lines above"
fi
if [ ! -f "$stamp" ] || [ "$(cut -d' ' -f1 "$stamp")" != "$PWD" ] || ! "$folder/bin/python" -c '' 2>/dev/null; then
    "$uv" venv --quiet --clear --no-python-downloads --python "$python" "$folder"
fi
rm -f "$stamp"
echo "building $folder from $lock: $(grep -c '^[a-z]' "$lock" || true) packages, with both environments 4.5 GB of disk"
quiet=--quiet
[ -t 2 ] && quiet= # in a terminal uv shows how far it is
"$uv" pip sync $quiet --require-hashes --compile-bytecode --python "$folder/bin/python" "$lock"
"$uv" pip install --quiet --no-deps --python "$folder/bin/python" --editable .
echo "$wanted" >"$stamp"
