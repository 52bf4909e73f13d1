"""The circuit under load: a canary that dies is left alone at once, probed, and taken back or rolled back."""

import json
import os
import signal
import subprocess
import sys
import unittest

from harness import IntegrationCase, PATIENCE, program, run_side_by_side, wait_until

DEMO_LOAD = program("DEMO_LOAD_BIN", "demo_load")
HARNESS = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = 8
FAILURES = 5
# Every failure that the circuit can let through: those that open it, and what was under way by then.
CAUGHT_MAX = FAILURES + CONNECTIONS
SERVER = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from harness import ScriptedUpstream
upstream = ScriptedUpstream(sys.argv[2], int(sys.argv[3]))
print(upstream.port, flush=True)
signal.pause()
"""


class UpstreamProcess:
    """A ScriptedUpstream that can be killed."""

    def __init__(self, name):
        self.name, self.port = name, 0
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, HARNESS, self.name, str(self.port)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class CircuitCase(IntegrationCase):
    weight = 25  # Of the canary's first step.

    def begin(self, circuit=None, **more):
        """The first step, under load."""
        self.v1, self.v2 = self.upstream("v1"), UpstreamProcess("v2")
        self.addCleanup(lambda: self.v2.kill() if self.v2.process.poll() is None else None)
        steps = [{"weight": each, "min_duration": "1h"} for each in (self.weight, 100)]
        circuit = {"consecutive_failures": FAILURES, "open_for": "1s", **(circuit or {})}
        config = self.rollout_config(steps, "auto", rollout={"circuit": circuit, **more})
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        wait_until(lambda: self.state() == "progressing", "the start")
        host, port = self.daemon.public
        self.load = subprocess.Popen(
            [DEMO_LOAD, "--target", f"{host}:{port}", "--rate", "300", "--connections", str(CONNECTIONS),
             "--users", "5000", "--post-share", "0", "--seconds", str(int(300 * PATIENCE))],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self._end_load)
        wait_until(lambda: self.canary_requests() > 50, "traffic on the canary")

    def _end_load(self):
        if self.load.poll() is None:
            self.load.kill()
            self.load.wait()
        self.load.stdout.close()

    def assert_nobody_noticed(self):
        self.load.terminate()
        totals = json.loads(self.load.communicate()[0].splitlines()[-1])
        self.assertGreater(totals["requests"], 100)
        self.assertEqual(totals["failed"], 0, totals)

    def state(self):
        return self.daemon.rollout()["state"]

    def canary_requests(self):
        return self.daemon.metric("canaryd_requests_total", cohort="canary") or 0

    def caught(self):
        return self.daemon.metric("canaryd_rollout_fallbacks_total", result="saved")

    def transitions(self):
        return [(record["from"], record["to"], record["reason"]) for record in self.daemon.events("transition")]


class KillTest(CircuitCase):
    def test_a_canary_that_is_killed_comes_back_when_it_is_back(self):
        self.begin(circuit={"open_for": "5s", "probes_failed": 1000})
        self.v2.kill()
        wait_until(lambda: self.state() == "suspended", "the suspension")
        # Metrics are a second old; no probe comes for five.
        wait_until(lambda: self.caught() >= FAILURES, "the failures that opened it")
        self.assertLessEqual(self.caught(), CAUGHT_MAX)
        self.assertEqual(self.daemon.metric("canaryd_rollout_circuit_open"), 1)
        rollout = self.daemon.rollout()
        self.assertEqual(rollout["weight"]["target"], 0)
        self.assertEqual(rollout["step"]["weight"], self.weight)
        settled = self.caught()
        wait_until(lambda: self.caught() >= settled + 2, "probes that fail")
        self.v2.start()
        wait_until(lambda: self.state() == "progressing", "the way back", 20)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], self.weight)
        self.assertEqual(self.daemon.metric("canaryd_rollout_circuit_open"), 0)
        before = self.canary_requests()
        wait_until(lambda: self.canary_requests() > before + 50, "traffic on the canary")
        self.assert_nobody_noticed()
        self.daemon.transition_to("progressing")
        self.assertEqual(self.transitions()[-2:], [("progressing", "suspended", "circuit"),
                                                   ("suspended", "progressing", "circuit_closed")])

    def test_a_canary_that_stays_dead_is_rolled_back(self):
        self.begin()
        self.v2.kill()
        wait_until(lambda: self.state() == "rolled_back", "the rollback", 20)
        self.assertLessEqual(self.caught(), CAUGHT_MAX + 3)
        self.assert_nobody_noticed()
        self.daemon.transition_to("rolled_back")
        self.assertEqual(self.transitions()[-2:], [("progressing", "suspended", "circuit"),
                                                   ("suspended", "rolled_back", "circuit")])
        self.assertEqual(self.daemon.metric("canaryd_rollout_rollbacks_total", reason="circuit"), 1)
        self.assertEqual(self.daemon.metric("canaryd_rollout_circuit_open"), 0)

    def test_a_restart_comes_back_suspended(self):
        self.begin(circuit={"open_for": "10m", "probes_failed": 1000})
        self.v2.kill()
        wait_until(lambda: self.state() == "suspended", "the suspension")
        self.v2.start()
        self._end_load()
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.state(), "suspended")
        for user in range(50):
            self.assertEqual(self.version_of(f"user-{user}"), "v1")
        self.assertEqual(self.daemon.metric("canaryd_rollout_circuit_open"), 1)
        self.assertEqual(self.daemon.ctl("abort", "shop", "--reason", "test").returncode, 0)
        self.assertEqual(self.state(), "aborted")


class KillAtFivePercentTest(KillTest):
    """As few users as most first steps have."""

    weight = 5


class CircuitTest(CircuitCase):
    def test_a_canary_that_freezes_is_found_by_its_silence(self):
        """Far below the timeout of 30 s: stable answers in milliseconds, so 1 s of silence is enough."""
        self.begin()
        self.v2.signal(signal.SIGSTOP)
        self.addCleanup(self.v2.signal, signal.SIGCONT)
        wait_until(lambda: self.state() == "suspended", "the suspension", 15)
        self.assertEqual(self.daemon.metric("canaryd_rollout_fallbacks_total", result="saved"), 0, "none has timed out")

    def test_stable_that_fails_too_is_no_reason_to_roll_back(self):
        self.begin()
        self.v1.failing = True
        wait_until(lambda: (self.daemon.metric("canaryd_requests_total", cohort="stable", code_class="5xx") or 0) > 100,
                   "a stable that fails")
        self.v2.kill()
        wait_until(lambda: self.daemon.rollout()["reason"] == "environment_degraded", "the reason", 30)
        self.assertEqual(self.state(), "suspended")
        # In this order: beside a stable that is well again, a canary that is still down is rolled back.
        self.v2.start()
        self.v1.failing = False
        wait_until(lambda: self.state() == "progressing", "the way back", 30)


if __name__ == "__main__":
    run_side_by_side()
