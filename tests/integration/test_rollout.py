"""Whole rollouts under load: a good canary goes up by evidence, a bad one comes down by evidence.

The circuit, which is faster than any evidence, is off here; test_circuit.py has it on.
"""

import unittest

from harness import IntegrationCase, run_side_by_side, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}}
# Evidence may come in bursts here: that is for test_verdicts.py, which has the default guard.
QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": [], "burst_guard": 5}


class RolloutTest(IntegrationCase):
    def start_rollout(self, **more):
        return super().start_rollout(**{"rollout": BY_EVIDENCE, **more})

    def state(self):
        return self.daemon.rollout()["state"]

    def test_a_good_canary_is_promoted(self):
        steps = [{"weight": weight, "min_duration": "1s"} for weight in (20, 50, 100)]
        self.start_rollout(steps=steps, start="auto", analysis=QUICK)
        load = self.start_load()
        wait_until(lambda: self.state() == "baking", "promotion", 60)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 100)
        wait_until(lambda: self.version_of("anyone") == "v2", "everybody on the canary")
        totals = self.totals(load)
        self.assertEqual(totals["failed"], 0, totals)
        self.daemon.transition_to("baking")
        self.assertGreaterEqual(len(self.daemon.events("transition")), 3)

    def test_a_bad_canary_is_rolled_back(self):
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (25, 100)]
        self.start_rollout(steps=steps, start="auto", analysis=QUICK)
        load = self.start_load()
        wait_until(lambda: (self.daemon.metric("canaryd_requests_total", cohort="canary") or 0) > 100, "traffic")
        self.v2.failing = True
        wait_until(lambda: self.state() == "rolled_back", "rollback", 30)
        rollout = self.daemon.rollout()
        self.assertEqual(rollout["weight"]["target"], 0)
        self.v2.reset_counters()
        for user in range(50):
            self.assertEqual(self.version_of(f"user-{user}"), "v1")
        self.assertEqual(self.v2.total, 0)
        self.totals(load)
        self.assertIn("rolled back shop", self.daemon.transition_to("rolled_back")["msg"])
        self.assertEqual(self.daemon.ctl("wait", "shop", "--for", "promoted", "--timeout", "10s").returncode, 10)

    def canary_dies_at(self, weight):
        steps = [{"weight": each, "min_duration": "1h"} for each in (weight, 100)]
        self.start_rollout(steps=steps, start="auto", analysis=QUICK)
        load = self.start_load()
        wait_until(lambda: (self.daemon.metric("canaryd_requests_total", cohort="canary") or 0) > 20, "traffic")
        self.v2.close()
        wait_until(lambda: self.state() == "rolled_back", "rollback", 30)
        exposure = self.daemon.rollout()["exposure"]
        totals = self.totals(load)
        self.assertEqual(totals["failed"], 0, totals)
        self.assertEqual(exposure["failed"], 0)
        self.assertGreater(exposure["saved"], 0)
        self.assertIn("rolled back shop", self.daemon.transition_to("rolled_back")["msg"])

    def test_nobody_sees_a_canary_of_5_percent_die(self):
        self.canary_dies_at(5)

    def test_nobody_sees_a_canary_of_25_percent_die(self):
        self.canary_dies_at(25)

    def test_observe_reports_and_never_acts(self):
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (25, 100)]
        self.start_rollout(steps=steps, start="auto", analysis={**QUICK, "mode": "observe"})
        self.v2.failing = True
        load = self.start_load()

        def verdict():
            return (self.daemon.metric("canaryd_analysis_verdict", metric="errors") or 0) < 0

        wait_until(verdict, "a bad verdict", 30)
        self.assertNotEqual(self.state(), "rolled_back")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 25)
        self.totals(load)


if __name__ == "__main__":
    run_side_by_side()
