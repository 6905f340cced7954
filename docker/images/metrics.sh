#!/usr/bin/env bash
# metrics.sh: what `encore status` tells of the last nights, as http://HOST:9100/metrics.txt for Prometheus; renewed every
# five minutes (INTERVAL: other seconds).
set -euo pipefail
folder=$(mktemp -d)
while :; do
    encore status --format prometheus --to "$folder/metrics.txt" || true # its last lines stay where the store is away
    sleep "${INTERVAL:-300}"
done &
exec python3 -m http.server 9100 --directory "$folder"
