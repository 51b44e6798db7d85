#!/bin/sh
# Build what the container image holds into PREFIX, without a container: see docs/deploy.md.
set -eu

deploy=$(cd "$(dirname "$0")" && pwd)
for step in libraries program trim proof; do
    sh "$deploy/$step.sh" "$@"
done
