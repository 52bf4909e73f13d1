"""What one request costs a proxy: CPU time from /proc, system calls from strace, instructions from callgrind."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from callgrind import Profile

_TICK = os.sysconf("SC_CLK_TCK")


def _process_cpu_seconds(pids):
    """User and system time of all threads; nanoseconds from schedstat where the kernel has it."""
    total = 0.0
    for pid in pids:
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0]) / 1e9
        except (FileNotFoundError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def _machine():
    """{"cpu": [...], "cpu0": [...]}: ticks by kind; index 3 idle, 4 I/O wait, 7 stolen."""
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu"))
    return {row[0]: [int(value) for value in row[1:9]] for row in rows}


class CpuSample:
    """From its creation to finish()."""

    def __init__(self, pids, core):
        self._pids, self._core = pids, core
        self._machine, self._cpu = _machine(), _process_cpu_seconds(pids)

    def finish(self):
        self.cpu_seconds = _process_cpu_seconds(self._pids) - self._cpu
        after = _machine()
        delta = {name: [b - a for a, b in zip(self._machine[name], after[name])] for name in after}
        whole, core = delta["cpu"], delta[f"cpu{self._core}"]
        self.steal = 100 * whole[7] / max(1, sum(whole))
        busy = sum(core) - core[3] - core[4] - core[7]
        self.foreign = 100 * (busy / _TICK - self.cpu_seconds) / max(0.01, sum(core) / _TICK)

    def noise(self, max_steal, max_foreign=None):
        if self.steal > max_steal:
            return f"noisy: {self.steal:.0f} % stolen"
        if max_foreign is not None and self.foreign > max_foreign:
            return f"noisy: {self.foreign:.0f} % of the core used by others"
        return None


def count_syscalls(proxy, peer, case, connections, requests):
    """{call: how often per request} of a running proxy; strace is attached for one counted run. None without it."""
    if shutil.which("strace") is None:
        return None
    peer.run(proxy.port, connections, 0, max(connections, requests // 10), case)
    output = proxy.folder / "strace"
    command = ["strace", "-f", "-c", "-o", str(output)]
    for pid in proxy.pids():
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    if "attached" not in tracer.stderr.readline():
        tracer.kill()
        tracer.wait()
        return None
    result = peer.run(proxy.port, connections, 0, requests, case)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(20)
    calls = {}
    for line in output.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3]) / result["requests"]
    return calls


class CallgrindRun:
    """A proxy under callgrind, with its threads apart. profile() is the cost of one request in the busiest thread.

    The counters are cleared after a warm run and dumped after a counted one, so that starting up and ending do not
    count, and neither does what the other threads do in the meantime.
    """

    def __init__(self, proxy):
        self._proxy = proxy

    def __enter__(self):
        self._base = self._proxy.folder / "callgrind"
        for old in self._proxy.folder.glob("callgrind*"):
            old.unlink()
        self._proxy.start(prefix=["valgrind", "--tool=callgrind", "--separate-threads=yes",
                                  f"--callgrind-out-file={self._base}"])
        return self

    def __exit__(self, *_):
        self._proxy.stop()

    def profile(self, peer, case, connections, requests):
        peer.run(self._proxy.port, connections, 0, max(connections, requests // 4), case)
        self._control("--zero")
        result = peer.run(self._proxy.port, connections, 0, requests, case)
        before = set(self._proxy.folder.glob("callgrind*"))
        self._control(f"--dump={case}")
        written = self._wait_for_dump(before)
        busiest = max((Profile.read(path) for path in written), key=lambda profile: profile.total)
        return busiest.per_request(result["requests"])

    def _control(self, command):
        subprocess.run(
            ["callgrind_control", command, *map(str, self._proxy.pids())],
            check=True, capture_output=True, timeout=60)

    def _wait_for_dump(self, before):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            written = set(self._proxy.folder.glob("callgrind*-*")) - before
            if written and all(path.read_bytes().rstrip().split(b"\n")[-1].startswith((b"totals", b"summary"))
                               for path in written):
                return written
            time.sleep(0.05)
        raise RuntimeError("callgrind wrote no profile")
