"""What a rollout does when it goes neither well nor by itself: each policy and each hold, through the real binary.

The circuit is off where a verdict is to come first; so is the fallback, which would hide what fails.
"""

import unittest

from harness import IntegrationCase, run_side_by_side, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
# Evidence may come in bursts here: that is for test_verdicts.py, which has the default guard.
QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": [], "burst_guard": 5}
# Too little for thousands of requests.
STRICT = {"tolerance": {"errors": {"relative": 1, "absolute": 0.01}}, "latency_quantiles": []}


class PoliciesTest(IntegrationCase):
    def state(self):
        rollout = self.daemon.rollout()
        return rollout["state"], rollout["reason"], rollout["weight"]["target"]

    def await_state(self, *wanted):
        wait_until(lambda: self.state() == wanted, f"{wanted}", 60)

    def begin(self, weights, analysis, times=None, **rollout):
        times = times or {"min_duration": "1h"}
        steps = [{"weight": weight, **times} for weight in weights]
        self.start_rollout(steps, "auto", analysis, rollout={**BY_EVIDENCE, **rollout})

    def test_out_of_time_without_a_verdict(self):
        self.begin((25, 100), STRICT, {"min_duration": "1s", "max_duration": "2s"})
        self.start_load()
        self.await_state("held", "inconclusive", 25)
        self.assertIn("`resume` gives it more time", self.daemon.rollout()["next"])
        self.assertEqual(self.daemon.ctl("resume", "shop").returncode, 0)
        self.await_state("held", "inconclusive", 25)
        self.assertEqual(self.daemon.ctl("promote", "shop").returncode, 0)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 100)

    def test_out_of_time_without_a_verdict_rolls_back_if_told_to(self):
        self.begin((25, 100), STRICT, {"min_duration": "1s", "max_duration": "2s"}, on_inconclusive="rollback")
        self.start_load()
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "the rollback", 60)
        self.assertEqual(self.daemon.transition_to("rolled_back")["reason"], "inconclusive")

    def test_no_traffic_holds_until_there_is_some(self):
        self.begin((25, 100), STRICT, {"min_duration": "1s", "max_duration": "2s"}, on_inconclusive="promote")
        self.await_state("held", "no_data", 25)
        self.assertIn("held until there is enough traffic", self.daemon.rollout()["next"])
        self.start_load()
        wait_until(lambda: self.daemon.rollout()["state"] != "held", "the end of the hold", 60)
        self.daemon.transition_to("progressing")
        self.assertIn("data_returned", [each["reason"] for each in self.daemon.events("transition")])

    def test_a_bad_verdict_that_holds(self):
        self.begin((25, 100), QUICK, on_failure="hold")
        self.assertIn("traffic to judge by: there is none", self.daemon.rollout()["next"])
        self.v2.failing = True
        self.start_load()
        self.await_state("held", "verdict", 25)
        self.assertIn("`canaryctl retry` or `abort`", self.daemon.rollout()["next"])
        refused = self.daemon.ctl("promote", "shop")
        self.assertEqual(refused.returncode, 6)
        self.assertIn("`retry` begins again", refused.stderr)
        self.v2.failing = False
        self.assertEqual(self.daemon.ctl("retry", "shop").returncode, 0)
        self.assertEqual(self.daemon.rollout()["state"], "progressing")

    def test_a_bad_verdict_that_steps_down(self):
        self.begin((5, 25, 100), QUICK, on_failure="step_down")
        self.daemon.ctl("promote", "shop")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 25)
        self.v2.failing = True
        self.start_load()
        self.await_state("held", "verdict", 5)
        self.assertIn("stepped shop from 25 % to 5 % and held it", self.daemon.transition_to("held")["msg"])

    def test_a_canary_that_fails_in_the_bake_is_left_with_the_sixth_request(self):
        self.begin((25, 100), QUICK, circuit={"open_for": "1h"}, fallback={})
        self.daemon.ctl("promote", "shop", "--full", "--yes")
        # One connection is one worker, so that no success is counted late.
        client = self.client()
        wait_until(lambda: self.version_of("anyone", client) == "v2", "everybody on the canary")
        self.v2.failing = True
        self.v2.reset_counters()
        # Stable answers what the canary fails, and from then on everybody.
        self.assertEqual({self.version_of(f"user-{n}", client) for n in range(50)}, {"v1"})
        self.assertEqual(self.v2.total, 5)
        wait_until(lambda: self.daemon.rollout()["state"] == "suspended", "the suspension")

    def test_back_to_a_cold_stable_in_tenths(self):
        self.begin((25, 100), QUICK)
        self.daemon.ctl("promote", "shop", "--full", "--yes")
        refused = self.daemon.ctl("rollback", "shop", "--over", "5s")
        self.assertEqual((refused.returncode, "it takes 10s to 1d" in refused.stderr), (6, True), refused.stderr)
        self.assertEqual(self.daemon.ctl("rollback", "shop", "--over", "10s").returncode, 0)
        self.assertEqual(self.state(), ("held", "returning", 90))
        self.assertIn("falls to 80 %", self.daemon.ctl("status", "shop").stdout)
        wait_until(lambda: self.daemon.metric("canaryd_rollout_returning") == 1, "the metric")
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "the end", 60)
        self.daemon.transition_to("rolled_back")
        weights = [each["weight"] for each in self.daemon.events("transition")]
        self.assertEqual(weights[-10:], [90, 80, 70, 60, 50, 40, 30, 20, 10, 0])
        self.assertEqual(self.version_of("anyone"), "v1")
        wait_until(lambda: self.daemon.metric("canaryd_rollout_returning") == 0, "the metric")


if __name__ == "__main__":
    run_side_by_side()
