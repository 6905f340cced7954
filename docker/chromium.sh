#!/usr/bin/env bash
# The browser of `make test-browser`: used where present, installed where this user may (root on Debian).
set -euo pipefail
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: the browser tests need Chromium; run: sudo apt-get install chromium" >&2
    exit 1
fi
echo "installing chromium"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
