#!/usr/bin/env bash
# Installs what is missing, builds, and shows canaryd promoting a good version and rolling back a bad one.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/demo.sh [--keep] [--no-install]

  --keep         leave everything running at the end, and print the addresses and how to stop it
  --no-install   do not install missing packages

Takes about two minutes once built. Listens on free ports of 127.0.0.1 only.
TEXT
}

keep=()
install=true
for argument in "$@"; do
  case $argument in
    --keep) keep=(--keep) ;;
    --no-install) install=false ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
if $install; then scripts/install-deps.sh --build; fi

export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1
log=build/logs/demo-build.log
mkdir -p build/logs
began=$SECONDS
echo "building canaryd (the first time takes some minutes; output in $log)"
# No tests, no benchmarks and no link-time optimisation: nobody waits longer than needed.
if ! {
  cmake --preset release -B build/demo -DCANARYD_BENCH=OFF -DCANARYD_WERROR=OFF -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF
  cmake --build build/demo --target canaryd canaryctl demo_app demo_load -- -j"${CANARYD_JOBS:-$(nproc)}"
} >"$log" 2>&1; then
  tail -n 40 "$log"
  exit 1
fi
echo "built in $((SECONDS - began)) s"
exec python3 demo/demo.py --build build/demo "${keep[@]}"
