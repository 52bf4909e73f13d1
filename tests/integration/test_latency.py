"""A canary that is slow, or broken in one place only, comes down by evidence. The circuit is off here."""

import itertools
import unittest

from harness import IntegrationCase, RawClient, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}}
STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]


class LatencyTest(IntegrationCase):
    def start_rollout(self, **more):
        return super().start_rollout(STEPS, "auto", **{"rollout": BY_EVIDENCE, **more})

    def state(self):
        return self.daemon.rollout()["state"]

    def metric(self, name):
        return next(each for each in self.daemon.rollout()["analysis"] if each["metric"] == name)

    def test_a_canary_that_takes_half_as_long_again_is_rolled_back(self):
        self.start_rollout(analysis={"warm_up": "1s"})
        self.v1.delay, self.v2.delay = 0.04, 0.06
        load = self.start_load(rate=150, connections=16)
        wait_until(lambda: self.metric("latency_p50")["tolerated"], "a known median", 60)
        wait_until(lambda: self.state() == "rolled_back", "rollback", 60)
        message = self.daemon.transition_to("rolled_back")["msg"]
        self.assertRegex(message, r"rolled back shop at 50 %: latency p\d+ canary .* % over .* ms vs stable ")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)
        median = self.metric("latency_p50")
        self.assertGreater(median["slow"]["canary"], 0.9)
        self.assertGreater(median["canary"], median["tolerated"])
        self.assertEqual(self.metric("errors")["canary"], 0)
        self.assertEqual(self.totals(load)["failed"], 0)

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

    def test_the_broken_endpoint_is_named(self):
        routes = [{"name": name, "match": {"path_prefix": path}, "rollout": "shop"}
                  for name, path in (("all", "/"), ("pay", "/pay/"))]
        self.start_rollout(analysis={"latency_quantiles": []}, routes=routes)
        self.v2._do_pay = lambda connection, method, _: self.v2._do_status(connection, method, "500")
        self.start_load(rate=100)
        users = iter(range(100_000))

        def pay_until_rolled_back():
            with RawClient(self.daemon.public) as client:
                client.get("/pay/", [("X-User-Id", f"user-{next(users)}")])
            return self.state() == "rolled_back"

        wait_until(pay_until_rolled_back, "rollback", 60)
        self.assertIn("route pay: errors canary", self.daemon.transition_to("rolled_back")["msg"])


if __name__ == "__main__":
    unittest.main()
