#!/usr/bin/env bash
# Builds canaryd twice: counting what a request passes through, and optimised by the counts of a training run.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/build-optimised.sh [TARGET...]

Builds canaryd, canaryctl, all that `cmake --install build/optimised` puts beside them, and the targets in
build/optimised with the preset release's options, the rooms of the request path optimised by a profile: about a sixth
fewer instructions a request (docs/performance.md). Needs GCC and python3; the training run serves a few ten thousand
requests over loopback.

CANARYD_JOBS sets the number of parallel jobs (default: one per core).
TEXT
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${CANARYD_JOBS:-$(nproc)}
folder=build/optimised

# The counts are found beside the objects that they are of, so both builds are in one directory.
cmake --preset optimised -DCANARYD_WERROR=OFF -DCANARYD_PROFILE=generate
find "$folder" -name '*.gcda' -delete
cmake --build "$folder" --target canaryd bench_peer -- -j"$jobs"
bench/load/train.py --build "$folder"
cmake --preset optimised -DCANARYD_WERROR=OFF -DCANARYD_PROFILE=use
cmake --build "$folder" --target canaryd canaryctl documents bench_peer "$@" -- -j"$jobs"
