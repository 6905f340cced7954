#!/usr/bin/env bash
# Spark needs Java 17 or newer: used where present, installed where this user may (root on Debian and Ubuntu).
set -euo pipefail
wanted=17
package=openjdk-$wanted-jre-headless
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

fail() { echo "error: $*" >&2; exit 1; }

# The main version of the java program: "1.8.0" is 8, "17.0.15" is 17, "25-ea" is 25; 0 where it does not run.
version() {
    local major
    major=$("$java" -version 2>&1 | sed -nE 's/.* version "(1\.)?([0-9]+).*/\2/p' | head -1) || true
    echo "${major:-0}"
}
is_enough() { [ "$(version)" -ge "$wanted" ]; }

is_enough && exit 0
if [ -n "${JAVA_HOME:-}" ]; then
    fail "Spark needs Java $wanted or newer, JAVA_HOME=$JAVA_HOME holds version $(version) (0: none); unset it or point it to a newer one"
elif [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "Spark needs Java $wanted or newer, found version $(version) (0: none); run: sudo apt-get install $package"
fi
echo "installing $package"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
is_enough || fail "$package is installed, but $(command -v java) is of version $(version); set JAVA_HOME to the new one"
