"""The latency of requests that hang, and of a canary that is as fast as stable. The circuit is off here, and slow canaries
are in test_verdicts.py."""

import itertools
import unittest

from harness import IntegrationCase, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}}
STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]


class LatencyTest(IntegrationCase):
    def start_rollout(self, **more):
        return super().start_rollout(STEPS, "auto", **{"rollout": BY_EVIDENCE, **more})

    def state(self):
        return self.daemon.rollout()["state"]

    def metric(self, name):
        return next(each for each in self.daemon.rollout()["analysis"] if each["metric"] == name)

    def test_a_canary_that_hangs_is_found_while_it_hangs(self):
        patient = {"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop", "timeouts": {"first_byte": "1h"}}
        self.start_rollout(analysis={"warm_up": "1s", "latency_quantiles": [90], "burst_guard": 5}, routes=[patient])
        self.start_load(rate=150, connections=400)
        wait_until(lambda: self.metric("latency_p90")["tolerated"], "a known p90", 60)
        requests = itertools.count()
        self.v2.delay = lambda: 3600 if next(requests) % 4 == 0 else 0
        wait_until(lambda: self.state() == "rolled_back", "rollback", 60)
        self.assertRegex(self.daemon.transition_to("rolled_back")["msg"], "latency p90 canary .* % over .* vs stable ")
        # Nothing has timed out, and nothing that hung has ended.
        self.assertEqual(self.metric("errors")["canary"], 0)
        self.assertGreater(self.daemon.metric("canaryd_requests_active", rollout="shop", cohort="canary"), 0)

    def test_a_canary_as_fast_as_stable_is_not(self):
        self.start_rollout(analysis={"warm_up": "0s", "latency_quantiles": [50, 90], "tolerance": {
            "latency": {"stretch": 50, "floor": "20ms", "absolute": 10}, "errors": {"absolute": 10}}})
        self.v1.delay = self.v2.delay = 0.02
        self.start_load(rate=150, connections=16)
        for name in ("latency_p50", "latency_p90"):
            wait_until(lambda name=name: self.metric(name)["verdict"] == "pass", name + " accepted", 60)
        self.assertEqual(self.state(), "progressing")
        self.assertEqual([each["metric"] for each in self.daemon.rollout()["analysis"]],
                         ["errors", "latency_p50", "latency_p90"])
        for account in ("rollback", "accept"):
            self.assertIsNotNone(
                self.daemon.metric("canaryd_analysis_evidence_ratio", metric="latency_p90", account=account))

    def test_clients_that_differ_are_seen_to(self):
        self.start_rollout(analysis={"warm_up": "0s", "latency_quantiles": [50]})
        client = self.client()

        def each_user_once():
            for user in range(40):
                client.get("/slow/20" if user % 2 else "/", [("X-User-Id", f"user-{user}")])
            return self.metric("latency_p50")["slow"]["design_effect"]

        wait_until(lambda: each_user_once() > 2, "clients to be told apart", 60)
        self.assertEqual(self.state(), "progressing")
        self.assertRegex(self.daemon.ctl("explain", "shop").stdout, r"divided by \d+: clients differ in it")


if __name__ == "__main__":
    unittest.main()
