#!/usr/bin/env bash
# Spark needs Java 17 or newer: used where present, installed where this user may (root on Debian and Ubuntu).
set -euo pipefail
wanted=17
package=openjdk-$wanted-jre-headless

# The main version of a java program; nothing where it does not run. "1.8.0" is 8, "17.0.15" is 17, "25-ea" is 25.
version() { "$1" -version 2>&1 | sed -nE 's/.* version "(1\.)?([0-9]+).*/\2/p' | head -1; }

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
found=$(version "$java" || true)
if [ "${found:-0}" -ge "$wanted" ]; then
    exit 0
elif [ -n "${JAVA_HOME:-}" ]; then
    echo "error: Spark needs Java $wanted or newer, JAVA_HOME=$JAVA_HOME holds ${found:-none}; unset it or point it to a newer one" >&2
    exit 1
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $package"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
else
    echo "error: Spark needs Java $wanted or newer, found ${found:-none}; run: sudo apt-get install $package" >&2
    exit 1
fi
