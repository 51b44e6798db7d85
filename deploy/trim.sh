#!/bin/sh
# Take from PREFIX what running does not need, and the right to write from everybody.
#
# Compiled Python stays: a tree that nobody may write to could not be compiled later.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/bin/python" ]; then
    echo "usage: $0 PREFIX, an environment that deploy/libraries.sh made" >&2
    exit 2
fi
prefix=$(cd "$1" && pwd)

if command -v strip >/dev/null; then
    find "$prefix" -type f -name '*.so*' -exec strip --strip-unneeded {} +
else
    echo "There is no strip here, so symbols stay (some 40 MB); binutils has it." >&2
fi
find "$prefix" -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} +
chmod -R a-w,a+rX "$prefix"
