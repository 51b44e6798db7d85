#!/bin/sh
# Build the wheel of this tree, and install it into PREFIX beside its libraries.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/bin/python" ]; then
    echo "usage: $0 PREFIX, an environment that deploy/libraries.sh made" >&2
    exit 2
fi
house=$(cd "$(dirname "$0")/.." && pwd)
prefix=$(cd "$1" && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A Python that has hatchling, as that of a developer's .venv, builds without a network.
builder=$python
if ! "$python" -c 'import hatchling' 2>/dev/null; then
    sh "$house/deploy/libraries.sh" "$work/tools" "$house/requirements/build.txt"
    builder=$work/tools/bin/python
fi
(cd "$house" && "$builder" -m hatchling build -t wheel -d "$work/wheel" >/dev/null)
"$python" -m pip --python "$prefix/bin/python" install --quiet --no-input \
    --disable-pip-version-check --no-deps --no-index "$work"/wheel/*.whl
