"""Prints the figures of the load benchmark as Markdown tables."""

ORDER = ("relay", "canaryd", "haproxy", "nginx", "canaryd-full", "haproxy-full", "nginx-full")


def print_all(figures):
    for name, show in (("cpu", print_cpu), ("exact", print_exact), ("latency", print_latency),
                       ("idle", print_idle), ("workers", print_workers), ("attack", print_attack)):
        if figures.get(name):
            show(figures[name])
            print()


def _sorted(names):
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def _row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def _head(*cells):
    _row(*cells)
    _row(*("---" for _ in cells))


def _ratio(value, base):
    return f"{value / base:.2f}" if value and base else "-"


def _number(value, form):
    return "-" if value is None else form.format(value)


def _median(entry):
    mark = "" if entry["clean"] else "?"
    return f"{entry['median']:.1f}{mark}"


def print_cpu(cases):
    print("CPU us per request, saturated; medians (? no clean sample), and ratios\n")
    _head("case", "proxy", "CPU us", "least", "clean", "x relay", "x haproxy", "x nginx")
    for case, proxies in cases.items():
        for name in _sorted(proxies):
            entry, suffix = proxies[name], "-full" if name.endswith("-full") else ""
            base = {other: proxies.get(other, {}).get("median")
                    for other in ("relay", f"haproxy{suffix}", f"nginx{suffix}")}
            _row(case, name, _median(entry), f"{entry['min']:.1f}", f"{entry['clean']}/{entry['samples']}",
                 *(_ratio(entry["median"], value) for value in base.values()))


def print_exact(cases):
    print("System calls and user instructions per request, 64 connections\n")
    _head("case", "proxy", "calls", "instructions", "x haproxy", "x nginx")
    for case, proxies in cases.items():
        for name in _sorted(proxies):
            entry = proxies[name]
            instructions = entry.get("instructions")
            base = [proxies.get(other, {}).get("instructions") for other in ("haproxy", "nginx")]
            _row(case, name, _number(entry.get("syscalls"), "{:.2f}"), _number(instructions, "{:,.0f}"),
                 *(_ratio(instructions, value) for value in base))


def print_latency(cases):
    rate = next(iter(next(iter(cases.values())).values()))["rate"]
    print(f"Latency at {rate:,.0f} requests/s, open loop, and what the proxy adds to a direct connection\n")
    _head("case", "proxy", "p50 us", "p99 us", "added p50", "added p99", "clean")
    for case, proxies in cases.items():
        direct = proxies.get("direct")
        for name in _sorted(proxies):
            entry = proxies[name]
            added = [f"{entry[q]['median'] - direct[q]['median']:.1f}" if direct and name != "direct" else "-"
                     for q in ("p50_us", "p99_us")]
            clean = entry["p99_us"]
            _row(case, name, _median(entry["p50_us"]), _median(entry["p99_us"]), *added,
                 f"{clean['clean']}/{clean['samples']}")


def print_idle(proxies):
    print("Memory per idle connection that made one request: growth of anonymous memory\n")
    _head("proxy", "bytes", "connections", "KiB before")
    for name in _sorted(proxies):
        entry = proxies[name]
        _row(name, f"{entry['bytes']:.0f}", entry["connections"], f"{entry['before'] / 1024:.0f}")


def print_workers(cases):
    rate = next(iter(next(iter(cases.values())).values()))["rate"]
    print(f"CPU us per request at {rate:,.0f} requests/s, by number of workers\n")
    _head("case", "proxy", "CPU us", "clean", "x one worker")
    for case, proxies in cases.items():
        for name in sorted(proxies):
            entry = proxies[name]
            base = proxies.get(name.rsplit("-", 1)[0] if name.endswith("w") else name, {}).get("median")
            _row(case, name, _median(entry), f"{entry['clean']}/{entry['samples']}", _ratio(entry["median"], base))


def print_attack(attacks):
    rate = next(iter(next(iter(attacks.values())).values()))["rate"]
    print(f"Others, {rate:,.0f} requests/s in open loop, while attackers come and stay\n")
    _head("attack", "proxy", "connections", "p50 us", "p99 us", "p99 us, worst run", "direct p99 us", "direct, worst run",
          "bytes per connection")
    columns = ("p50_us", "p99_us", "p99_worst_us", "direct_p99_us", "direct_p99_worst_us")
    for attack, proxies in attacks.items():
        for name in _sorted(proxies):
            entry = proxies[name]
            _row(attack, name, entry["connections"], *(_number(entry.get(column), "{:.0f}") for column in columns),
                 _number(entry["bytes"], "{:,.0f}"))
