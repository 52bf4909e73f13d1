"""What becomes of the users while no endpoint of stable is in use: both policies, through the real binary."""

import unittest

from harness import IntegrationCase, wait_until

EJECTED = 5  # Seconds; then stable is tried again.


class StableDownTest(IntegrationCase):
    def begin(self, policy):
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (25, 100)]
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        config = self.rollout_config(steps, "auto", rollout={"on_stable_down": policy})
        config["upstreams"] = {
            "v1": {"endpoints": [self.v1.address],
                   "outlier_detection": {"consecutive_failures": 3, "ejection": f"{EJECTED}s", "max_ejected": 100}},
            "v2": {"endpoints": [self.v2.address]}}
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        wait_until(lambda: self.state() == "progressing", "the start")
        self.of_stable = next(f"user-{n}" for n in range(100) if self.version_of(f"user-{n}") == "v1")
        self.of_canary = next(f"user-{n}" for n in range(100) if self.version_of(f"user-{n}") == "v2")

    def state(self):
        return self.daemon.rollout()["state"]

    def status(self, user):
        return self.get("/", [("X-User-Id", user)]).status

    def end_stable(self):
        """Until it is ejected, and control has seen that."""
        self.v1.close()
        wait_until(lambda: self.status(self.of_stable) and self.state() == "held", "the hold")

    def test_hold_answers_503_to_users_of_stable(self):
        self.begin("hold")
        self.end_stable()
        self.assertEqual(self.daemon.rollout()["reason"], "environment_degraded")
        response = self.get("/", [("X-User-Id", self.of_stable)])
        self.assertIn((response.status, response.get("X-Canaryd-Error")),
                      [(503, "no_healthy_endpoint"), (502, "connect_failed")])
        self.assertEqual(self.version_of(self.of_canary), "v2")
        self.v1.open()
        wait_until(lambda: self.status(self.of_stable) == 200, "stable")
        wait_until(lambda: self.state() == "progressing", "the end of the hold")
        self.assertEqual(self.version_of(self.of_stable), "v1")

    def test_spill_sends_them_to_the_canary_until_stable_is_back(self):
        self.begin("spill")
        self.end_stable()
        rollout = self.daemon.rollout()
        self.assertEqual(self.daemon.metric("canaryd_upstream_endpoints_usable", upstream="v1"), 0, "it is ejected")
        self.assertEqual((rollout["reason"], rollout["weight"]["target"]), ("stable_down", 100))
        self.v1.open()
        self.assertEqual(self.version_of(self.of_stable), "v2", "it is ejected for a while yet")
        wait_until(lambda: self.state() == "progressing", "the end of the spill")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 25)
        self.assertEqual(self.version_of(self.of_stable), "v1")
        self.assertEqual(self.version_of(self.of_canary), "v2")
        self.daemon.transition_to("progressing")
        reasons = [record["reason"] for record in self.daemon.events("transition")]
        self.assertEqual(reasons[-2:], ["stable_down", "environment_recovered"])


if __name__ == "__main__":
    unittest.main()
