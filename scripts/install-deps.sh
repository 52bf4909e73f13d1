#!/usr/bin/env bash
# Installs the Debian 12 packages that canaryd is built and tested with. Does nothing when all are there.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/install-deps.sh [--build] [--test] [--fuzz] [--list]

  --build   what building the daemon, its client and the demo needs
  --test    what the tests and benchmarks need on top
  --fuzz    what fuzzing with libFuzzer needs on top
  --list    print the packages that are missing and install nothing

Without --build, --test or --fuzz: --build --test. Needs root or sudo when something is missing.
TEXT
}

build_packages=(
  cmake ninja-build g++ ccache python3 ca-certificates
  libboost1.81-dev libboost-json1.81-dev libexpected-dev prometheus-cpp-dev libcli11-dev
  libspdlog-dev libyaml-cpp-dev libsqlite3-dev libssl-dev libhowardhinnant-date-dev
)
test_packages=(
  libgtest-dev libgmock-dev clang-19 clang-format clang-tidy curl jq procps
  wrk nginx-light haproxy prometheus valgrind strace tmux slowhttptest
  nodejs node-undici node-ws zsh fish chromium python3-yaml
)
fuzz_packages=(clang-19 libclang-rt-19-dev)
# Debian starts these when they are installed; the tests run them themselves, on ports of their own.
services=(nginx haproxy prometheus prometheus-node-exporter)

wanted=()
list_only=false
for argument in "$@"; do
  case $argument in
    --build) wanted+=("${build_packages[@]}") ;;
    --test) wanted+=("${test_packages[@]}") ;;
    --fuzz) wanted+=("${fuzz_packages[@]}") ;;
    --list) list_only=true ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
if [ ${#wanted[@]} -eq 0 ]; then
  wanted=("${build_packages[@]}" "${test_packages[@]}")
fi

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps: this is not a Debian system; install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  grep -q "^ii  *$package\$" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
if $list_only; then
  printf '%s\n' "${missing[@]}"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: not root and no sudo; please install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install-deps: installing ${missing[*]}"

# A new server package must not take a port of this machine: say no while installing, disable afterwards.
policy=/usr/sbin/policy-rc.d
placed_policy=false
known_services=" "
for service in "${services[@]}"; do
  if dpkg-query -W -f='${db:Status-Abbrev}' "$service" 2>/dev/null | grep -q '^ii'; then
    known_services+="$service "
  fi
done
remove_policy() {
  if $placed_policy; then "${as_root[@]}" rm -f "$policy"; fi
}
trap remove_policy EXIT
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  placed_policy=true
  "${as_root[@]}" chmod 755 "$policy"
fi

"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}"

if [ -d /run/systemd/system ]; then
  for service in "${services[@]}"; do
    case $known_services in *" $service "*) continue ;; esac
    "${as_root[@]}" systemctl disable --quiet --now "$service" 2>/dev/null || true
  done
fi
echo "install-deps: done"
