#!/bin/sh
# Make PREFIX, a Python environment that holds the pinned libraries and nothing else.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 PREFIX [REQUIREMENTS]" >&2
    exit 2
fi
house=$(cd "$(dirname "$0")/.." && pwd)
case $1 in /*) prefix=$1 ;; *) prefix=$PWD/$1 ;; esac
requirements=${2:-$house/requirements/run.txt}
python=${PYTHON:-python3}

if [ -e "$prefix" ]; then
    echo "$prefix is there already; name a folder that is not, or remove it." >&2
    exit 2
fi
# No pip inside: what runs has no need to install, and an intruder has.
"$python" -m venv --without-pip "$prefix"
"$python" -m pip --python "$prefix/bin/python" install --quiet --no-input \
    --disable-pip-version-check --require-hashes --only-binary=:all: -r "$requirements"
