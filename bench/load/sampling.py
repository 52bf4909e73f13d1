"""What one request costs a proxy: CPU time from /proc, system calls from strace, instructions from callgrind."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

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

    def noise(self, max_steal, max_foreign):
        if self.steal > max_steal:
            return f"noisy: {self.steal:.0f} % stolen"
        if self.foreign > max_foreign:
            return f"noisy: {self.foreign:.0f} % of the core used by others"
        return None


def syscalls_per_request(proxy, peer, variant, connections, requests=20000):
    """strace is attached to the warm proxy for one counted run."""
    if shutil.which("strace") is None:
        return None
    proxy.start()
    try:
        peer.run(proxy.port, connections, 0.3, 0, variant)
        output = proxy.folder / "strace"
        command = ["strace", "-f", "-c", "-o", str(output)]
        for pid in proxy.pids():
            command += ["-p", str(pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if "attached" not in tracer.stderr.readline():
            tracer.kill()
            tracer.wait()
            return None
        result = peer.run(proxy.port, connections, 120, requests, variant)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    finally:
        proxy.stop()
    total = 0
    for line in output.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
            total += int(fields[3])
    return total / result["requests"] if result["requests"] else None


def instructions_per_request(proxy, peer, variant, connections, short=2000, long=10000):
    """User instructions; starting up and ending cost the same in both runs and cancel out."""
    if shutil.which("valgrind") is None:
        return None
    counts = []
    for requests in (short, long):
        counts.append(_instructions(proxy, peer, variant, connections, requests))
    if None in counts:
        return None
    return (counts[1][0] - counts[0][0]) / (counts[1][1] - counts[0][1])


def _instructions(proxy, peer, variant, connections, requests):
    output = proxy.folder / "callgrind"
    output.unlink(missing_ok=True)
    proxy.start(prefix=["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}"])
    try:
        result = peer.run(proxy.port, connections, 180, requests, variant)
    finally:
        proxy.stop()
    deadline = time.monotonic() + 10
    while not output.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if not output.exists():
        return None
    total = sum(int(value) for value in re.findall(r"^(?:summary|totals): (\d+)", output.read_text(), re.MULTILINE)[:1])
    return total, result["requests"]
