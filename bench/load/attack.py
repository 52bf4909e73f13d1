"""How late others are answered while attackers hold thousands of connections, and what those cost in memory.

The attackers are those of the integration tests, here in numbers, on the peer's core and with less right to it. Others
are measured while they come and while they stay, by a load that is another process than their upstream, and that one
another than the attackers' upstream: one that sends what attackers asked for answers others late, which is no proxy's
doing. Those who upload have one that never reads. Each run has a control run beside it, the same load to the same
upstream without the proxy.
"""

import os
import socket
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
from harness.crowd import Crowd

CONNECTIONS = 64
NICENESS = 10  # Of attackers, and of what serves them.
# Of a paced run while they come; short, so that one in which many came is seen.
COMING_SECONDS = 0.5
HEAD = b" HTTP/1.1\r\nHost: bench.test\r\n"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Attack:
    share: float = 1.0  # Of --attackers.
    first: bytes = b""
    drip: bytes = b""  # Once a second.
    again: bool = False  # Each is refused and comes again, once a second.
    burst: int = 250  # As many come at once.
    receive_buffer: int | None = None


ATTACKS = {
    "nobody": Attack(share=0),
    "silent": Attack(),
    "slow heads": Attack(first=b"GET /a" + HEAD + b"X-", drip=b"a"),
    "slow bodies": Attack(share=0.25, first=b"POST /f" + HEAD + b"Content-Length: 65536\r\n\r\n", drip=b"b"),
    "slow readers": Attack(share=0.0625, first=b"GET /d" + HEAD + b"\r\n", receive_buffer=4096, burst=10),
    # With both ends on one host the kernel holds six MiB of each, and its memory for sockets has an end.
    "stalled uploads": Attack(
        share=0.00625, first=b"POST /s" + HEAD + b"Content-Length: %d\r\n\r\n" % (1024 * MIB) + b"u" * 4 * MIB,
        drip=b"u" * MIB, burst=10),
    "5,000 fields": Attack(share=0.0125, first=b"GET /a" + HEAD + b"a:\r\n" * 5000 + b"\r\n", again=True),
}


class StalledUpstream:
    """Takes connections and never reads: a queue of the kernel that nobody looks after."""

    def __enter__(self):
        self._queue = socket.socket()
        self._queue.bind(("127.0.0.1", 0))
        self._queue.listen(4096)
        self.port = self._queue.getsockname()[1]
        return self

    def __exit__(self, *_):
        self._queue.close()


class Attackers:
    """One thread that opens the connections, and then does the same to all of them once a second."""

    def __init__(self, how, port, count, core):
        self._how, self._address, self._count, self._core = how, ("127.0.0.1", port), count, core
        self._crowds, self._failure = [], None
        self.arrived, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()
        self._leave()
        if self._failure:
            raise self._failure

    def _leave(self):
        for crowd in self._crowds:
            crowd.close()
        self._crowds = []

    def _come(self):
        # Not more at once than a queue of the kernel holds, nor, of those who ask for much, than the upstream can send.
        burst = self._how.burst
        for begin in range(0, self._count, burst):
            if self._ended.wait(0.02):
                return
            self._crowds.append(Crowd(
                self._address, min(burst, self._count - begin), self._how.first, self._how.receive_buffer))

    def _run(self):
        # Of this thread alone.
        os.sched_setaffinity(0, {self._core})
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            self._come()
            self.arrived.set()
            while not self._ended.wait(1):
                if self._how.again:
                    self._leave()
                    self._come()
                elif self._how.drip:
                    for crowd in self._crowds:
                        crowd.push(self._how.drip)
        except OSError as error:
            self._failure = error
        finally:
            self.arrived.set()


def attack(proxies, peer, _cases, options):
    figures = {name: {} for name in ATTACKS}
    for proxy in proxies:
        with peer.another() as load, peer.another(NICENESS) as attacked, StalledUpstream() as stalled:
            proxy.attacked_port, proxy.stalled_port = attacked.port, stalled.port
            proxy.start()
            try:
                _pace(load, proxy.port, 0.3, options, seed=1)
                for name, how in ATTACKS.items():
                    figures[name][proxy.name] = _suffer(proxy, peer.port, load, how, options)
                    print(f"attack {proxy.name:13} {name:13} {figures[name][proxy.name]}", file=sys.stderr, flush=True)
            finally:
                proxy.stop()
    return figures


def _pace(load, port, seconds, options, seed):
    return load.pace(port, CONNECTIONS, seconds, options.rate, "get-100", seed=seed, spin=False)


def _suffer(proxy, upstream_port, load, how, options):
    count = round(options.attackers * how.share)
    before = proxy.anonymous_bytes()
    attackers = Attackers(how, proxy.port, count, options.peer_core)
    p50, p99, direct, most, requests = [], [], [], before, 0
    try:
        stayed = 0
        while stayed < options.rounds:
            came = attackers.arrived.is_set()
            stayed += came
            seconds = options.seconds if came else COMING_SECONDS
            result = _pace(load, proxy.port, seconds, options, seed=len(p99) + 1)
            control = _pace(load, upstream_port, seconds, options, seed=len(p99) + 1)
            p50.append(result["p50_us"])
            p99.append(result["p99_us"])
            direct.append(control["p99_us"])
            requests += result["requests"]
            most = max(most, proxy.anonymous_bytes())
    finally:
        attackers.stop()
    _wait_until_left(proxy)
    return {"connections": count, "rate": options.rate, "requests": requests, "p50_us": statistics.median(p50),
            "p99_us": statistics.median(p99), "p99_worst_us": max(p99),
            "direct_p99_us": statistics.median(direct), "direct_p99_worst_us": max(direct),
            "bytes": (most - before) / count if count else None}


def _wait_until_left(proxy, seconds=30):
    """The sockets of the attackers are gone from the proxy."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in proxy.pids()) < 4 * CONNECTIONS:
            return
        time.sleep(0.1)
