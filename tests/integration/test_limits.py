"""At 100 %: absolute limits judge where nobody is left on stable, and a holdback keeps somebody there.

The circuit, which is faster than any evidence, is off; so is the fallback, which has nobody to ask at 100 % of users
but would save their requests.
"""

import unittest

from harness import IntegrationCase, run_side_by_side, wait_until

PLAIN = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
# Evidence may come in bursts here: that is for test_verdicts.py, which has the default guard.
QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": [], "burst_guard": 5}
STEPS = [{"weight": weight, "min_duration": "1s"} for weight in (20, 50, 100)]
USERS = [f"user-{n}" for n in range(400)]


class LimitsTest(IntegrationCase):
    def state(self):
        return self.daemon.rollout()["state"]

    def bake(self, analysis, **bake):
        """A good canary that has come to the end of its steps, under load."""
        self.start_rollout(steps=STEPS, start="auto", analysis=analysis, rollout={**PLAIN, "bake": bake})
        load = self.start_load()
        wait_until(lambda: self.state() == "baking", "the bake", 60)
        return load

    def on_stable(self):
        client = self.client()
        return {user for user in USERS if self.version_of(user, client) == "v1"}

    def metric(self, name):
        return next(metric for metric in self.daemon.rollout()["analysis"] if metric["metric"] == name)

    def test_a_canary_that_turns_bad_at_100_percent_is_rolled_back(self):
        load = self.bake({**QUICK, "limits": {"errors": 20}}, duration="1h")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 100)
        wait_until(lambda: self.version_of("anyone") == "v2", "everybody on the canary")
        self.assertEqual(self.metric("limit_errors")["tolerated"], 0.2)
        self.v2.failing = True
        wait_until(lambda: self.state() == "rolled_back", "the rollback", 60)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)
        self.assertEqual(self.version_of("anyone"), "v1")
        last = self.daemon.transition_to("rolled_back")
        self.assertIn("rolled back shop at 100 %", last["msg"])
        self.assertIn("limit errors canary", last["msg"])
        self.assertIn("allowed 20 %", last["msg"])
        self.assertIn("limit_errors, as of its end: canary", self.daemon.ctl("explain", "shop").stdout)
        self.totals(load)

    def test_a_slow_one_as_well(self):
        limits = {"latency_p50": "150ms"}
        load = self.bake({**QUICK, "warm_up": "1s", "limits": limits}, duration="1h")
        self.v2.delay = 0.3
        wait_until(lambda: self.state() == "rolled_back", "the rollback", 60)
        self.assertIn("limit latency p50 canary", self.daemon.transition_to("rolled_back")["msg"])
        self.totals(load)

    def test_without_limits_and_holdback_nothing_judges_and_it_is_said(self):
        load = self.bake(QUICK, duration="1h")
        wait_until(lambda: "no control" in self.daemon.rollout()["next"], "the word for it")
        problems = self.daemon.await_events("config_warning")
        self.assertTrue(any("nothing judges the canary at 100 %" in each["msg"] for each in problems), problems)
        self.totals(load)

    def test_a_holdback_stays_on_stable_to_the_end_of_the_bake(self):
        load = self.bake(QUICK, duration="1h", holdback=10)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 90)
        kept = self.on_stable()
        # Four standard deviations of a binomial share over these users.
        slack = 4 * (len(USERS) * 0.1 * 0.9) ** 0.5
        self.assertAlmostEqual(len(kept), len(USERS) * 0.1, delta=slack)
        # The same ones after a restart: nobody goes back, nobody is taken along.
        self.totals(load)
        self.daemon.stop()
        self.daemon.start()
        wait_until(lambda: self.state() == "baking", "the bake after the restart")
        self.assertEqual(self.on_stable(), kept)
        self.daemon.ctl("promote", "shop", "--yes")
        wait_until(lambda: self.state() == "promoted", "the promotion")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 100)
        self.assertEqual(self.on_stable(), set())

    def test_the_end_of_the_bake_takes_those_who_were_held_back_by_evidence(self):
        load = self.bake(QUICK, duration="2s", holdback=10)
        wait_until(lambda: self.state() == "promoted", "the promotion", 60)
        wait_until(lambda: self.on_stable() == set(), "everybody on the canary")
        totals = self.totals(load)
        self.assertEqual(totals["failed"], 0, totals)

    def test_a_canary_that_turns_bad_is_found_by_comparison_with_the_holdback(self):
        load = self.bake(QUICK, duration="1h", holdback=10)
        self.v2.failing = True
        wait_until(lambda: self.state() == "rolled_back", "the rollback", 60)
        self.assertIn(": errors canary", self.daemon.transition_to("rolled_back")["msg"])
        self.totals(load)


if __name__ == "__main__":
    run_side_by_side()
