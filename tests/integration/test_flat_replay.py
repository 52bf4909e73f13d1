"""Recordings far larger than memory through canaryd replay: it takes no more than for a small one.

CANARYD_FLAT_REPLAY_MB is the size of each of the two (1000). They are made while they are read, and never on the disk."""

import json
import os
import random
import re
import subprocess
import time
import unittest

from harness import CANARYD, IntegrationCase, base_config, to_yaml

MB = 1_000_000
TOTAL = int(float(os.environ.get("CANARYD_FLAT_REPLAY_MB", "1000")) * MB)
RATE = 500
WEIGHT = 10
BEGAN = 1_767_607_320
SECOND = b"SSSSSSSSSS"
# For the whole process: its code, its libraries, a piece of the file, and the seconds that wait.
PEAK_MAX = 64 * MB
# What it may take beyond that of the first seconds.
GROWTH_MAX = 2 * MB


class Request:
    """One of a service of which one response in a hundred fails."""

    def __init__(self, chance):
        self.user = chance.getrandbits(64)
        self.canary = chance.randrange(100) < WEIGHT
        self.status = 503 if chance.randrange(100) == 0 else 200
        self.took = chance.lognormvariate(-3, 0.6)
        self.micros = chance.randrange(1_000_000)
        self.path = f"/api/articles/{chance.randrange(10_000)}"

    @property
    def cohort(self):
        return "canary" if self.canary else "stable"

    def access_line(self):
        version = "v2" if self.canary else "v1"
        return json.dumps({
            "ts": "2026-01-05T10:02:00.000Z", "id": f"{self.user:032x}", "client": "192.0.2.7", "listener": "public",
            "method": "GET", "scheme": "http", "host": "shop.example", "path": self.path, "protocol": "HTTP/1.1",
            "route": "all", "rollout": "shop", "step": 1, "cohort": self.cohort, "rule": "weight",
            "key_source": "header", "upstream": version, "endpoint": "10.0.0.1:8080", "status": self.status,
            "upstream_status": self.status, "bytes_in": 0, "bytes_out": 5120, "key_hash": f"{self.user:016x}",
            "weight": WEIGHT, "revision": "2", "t_end": "END", "t_total": round(self.took, 6),
            "t_upstream_connect": 0.0002, "t_upstream_first_byte": round(self.took, 6), "user_agent": "curl/7.88.1",
        }, separators=(",", ":")).replace('"END"', f"{SECOND.decode()}.{self.micros:06}") + "\n"

    def csv_line(self):
        return (f"{SECOND.decode()}{self.micros // 1000:03},{self.cohort},{self.status},{1000 * self.took:.3f},"
                f"{self.user:x},{WEIGHT}\n")


class FlatReplayTest(IntegrationCase):
    def write_config(self):
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        path = os.path.join(self.folder, "replay.yaml")
        steps = [{"weight": WEIGHT}, {"weight": 100}]
        analysis = {"tolerance": {"errors": {"absolute": 1}}}
        with open(path, "w", encoding="utf-8") as file:
            file.write(to_yaml(base_config(self.folder, scripted, **self.rollout_config(steps, analysis=analysis))))
        return path

    @staticmethod
    def peak(process):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) * 1024

    def play(self, header, line_of):
        chance = random.Random(1)
        seconds = ["".join(line_of(Request(chance)) for _ in range(RATE)).encode() for _ in range(60)]
        process = subprocess.Popen(
            [CANARYD, "replay", "-c", self.write_config(), "--format", "json", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        process.stdin.write(header)
        written, second, early = len(header), 0, None
        began = time.monotonic()
        while written < TOTAL:
            piece = seconds[second % len(seconds)].replace(SECOND, b"%d" % (BEGAN + second))
            process.stdin.write(piece)
            second += 1
            written += len(piece)
            if early is None and second == 2 * len(seconds):
                early = self.peak(process)
        peak = self.peak(process)
        process.stdin.close()
        outcome = json.loads(process.stdout.read())
        took = time.monotonic() - began
        print(f"{self.id().rsplit('.')[-1]}: {written / MB:.0f} MB, {second * RATE} lines, {second} seconds of "
              f"traffic in {took:.1f} s: {written / MB / took:.0f} MB/s, at most {peak / MB:.1f} MB of memory", flush=True)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(outcome["lines"]["evidence"], second * RATE)
        self.assertNotEqual(outcome["verdict"], "rollback")
        self.assertLessEqual(peak, PEAK_MAX)
        self.assertLessEqual(peak - early, GROWTH_MAX)

    def test_access_log(self):
        self.play(b"", Request.access_line)

    def test_csv(self):
        self.play(b"timestamp_ms,cohort,status,latency_ms,client,weight\n", Request.csv_line)


if __name__ == "__main__":
    unittest.main()
