#!/bin/sh
# See that what PREFIX holds works for a user who may write to one folder only.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/bin/assay" ]; then
    echo "usage: $0 PREFIX, an environment that deploy/program.sh installed into" >&2
    exit 2
fi
house=$(cd "$(dirname "$0")/.." && pwd)
prefix=$(cd "$1" && pwd)

writable=$(find "$prefix" ! -type l -perm /0222 | head -n 3)
if [ -n "$writable" ]; then
    echo "Somebody may write to these; run deploy/trim.sh $prefix first:" >&2
    echo "$writable" >&2
    exit 1
fi

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
cp "$house/graphs/examples/01-hello.yaml" "$data/hello.yaml"
cd "$data"
set -- env -i PATH="$prefix/bin:/usr/bin:/bin" HOME="$data" TMPDIR="$data" LANG=C.UTF-8
if [ "$(id -u)" -eq 0 ]; then
    # To root no mode is a hindrance, so it is somebody else who tries.
    chown -R 65534:65534 "$data"
    set -- setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$@"
fi

if ! "$@" "$prefix/bin/python" -c '' 2>/dev/null; then
    echo "Others than root may not run $prefix/bin/python: the Python that PYTHON names, or a folder" >&2
    echo "on the way to it or to $prefix, is closed to them. Build with another: PYTHON=/usr/bin/python3" >&2
    exit 1
fi
"$@" assay --version
"$@" python -c 'import assay.store.firestore.store, assay.store.pubsub'
"$@" assay run --quiet hello.yaml
"$@" assay list
