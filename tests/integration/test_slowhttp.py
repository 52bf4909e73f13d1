"""slowhttptest against the real binary: slow heads, slow bodies, slow reads and many ranges, 2,000 connections each.

Its own prober finds the service available all the time, and a client of ours has every request answered."""

import csv
import shutil
import subprocess
import unittest

from harness import PATIENCE, IntegrationCase, RawClient
from harness.crowd import PatientUpstream, allow_descriptors

CONNECTIONS = 2000
# Its prober gives up after the first; the second is how long an attack lasts.
ANSWER_SECONDS = 1 + int(PATIENCE)
SECONDS = 4 + ANSWER_SECONDS


class SlowHttpTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        program = shutil.which("slowhttptest")
        if program is None:
            self.fail("slowhttptest is not installed; run scripts/install-deps.sh")
        allow_descriptors()
        self.patient = PatientUpstream()
        self.addCleanup(self.patient.stop)
        self.start({"patient": self.patient})
        self.command = [program, "-c", str(CONNECTIONS), "-r", str(CONNECTIONS // 2), "-l", str(SECONDS),
                        "-p", str(ANSWER_SECONDS), "-g", "-o", f"{self.folder}/report"]

    def attack(self, *arguments, path="/"):
        with open(f"{self.folder}/said", "wb") as said:
            attacker = subprocess.Popen(
                [*self.command, *arguments, "-u", self.daemon.url(path)], stdout=said, stderr=said)
        try:
            while attacker.poll() is None:
                with RawClient(self.daemon.public) as client:
                    for _ in range(20):
                        self.assertEqual(client.get("/others").status, 200)
        finally:
            if attacker.poll() is None:
                attacker.kill()
            attacker.wait()
        with open(f"{self.folder}/report.csv", encoding="ascii", newline="") as file:
            seconds = list(csv.DictReader(file))
        seconds = [row for row in seconds if row.get("Service Available") is not None]
        self.assertGreater(len(seconds), 1)
        connected = [int(row["Connected"]) for row in seconds]
        self.assertGreater(max(connected) + max(int(row["Closed"]) for row in seconds), CONNECTIONS // 2, connected)
        # 0 in a second in which the prober found the service closed.
        self.assertTrue(all(int(row["Service Available"]) > 0 for row in seconds), seconds)

    def test_slow_heads(self):
        self.attack("-H", "-i", "2", "-t", "GET", "-x", "24")

    def test_slow_bodies(self):
        self.attack("-B", "-i", "2", "-s", "8192", "-t", "POST", "-x", "10", path="/sink")

    def test_slow_reads(self):
        self.attack("-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", path="/large")

    def test_ranges(self):
        self.attack("-R", "-a", "10", "-b", "3000", "-t", "HEAD")


if __name__ == "__main__":
    unittest.main()
