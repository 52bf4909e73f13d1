"""The figures of the load benchmark. Each function returns {proxy: {...}} or {case: {proxy: {...}}}."""

import shutil
import statistics
import sys

from sampling import CallgrindRun, CpuSample, count_syscalls

CONNECTIONS = 64
# Requests of a counted run under strace or callgrind: large bodies take long, and are as exact with few.
COUNTED = {"get-1m": 200, "post-64k": 2000, "get-16k": 4000, "connect": 4000}
COUNTED_DEFAULT = 10000


def note(text):
    print(text, file=sys.stderr, flush=True)


def is_able(proxy, case):
    """The relay cannot end a connection that its upstream keeps."""
    return not (proxy.kind == "relay" and case == "connect")


def median_of_clean(entries):
    """Of the samples without noise; of all, with clean 0, when none is."""
    clean = [value for value, noise in entries if noise is None]
    used = clean or [value for value, _ in entries]
    return {"median": statistics.median(used), "min": min(used), "clean": len(clean), "samples": len(entries)}


def cpu(proxies, peer, cases, options):
    """Saturated: CPU time of the proxy per request, in interleaved shuffled rounds."""
    samples = {}
    for proxy in proxies:
        proxy.start()
    try:
        for number in range(options.rounds):
            order = [(proxy, case) for proxy in proxies for case in cases if is_able(proxy, case)]
            options.random.shuffle(order)
            for proxy, case in order:
                peer.run(proxy.port, CONNECTIONS, 0.15, 0, case)  # Warm: connections, caches, allocator.
                sample = CpuSample(proxy.pids(), options.proxy_core)
                result = peer.run(proxy.port, CONNECTIONS, options.seconds, 0, case)
                sample.finish()
                micros = sample.cpu_seconds / result["requests"] * 1e6
                noise = sample.noise(options.max_steal, options.max_foreign)
                samples.setdefault((case, proxy.name), []).append((micros, noise))
                busy = 100 * sample.cpu_seconds / result["seconds"]
                note(f"cpu {number + 1}/{options.rounds} {proxy.name:13} {case:10} {micros:8.1f} us/req "
                     f"{result['requests'] / result['seconds'] / 1000:7.1f} k/s {busy:3.0f} % busy {noise or ''}")
    finally:
        for proxy in proxies:
            proxy.stop()
    figures = {case: {} for case in cases}
    for (case, name), entries in samples.items():
        figures[case][name] = median_of_clean(entries)
    return figures


def exact(proxies, peer, cases, _options):
    """Figures that do not depend on how busy the machine is: system calls and user instructions per request."""
    figures = {case: {} for case in cases}
    for proxy in proxies:
        proxy.start()
        try:
            able = [case for case in cases if is_able(proxy, case)]
            for case in able:
                requests = COUNTED.get(case, COUNTED_DEFAULT)
                calls = count_syscalls(proxy, peer, case, CONNECTIONS, requests)
                figures[case][proxy.name] = {"syscalls": calls and sum(calls.values())}
        finally:
            proxy.stop()
        if shutil.which("valgrind") is None:
            continue
        with CallgrindRun(proxy) as run:
            for case in able:
                requests = COUNTED.get(case, COUNTED_DEFAULT)
                figures[case][proxy.name]["instructions"] = run.profile(peer, case, CONNECTIONS, requests).total
                note(f"exact {proxy.name:13} {case:10} {figures[case][proxy.name]}")
    return figures


def latency(proxies, peer, cases, options):
    """Open loop at a fixed rate: how much later answers come than over a direct connection."""
    samples = {}
    for proxy in proxies:
        proxy.start()
    targets = [(None, "direct"), *((proxy, proxy.name) for proxy in proxies)]
    try:
        for number in range(options.rounds):
            order = [(target, case) for target in targets for case in cases]
            options.random.shuffle(order)
            for (proxy, name), case in order:
                port = peer.port if proxy is None else proxy.port
                peer.pace(port, CONNECTIONS, 0.15, options.rate, case)
                sample = CpuSample([] if proxy is None else proxy.pids(), options.proxy_core)
                # The same requests at the same times in every run of a round.
                result = peer.pace(port, CONNECTIONS, options.seconds, options.rate, case, seed=number + 1)
                sample.finish()
                noise = sample.noise(options.max_steal)
                for quantile in ("p50_us", "p99_us"):
                    samples.setdefault((case, name, quantile), []).append((result[quantile], noise))
                note(f"latency {number + 1}/{options.rounds} {name:13} {case:10} p50 {result['p50_us']:7.1f} "
                     f"p99 {result['p99_us']:8.1f} us {noise or ''}")
    finally:
        for proxy in proxies:
            proxy.stop()
    figures = {case: {} for case in cases}
    for (case, name, quantile), entries in samples.items():
        figures[case].setdefault(name, {"rate": options.rate})[quantile] = median_of_clean(entries)
    return figures


def idle(proxies, peer, _cases, options):
    """Growth of the anonymous memory by connections that made one request each and are idle now."""
    figures = {}
    for proxy in proxies:
        proxy.start()
        try:
            peer.run(proxy.port, CONNECTIONS, 0.3, 0, "get-100")
            before = proxy.anonymous_bytes()
            held = peer.hold(proxy.port, options.idle_connections, "get-100")["requests"]
            after = proxy.anonymous_bytes()
            peer.drop()
        finally:
            proxy.stop()
        figures[proxy.name] = {"bytes": (after - before) / held, "connections": held, "before": before}
        note(f"idle {proxy.name:13} {figures[proxy.name]}")
    return figures


def workers(proxies, peer, cases, options):
    """CPU time per request at one rate, whatever the number of workers; all may use both cores."""
    samples = {}
    for proxy in proxies:
        proxy.start(core=options.all_cores)
    try:
        for number in range(options.rounds):
            order = [(proxy, case) for proxy in proxies for case in cases]
            options.random.shuffle(order)
            for proxy, case in order:
                peer.pace(proxy.port, CONNECTIONS, 0.15, options.rate, case, spin=False)
                sample = CpuSample(proxy.pids(), options.proxy_core)
                result = peer.pace(
                    proxy.port, CONNECTIONS, options.seconds, options.rate, case, seed=number + 1, spin=False)
                sample.finish()
                micros = sample.cpu_seconds / result["requests"] * 1e6
                noise = sample.noise(options.max_steal)
                samples.setdefault((case, proxy.name), []).append((micros, noise))
                note(f"workers {number + 1}/{options.rounds} {proxy.name:13} {case:10} {micros:6.1f} us/req {noise or ''}")
    finally:
        for proxy in proxies:
            proxy.stop()
    figures = {case: {} for case in cases}
    for (case, name), entries in samples.items():
        figures[case][name] = {**median_of_clean(entries), "rate": options.rate}
    return figures
