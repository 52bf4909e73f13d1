#!/usr/bin/env python3
"""Compares canaryd with haproxy, nginx and a bare relay of bytes as an HTTP/1.1 proxy: cost of one request.

One worker each, pinned to one core; bench_peer, which is both load and upstream and cheaper than any of them, on
another. All run interleaved in shuffled rounds, so that a change of the machine hits all alike; a sample taken while
the machine was stolen from us, or while others used the proxy's core, is rejected. The figures:

  cpu       user + system time of the proxy per request, saturated; compare the ratios, not the values
  exact     system calls (strace -c over a counted run) and user instructions (callgrind) per request; they do not
            depend on how busy the machine is
  latency   p50 and p99 at a fixed open-loop rate, and what that is above a direct connection
  idle      memory per idle connection
  workers   CPU per request of two workers and of one, at the same rate
  attack    p50 and p99 of others, and memory per connection, while thousands are silent, slow, or send too much

  bench/load/run.py                                       everything, about half an hour
  bench/load/run.py cpu --cases get-100 post-1k --json f  a part; f keeps what other runs have written to it
  bench/load/run.py --show f                              prints what f holds

canaryd runs with a rollout at 10 %, cohorts by header or address, metrics on; the others only forward. The proxies
named -full also write an access log and add the usual fields (canaryd: whatever of log.access and fallback this build
has; see proxies.py). A proxy that is not found is left out. Standard library only; needs Linux, two cores, and for
`exact` strace and valgrind.
"""

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import attack
import measure
import report
from proxies import Canaryd, Haproxy, Nginx, Peer, Relay

ROOT = Path(__file__).resolve().parents[2]
CASES = ("get-100", "browser-1k", "get-16k", "get-1m", "post-1k", "post-64k", "connect")
KINDS = {"canaryd": Canaryd, "haproxy": Haproxy, "nginx": Nginx, "relay": Relay}
FULL = ("canaryd-full", "haproxy-full", "nginx-full")
# figure: (what measures it, cases by default, proxies by default)
FIGURES = {
    "cpu": (measure.cpu, CASES, (*KINDS, *FULL)),
    "exact": (measure.exact, CASES, (*KINDS, *FULL)),
    "latency": (measure.latency, ("get-100",), (*KINDS,)),
    "idle": (measure.idle, (), ("canaryd", "haproxy", "nginx")),
    "workers": (measure.workers, ("get-100",), ("canaryd",)),
    "attack": (attack.attack, (), ("canaryd",)),
}
# These have one case of their own, or several.
CASELESS = ("idle", "attack")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(FIGURES) + " (default: all)")
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="folder with the programs")
    parser.add_argument("--only", nargs="+", choices=[*KINDS, *FULL])
    parser.add_argument("--cases", nargs="+", choices=CASES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=5000, help="requests a second of latency and workers")
    parser.add_argument("--idle-connections", type=int, default=3000)
    parser.add_argument("--attackers", type=int, default=8000, help="connections of the largest attack")
    parser.add_argument("--max-steal", type=float, default=3.0, help="percent of both cores")
    parser.add_argument("--max-foreign", type=float, default=5.0, help="percent of the proxy's core")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="add the figures to what this file holds")
    parser.add_argument("--show", metavar="FILE", help="print the figures of this file and measure nothing")
    options = parser.parse_args()
    unknown = set(options.figures) - set(FIGURES)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    options.random = random.Random(options.seed)
    return options


def find_program(kind, build):
    own = {"canaryd": build / "src/daemon/canaryd", "relay": build / "bench/load/bench_relay"}
    if kind in own:
        return str(own[kind].resolve()) if own[kind].exists() else None
    return shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/sbin")


def make_proxies(names, figure, folder, peer, options):
    made = []
    for name in names:
        kind, full = name.removesuffix("-full"), name.endswith("-full")
        program = find_program(kind, Path(options.build))
        if program is None:
            measure.note(f"{kind}: not found, left out")
            continue
        for count in (1, 2) if figure == "workers" else (1,):
            place = folder / f"{figure}-{len(list(folder.iterdir()))}"
            place.mkdir()
            made.append(KINDS[kind](program, place, peer.port, options.proxy_core, full, count))
    return made


def measure_figure(figure, folder, peer, options):
    function, cases, names = FIGURES[figure]
    cases = options.cases or cases
    names = [name for name in names if not options.only or name in options.only]
    proxies = make_proxies(names, figure, folder, peer, options)
    return function(proxies, peer, [] if figure in CASELESS else cases, options)


def merge(into, figures):
    for key, value in figures.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict) and key not in ("p50_us", "p99_us"):
            merge(into[key], value)
        else:
            into[key] = value


def main():
    options = parse_options()
    if options.show:
        report.print_all(json.loads(Path(options.show).read_text(encoding="utf-8")))
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or options.proxy_core not in cores:
        sys.exit("needs two cores, one for the proxy and one for its peer")
    options.peer_core = next(core for core in cores if core != options.proxy_core)
    options.all_cores = f"{options.proxy_core},{options.peer_core}"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = {}
    if options.json and Path(options.json).exists():
        figures = json.loads(Path(options.json).read_text(encoding="utf-8"))
    peer_program = str((Path(options.build) / "bench/load/bench_peer").resolve())
    with tempfile.TemporaryDirectory(prefix="canaryd-bench-") as folder, Peer(peer_program, options.peer_core) as peer:
        for figure in options.figures or FIGURES:
            measured = {figure: measure_figure(figure, Path(folder), peer, options)}
            merge(figures, measured)
            report.print_all(measured)
            if options.json:
                Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
