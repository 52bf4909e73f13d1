#!/usr/bin/env python3
"""Fails when a request costs canaryd more than it did: instructions and system calls against bench/baseline.json.

Both counts hardly depend on the machine or on what else runs there: one connection, so that every request is the same
sequence of events; a fixed number of requests; only the worker's thread; starting up and ending left out. The
instructions are those of one compiler, Debian 12's, and of the preset release.

  bench/load/gate.py             exit 1 if a case is more than 5 % above the baseline; then says which functions it is
  bench/load/gate.py --update    writes what it measured as the new baseline: for a change that is worth its cost, and
                                 after one that made requests cheaper
  bench/load/gate.py --self-test proves that it fails when it should; needs nothing

Needs strace and valgrind. Takes about a minute.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from callgrind import differences, short_name
from proxies import Canaryd, Peer
from sampling import CallgrindRun, count_syscalls

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "bench/baseline.json"
# Only what arrives in one piece: how large bodies are cut up differs from run to run.
CASES = ("get-100", "browser-1k", "get-16k", "post-1k", "connect")
REQUESTS = 1000
ALLOWED = 1.05
# Functions below this share of a request are noise in a baseline.
LEAST_SHARE = 0.003
SHOWN = 12


def functions_of(profile):
    """{name: [own, with callees]} of the functions that matter."""
    own, whole = {}, {}
    for costs, into in ((profile.own, own), (profile.all, whole)):
        for name, cost in costs.items():
            # Parts of one function, such as a coroutine's, become one.
            into[short_name(name)] = into.get(short_name(name), 0) + cost
    least = profile.total * LEAST_SHARE
    return {name: [round(own.get(name, 0), 1), round(cost, 1)]
            for name, cost in sorted(whole.items(), key=lambda item: -item[1]) if own.get(name, 0) >= least}


def syscalls(proxy, peer, case):
    calls = count_syscalls(proxy, peer, case, 1, REQUESTS)
    if calls is None:
        sys.exit("strace could not attach: it needs the right to trace (ptrace)")
    # What is not once in fifty requests is no part of a request.
    return {name: round(count, 2) for name, count in sorted(calls.items()) if count >= 0.02}


def measure(proxy, peer):
    figures = {}
    proxy.start()
    try:
        for case in CASES:
            figures[case] = {"calls": syscalls(proxy, peer, case)}
    finally:
        proxy.stop()
    with CallgrindRun(proxy) as run:
        for case in CASES:
            profile = run.profile(peer, case, 1, REQUESTS)
            figures[case]["instructions"] = round(profile.total)
            figures[case]["syscalls"] = round(sum(figures[case]["calls"].values()), 2)
            figures[case]["functions"] = functions_of(profile)
    return figures


def to_text(figures):
    """JSON with a line for each function, so that a change of the baseline can be read."""
    cases = []
    for case, figure in figures.items():
        functions = ",\n".join(f"   {json.dumps(name)}: {json.dumps(costs)}"
                               for name, costs in figure["functions"].items())
        counts = f'  "instructions": {figure["instructions"]},\n  "syscalls": {figure["syscalls"]},\n'
        counts += f'  "calls": {json.dumps(figure["calls"])},\n'
        cases.append(f' {json.dumps(case)}: {{\n{counts}  "functions": {{\n{functions}\n  }}\n }}')
    return "{\n" + ",\n".join(cases) + "\n}\n"


def say_where(before, after):
    """The calls and functions that differ most."""
    tables = [("system calls", before["calls"], after["calls"], "9.2f")]
    for index, title in ((0, "by themselves"), (1, "with what they call")):
        old, new = ({name: costs[index] for name, costs in figure["functions"].items()} for figure in (before, after))
        tables.append((f"instructions of functions {title}", old, new, "9.0f"))
    for title, old, new, form in tables:
        print(f"    {title}: difference, before, now")
        for name, was, now in differences(old, new, SHOWN):
            if abs(now - was) > 0.01 * max(was, now):
                print(f"      {now - was:+{form}} {was:{form}} {now:{form}}  {name}")


def compare(baseline, figures):
    """Prints a line a case; returns the number of cases that cost too much."""
    failed = 0
    for case, now in figures.items():
        was = baseline.get(case)
        if was is None:
            print(f"{case:11} not in the baseline; run with --update")
            failed += 1
            continue
        ratios = [now[key] / was[key] for key in ("instructions", "syscalls")]
        dear = max(ratios) > ALLOWED
        failed += dear
        cheap = min(ratios) < 2 - ALLOWED
        word = "TOO DEAR" if dear else "cheaper: run with --update" if cheap else "ok"
        print(f"{case:11} instructions {was['instructions']:8,} -> {now['instructions']:8,} ({ratios[0]:.3f})   "
              f"system calls {was['syscalls']:6.2f} -> {now['syscalls']:6.2f} ({ratios[1]:.3f})   {word}")
        if dear:
            say_where(was, now)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        import gate_test  # Only here: the gate does not need its tests.

        sys.exit(gate_test.run())
    for tool in ("strace", "valgrind"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} not found; run scripts/install-deps.sh --test")
    cores = sorted(os.sched_getaffinity(0))
    build = Path(options.build).resolve()
    with tempfile.TemporaryDirectory(prefix="canaryd-gate-") as folder:
        with Peer(str(build / "bench/load/bench_peer"), cores[-1]) as peer:
            proxy = Canaryd(str(build / "src/daemon/canaryd"), Path(folder), peer.port, cores[0])
            figures = measure(proxy, peer)
    baseline = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    failed = compare(baseline, figures)
    if options.update:
        BASELINE.write_text(to_text(figures), encoding="utf-8")
        print(f"wrote {BASELINE.relative_to(ROOT)}")
        return
    if failed:
        sys.exit(f"{failed} of {len(figures)} cases cost more than {ALLOWED - 1:.0%} above bench/baseline.json")


if __name__ == "__main__":
    main()
