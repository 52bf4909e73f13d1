#!/usr/bin/env bash
# Builds canaryd in every way it is checked in, runs the tests, and says what failed.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--all] [--no-install] [--repeat N] [-v] [LEG...]

  --all          also the plain build, the release build, and the slow and load tests
  --no-install   do not install missing packages
  --repeat N     run each test of the legs asan tsan dev slow N times, until it fails
  -v             show the output of the tools as they run (it is always in build/logs)
  LEG...         only these legs: tidy asan tsan clang fuzz gate dev release slow

Stops at the first leg that fails; exit code 0 only if everything asked for passed.
CANARYD_JOBS sets the number of parallel jobs (default: one per core), CANARYD_FUZZ_SECONDS the
time per fuzz target (default 60).
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
jobs=${CANARYD_JOBS:-$(nproc)}
install=true
verbose=false
all=false
# Of those that start daemons and wait for them: one more than there are cores.
test_jobs=$((jobs + 1))
repeat=()
legs=()
while [ $# -gt 0 ]; do
  argument=$1
  shift
  case $argument in
    --all) all=true ;;
    --no-install) install=false ;;
    --repeat)
      [[ ${1:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
      repeat=(--repeat "until-fail:$1")
      shift
      ;;
    -v) verbose=true ;;
    -h | --help) usage; exit 0 ;;
    tidy | asan | tsan | clang | fuzz | gate | dev | release | slow) legs+=("$argument") ;;
    *) usage >&2; exit 2 ;;
  esac
done
if [ ${#legs[@]} -eq 0 ]; then
  legs=(tidy asan tsan clang fuzz gate)
  if $all; then legs+=(dev release slow); fi
fi

export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
export CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
logs=$root/build/logs
mkdir -p "$logs"

# GCC 12's ThreadSanitizer cannot start where the kernel randomises more than 28 bits of addresses.
tsan_shell=()
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
if [ "$bits" -gt 28 ] && setarch -R true 2>/dev/null; then tsan_shell=(setarch -R); fi

started=$SECONDS
current_leg=""
passed=()

clock() { printf '%d:%02d' $((($1) / 60)) $((($1) % 60)); }

# step NAME CMD...: run one command of the current leg, its output in the log.
step() {
  local name=$1 begin=$SECONDS log=$logs/$current_leg-$1.log
  shift
  printf '  %-10s ' "$name"
  if $verbose; then
    printf '\n'
    "$@" 2>&1 | tee "$log"
  else
    "$@" >"$log" 2>&1
  fi
  local status=$?
  if [ $status -ne 0 ]; then
    printf 'FAILED after %s (exit %d)\n' "$(clock $((SECONDS - begin)))" $status
    $verbose || grep -vE '^ *Start +[0-9]+:|Passed +[0-9.]+ sec$|^\[[0-9]+/[0-9]+\] (Build|Link)ing' "$log" | tail -n 80
    printf 'full output: %s\n' "${log#"$root"/}"
    return 1
  fi
  local note
  note=$(grep -E '^([0-9]+% tests passed|tidy: )' "$log" | tail -n 1)
  printf 'ok %s   %s\n' "$(clock $((SECONDS - begin)))" "$note"
}

configure_and_build() { # PRESET [TARGET]
  step configure cmake --preset "$1" || return 1
  if [ $# -gt 1 ]; then
    step build cmake --build --preset "$1" --target "$2" -- -j"$jobs"
  else
    step build cmake --build --preset "$1" -- -j"$jobs"
  fi
}

leg_tidy() {
  step rules python3 tools/tidy.py && step self-test python3 tools/tidy.py --self-test
}

# Every fast test, and each public header alone.
leg_asan() {
  configure_and_build asan && step test ctest --preset asan -j"$test_jobs" "${repeat[@]}"
}

leg_tsan() {
  step configure cmake --preset tsan &&
    step build "${tsan_shell[@]}" cmake --build --preset tsan -- -j"$jobs" &&
    step test "${tsan_shell[@]}" ctest --preset tsan -j"$test_jobs" "${repeat[@]}"
}

# A second compiler reads the rooms that hold the coroutines, and runs their tests.
leg_clang() {
  configure_and_build clang coroutine_rooms && step test cmake --build --preset clang --target check_coroutine_rooms
}

# What a request costs, in instructions and system calls, against bench/baseline.json; what is long: a million steps of
# rollouts whose world fails; and by the binary that users get the rules once more, what is long by its traffic, and the
# bounds of memory, which a sanitizer's own memory hides.
leg_gate() {
  step configure cmake --preset release -DCANARYD_TESTS=ON -DCANARYD_UNITS=ON &&
    step build cmake --build --preset release --target bench_gate sim_faults -- -j"$jobs" &&
    step cost bench/load/gate.py &&
    step faults ctest --test-dir build/release -R 'FaultSimulation|CrashPoints' -j"$jobs" --no-tests=error || return 1
  local name
  for name in conformance slowhttp verdicts gross_failure bake attacks flat_memory; do
    step "$name" with_release python3 "tests/integration/test_$name.py" || return 1
  done
}

# Half a GiB each way shows whether memory is flat; the slow leg moves ten.
with_release() { # CMD...
  local release=build/release
  CANARYD_BIN=$release/src/daemon/canaryd CANARYCTL_BIN=$release/src/cli/canaryctl \
    DEMO_LOAD_BIN=$release/demo/demo_load CANARYD_FLAT_GIB=${CANARYD_FLAT_GIB:-0.5} "$@"
}

# The same tests without a sanitizer, case by case: for daily work.
leg_dev() {
  configure_and_build dev && step test ctest --preset dev -j"$jobs" "${repeat[@]}"
}

# File by file, as users build it.
leg_release() {
  step configure cmake --preset release -DCANARYD_UNITS=OFF && step build cmake --build --preset release -- -j"$jobs"
}

# The long simulations need an optimiser; the release preset builds no tests. Without -Wno-restrict GCC 12 takes an
# optimised "." + std::to_string(n) for an overlap (its bug 105651) and -Werror ends the build; the other warning takes
# lists of values in tests for uninitialised memory.
leg_slow() {
  step configure cmake --preset release -B build/release-tests -DCANARYD_TESTS=ON \
    -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF -DCMAKE_CXX_FLAGS="-O3 -g1 -Wno-restrict -Wno-maybe-uninitialized" &&
    step build cmake --build build/release-tests -- -j"$jobs" &&
    step test ctest --test-dir build/release-tests -L 'slow|load' --no-tests=error "${repeat[@]}"
}

# Each target for its time, as many at once as there are jobs. What it finds is in build/clang/found.
leg_fuzz() {
  configure_and_build clang fuzzers || return 1
  local program programs=()
  for program in build/clang/tests/fuzz/fuzz_*; do
    if [ -f "$program" ] && [ -x "$program" ]; then programs+=("$program"); fi
  done
  if [ ${#programs[@]} -eq 0 ]; then
    printf '  FAILED: tests/fuzz built no fuzz_* program\n'
    return 1
  fi
  step fuzz fuzz_all "${programs[@]}"
}

fuzz_all() { # PROGRAM...
  local program running=0 failed=0
  for program in "$@"; do
    if [ $running -eq "$jobs" ]; then
      wait -n || failed=1
      running=$((running - 1))
    fi
    fuzz_one "$program" &
    running=$((running + 1))
  done
  while [ $running -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
  done
  return $failed
}

fuzz_one() { # PROGRAM
  local name log found
  name=$(basename "$1")
  log=$logs/fuzz-$name.log
  found=build/clang/found/$name
  mkdir -p "$found"
  if "$1" -max_total_time="${CANARYD_FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -dict=tests/fuzz/words.dict -artifact_prefix="$found/" "$found" \
    "tests/fuzz/corpus/${name#fuzz_}" >"$log" 2>&1; then
    printf '%s: %s\n' "$name" "$(tail -n 1 "$log")"
  else
    tail -n 60 "$log"
    printf '%s FAILED, full output: %s\n' "$name" "${log#"$root"/}"
    return 1
  fi
}

if $install; then
  sets=(--build --test)
  case " ${legs[*]} " in *" fuzz "* | *" clang "*) sets+=(--fuzz) ;; esac
  scripts/install-deps.sh "${sets[@]}" || exit 1
fi

for index in "${!legs[@]}"; do
  current_leg=${legs[$index]}
  begin=$SECONDS
  printf '[%d/%d] %s\n' $((index + 1)) ${#legs[@]} "$current_leg"
  if ! "leg_$current_leg"; then
    printf 'FAILED: %s in %s   passed: %s   not run: %s\n' "$current_leg" "$(clock $((SECONDS - started)))" \
      "${passed[*]:-none}" "${legs[*]:$((index + 1))}"
    exit 1
  fi
  passed+=("$current_leg")
  printf '  %-10s %s\n' total "$(clock $((SECONDS - begin)))"
done
printf 'PASSED: %s in %s\n' "${passed[*]}" "$(clock $((SECONDS - started)))"
