#!/usr/bin/env bash
# store.sh: an S3 store in memory (moto) with the bucket `encore`, to try compose.yaml; take a real one for real data.
set -euo pipefail
.venv-services/bin/moto_server --host 0.0.0.0 --port 5000 &
.venv-services/bin/python - <<'PYTHON'
import time, urllib.request

for attempt in range(60):
    try:
        urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:5000/encore", method="PUT"))
        break
    except OSError:
        time.sleep(1)
PYTHON
wait
