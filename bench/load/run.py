#!/usr/bin/env python3
"""Compares canaryd with haproxy and nginx as a plain keep-alive HTTP/1.1 proxy: cost of one request.

One worker each, pinned to one core; bench_peer, which is both load and upstream and cheaper than any of them, on
another. All run interleaved in shuffled rounds, so that a change of the machine hits all alike; a sample taken while
the machine was stolen from us, or while others used the proxy's core, is rejected. Three figures a proxy:

  CPU us/req    user + system time of the proxy's threads; compare the ratios, not the values
  syscalls/req  strace -c over a counted run; does not depend on the load of the machine
  Ir/req        user instructions under callgrind, from the difference of two runs of different length; likewise

  bench/load/run.py --canaryd build/release/src/daemon/canaryd --peer build/release/bench/load/bench_peer

Every proxy that is not found is left out. canaryd runs with a rollout at 10 %, cohorts by header, metrics on: all of
it; the others only forward. Standard library only; needs Linux, two cores, and for the last two figures strace and
valgrind. Ends by itself, after about (proxies x 2 variants x rounds x seconds) plus two minutes.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from proxies import Canaryd, Haproxy, Nginx, Peer
from sampling import CpuSample, instructions_per_request, syscalls_per_request

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 64


def measure_cpu(proxies, peer, options):
    """{(name, variant): [(us per request, why it is noisy or None), ...]}"""
    samples = {}
    for round_number in range(options.rounds):
        order = [(proxy, variant) for proxy in proxies for variant in options.variants]
        options.random.shuffle(order)
        for proxy, variant in order:
            peer.run(proxy.port, CONNECTIONS, 0.3, 0, variant)  # Warm: connections, caches, allocator.
            sample = CpuSample(proxy.pids(), options.proxy_core)
            result = peer.run(proxy.port, CONNECTIONS, options.seconds, 0, variant)
            sample.finish()
            if result["errors"] or not result["requests"]:
                sys.exit(f"{proxy.name}: {result['errors']} errors in {result['requests']} requests")
            micros = sample.cpu_seconds / result["requests"] * 1e6
            noise = sample.noise(options.max_steal, options.max_foreign)
            samples.setdefault((proxy.name, variant), []).append((micros, noise))
            print(
                f"round {round_number + 1}/{options.rounds} {proxy.name:8} {variant:5} {micros:6.1f} us/req "
                f"{result['requests'] / result['seconds'] / 1000:6.1f} k/s {noise or ''}",
                file=sys.stderr,
            )
    return samples


def summarise(samples):
    """Median of the clean samples; of all, marked, when none is clean."""
    values = {}
    for key, entries in samples.items():
        clean = [micros for micros, noise in entries if noise is None]
        used = clean or [micros for micros, _ in entries]
        values[key] = (statistics.median(used), min(used), len(clean), len(entries))
    return values


def ratio(value, base):
    return f"{value / base:5.2f}" if value and base else "    -"


def print_table(proxies, variants, cpu, exact):
    names = [proxy.name for proxy in proxies]
    print("variant proxy    CPU us/req    min  clean   x haproxy  x nginx   syscalls/req     Ir/req")
    for variant in variants:
        base = {name: cpu[name, variant][0] for name in names}
        for name in names:
            median, low, clean, count = cpu[name, variant]
            syscalls, instructions = exact.get((name, variant), (None, None))
            print(
                f"{variant:7} {name:8} {median:9.1f}{' ' if clean else '?'} {low:6.1f}   {clean}/{count}"
                f"       {ratio(median, base.get('haproxy'))}    {ratio(median, base.get('nginx'))}"
                f"      {f'{syscalls:7.2f}' if syscalls else '      -'}  "
                f"{f'{instructions:11,.0f}' if instructions else '          -'}"
            )
    if any(not cpu[name, variant][2] for name in names for variant in variants):
        print("? no clean sample: the machine was busy; read the last two columns only")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canaryd", default=str(ROOT / "build/release/src/daemon/canaryd"))
    parser.add_argument("--peer", default=str(ROOT / "build/release/bench/load/bench_peer"))
    parser.add_argument("--only", nargs="+", choices=["canaryd", "haproxy", "nginx"])
    parser.add_argument("--variants", nargs="+", choices=["small", "real"], default=["small", "real"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--max-steal", type=float, default=3.0, help="percent of both cores")
    parser.add_argument("--max-foreign", type=float, default=5.0, help="percent of the proxy's core")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-exact", action="store_true", help="no strace, no callgrind")
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    # The proxies run in folders of their own.
    options.canaryd = str(Path(options.canaryd).resolve())
    options.peer = str(Path(options.peer).resolve())
    options.random = random.Random(options.seed)
    return options


def main():
    options = parse_options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or options.proxy_core not in cores:
        sys.exit("needs two cores, one for the proxy and one for its peer")
    peer_core = next(core for core in cores if core != options.proxy_core)
    with tempfile.TemporaryDirectory(prefix="canaryd-bench-") as folder, Peer(options.peer, peer_core) as peer:
        makers = [("canaryd", Canaryd, options.canaryd), ("haproxy", Haproxy, "haproxy"), ("nginx", Nginx, "nginx")]
        found = []
        for name, maker, program in makers:
            path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
            if (options.only and name not in options.only) or path is None:
                continue
            found.append(maker(path, Path(folder), peer.port, options.proxy_core))
        if not found:
            sys.exit("no proxy found")
        try:
            for proxy in found:
                proxy.start()
            cpu = summarise(measure_cpu(found, peer, options))
        finally:
            for proxy in found:
                proxy.stop()
        exact = {}
        if not options.no_exact:
            for proxy in found:
                for variant in options.variants:
                    exact[proxy.name, variant] = (
                        syscalls_per_request(proxy, peer, variant, CONNECTIONS),
                        instructions_per_request(proxy, peer, variant, CONNECTIONS),
                    )
    print_table(found, options.variants, cpu, exact)
    if options.json:
        figures = [
            {"proxy": name, "variant": variant, "cpu_us": value[0], "clean_samples": value[2],
             "syscalls": exact.get((name, variant), (None, None))[0],
             "instructions": exact.get((name, variant), (None, None))[1]}
            for (name, variant), value in sorted(cpu.items())
        ]
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
