#!/usr/bin/env bash
# openmp.sh [PYTHON]: LightGBM needs GCC's OpenMP library, which its wheel does not bring: used where present, installed
# where this user may (root on Debian and Ubuntu).
set -euo pipefail
python=${1:-python3}
package=libgomp1

is_there() { "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; }

is_there && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: LightGBM needs libgomp.so.1; run: sudo apt-get install $package (Fedora: dnf install libgomp)" >&2
    exit 1
fi
echo "installing $package"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
is_there || { echo "error: $package is installed, but $python cannot load libgomp.so.1" >&2; exit 1; }
