#!/usr/bin/env bash
# One night, as `make nightly` runs it: SOURCE=FORMAT:PATH DOMAIN=… DS=…; without SOURCE, of a generated catalogue.
set -euo pipefail
encore=$(dirname "$0")/../.venv/bin/encore
if [ -z "${DOMAIN:-}" ]; then
    [ -z "${SOURCE:-}" ] && DOMAIN=movies,music,games || DOMAIN=movies
fi
read -ra domains <<<"${DOMAIN//,/ }"

if [ -z "${SOURCE:-}" ]; then
    DS=${DS:-2026-03-01}
    for domain in "${domains[@]}"; do
        "$encore" import demo --domain "$domain" --ds "$DS"
    done
else
    path=${SOURCE#*:}
    if [ "$path" = "$SOURCE" ] || [ -z "${DS:-}" ] || [ "${#domains[@]}" != 1 ]; then
        echo "error: SOURCE=$SOURCE needs a format, one domain and a day: make nightly SOURCE=movielens:PATH DOMAIN=movies DS=2018-09-24" >&2
        exit 2
    fi
    "$encore" import "${SOURCE%%:*}" "${path/#\~/$HOME}" --domain "${domains[0]}" --ds "$DS"
fi
exec "$encore" nightly "${domains[@]/#/--domain=}" --ds "$DS"
