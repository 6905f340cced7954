#!/usr/bin/env bash
# services.sh NAME…: servers that tests start on the loopback, from Debian's packages: postgresql, redis-server.
# Used where present, installed where this user may (root on Debian).
set -euo pipefail

missing=()
for name in "$@"; do
    case $name in
        postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=("$name") ;;
        *) command -v "$name" >/dev/null || missing+=("$name") ;;
    esac
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: these tests need ${missing[*]}; run: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
