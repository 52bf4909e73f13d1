"""What should and should not bring a canary down, on the real proxy: each ends in the right verdict, and prints the
canary requests that it took next to about the least that any test with this error promise needs, ln(1 / odds) / KL
(docs/statistics.md, "Figures"). The circuit and the fallback, which are faster than any evidence, are off here.
"""

import itertools
import math
import random
import time
import unittest

from harness import IntegrationCase, RawClient, run_side_by_side, wait_until

PLAIN = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
LOOSE_ERRORS = {"relative": 50, "absolute": 5}
LOOSE_LATENCY = {"stretch": 50, "floor": "20ms", "absolute": 10}
FALSE_ROLLBACK, FALSE_ACCEPT = 0.01, 0.05
# What the tolerances above make of a stable without errors, half of whose responses are above its median.
ERRORS_LIMIT, MEDIAN_LIMIT = 0.05, 1.05 * 0.5 + 0.10


def information(rate, claimed):
    """Nats that a request of a canary with this rate gives against the claimed one, as of two Poisson counts."""
    return (rate * math.log(rate / claimed) if rate > 0 else 0) - rate + claimed


class VerdictCase(IntegrationCase):
    def begin(self, analysis, steps, start="auto", **more):
        self.start_rollout([{"weight": weight, "min_duration": least} for weight, least in steps], start,
                           analysis=analysis, rollout=PLAIN, **more)

    def view(self):
        return self.daemon.rollout()

    def metric(self, name):
        return next(each for each in self.view()["analysis"] if each["metric"] == name)

    def canary_requests(self, **labels):
        return self.daemon.metric("canaryd_requests_total", cohort="canary", **labels) or 0

    def rolled_back(self, seconds=30):
        wait_until(lambda: self.view()["state"] == "rolled_back", "rollback", seconds)
        last = wait_until(lambda: self.transitions("rolled_back"), "its line in the log")[-1]
        verified = self.daemon.ctl("explain", "shop", "--verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        return last["msg"]

    def transitions(self, to):
        return [each for each in self.daemon.events("transition") if each["to"] == to]

    def passed(self, seconds=40):
        wait_until(lambda: self.view()["state"] in ("baking", "promoted", "rolled_back"), "a verdict", seconds)
        self.assertEqual(self.transitions("rolled_back"), [])
        self.assertEqual(self.view()["weight"]["target"], 100)

    def tell(self, odds, rate, claimed, **labels):
        """labels: of the requests that the bound is about."""
        used = self.canary_requests(**labels)
        least = -math.log(odds) / information(rate, claimed)
        name = self.id().split(".")[-1]
        print(f"{name}: {used:.0f} canary requests, {used / least:.1f} times the bound of {least:.1f}")


class ErrorVerdictTest(VerdictCase):
    def test_twice_the_errors(self):
        """Stable fails one request in twenty, at random, the canary one in ten; the tolerance is the default."""
        self.begin({"latency_quantiles": []}, [(50, "1h"), (100, "1h")])
        chance = random.Random(1)
        self.v1.failing = lambda: chance.random() < 0.05
        self.v2.failing = lambda: chance.random() < 0.10
        self.start_load(rate=400, connections=16)
        self.assertRegex(self.rolled_back(60), "errors canary .* vs stable ")
        errors = self.metric("errors")
        self.assertGreater(errors["tolerated"], errors["stable"])
        self.assertGreater(errors["canary"], errors["tolerated"])
        self.tell(FALSE_ROLLBACK, 0.10, errors["tolerated"])

    def test_as_many_errors(self):
        """A service that fails often, in both versions: the canary passes."""
        self.begin({"latency_quantiles": [], "tolerance": {"errors": LOOSE_ERRORS}}, [(50, "1s"), (100, "1s")])
        chance = random.Random(2)
        self.v1.failing = self.v2.failing = lambda: chance.random() < 0.05
        self.start_load(rate=400, connections=16)
        self.passed()
        self.tell(FALSE_ACCEPT, 0.05, 1.5 * 0.05 + ERRORS_LIMIT)

    def test_one_broken_route(self):
        """Every other answer of one route is a failure, and the other route has most of the traffic."""
        routes = [{"name": name, "match": {"path_prefix": path}, "rollout": "shop"}
                  for name, path in (("all", "/"), ("pay", "/pay/"))]
        self.begin({"latency_quantiles": []}, [(50, "1h"), (100, "1h")], routes=routes)
        asked = itertools.count()
        self.v2._do_pay = lambda connection, method, _: self.v2._do_status(
            connection, method, "500" if next(asked) % 2 else "200")
        self.start_load(rate=300)
        users = itertools.count()

        def pay():
            with RawClient(self.daemon.public) as client:
                client.get("/pay/", [("X-User-Id", f"user-{next(users)}")])
            return self.view()["state"] == "rolled_back"

        wait_until(pay, "a verdict", 40)
        self.assertIn("route pay: errors canary", self.rolled_back())
        self.tell(FALSE_ROLLBACK, 0.5, self.metric("errors")["tolerated"], route="pay")

    def test_an_outage_of_both_is_nobodys_fault(self):
        """Told is the bound for a canary that fails alone, of which no multiple brings this one down."""
        self.begin({"latency_quantiles": [], "tolerance": {"errors": LOOSE_ERRORS}}, [(50, "1s"), (100, "1s")])
        self.v1.failing = self.v2.failing = True
        self.start_load(rate=300, connections=16)
        wait_until(lambda: self.view()["reason"] == "environment_degraded", "the hold", 30)
        wait_until(lambda: self.canary_requests(code_class="5xx") > 300, "requests that fail", 30)
        self.assertEqual(self.view()["state"], "held")
        self.assertEqual(self.view()["weight"]["target"], 50)
        self.tell(FALSE_ROLLBACK, 1, ERRORS_LIMIT, code_class="5xx")
        self.v1.failing = self.v2.failing = False
        wait_until(lambda: self.view()["state"] == "progressing", "the end of the hold", 30)
        self.passed()


class LatencyVerdictTest(VerdictCase):
    def test_half_as_long_again(self):
        """All of the canary's responses take longer, and none fails; the tolerance is the default."""
        self.begin({"warm_up": "1s"}, [(50, "1h"), (100, "1h")])
        self.v1.delay, self.v2.delay = 0.04, 0.06
        load = self.start_load(rate=150, connections=16)
        self.assertRegex(self.rolled_back(), r"latency p\d+ canary .* % over .* ms vs stable ")
        self.assertEqual(self.view()["weight"]["target"], 0)
        median = self.metric("latency_p50")
        self.assertGreater(median["canary"], median["tolerated"])
        self.assertEqual(self.metric("errors")["canary"], 0)
        self.assertEqual(self.totals(load)["failed"], 0)
        self.assertGreater(median["slow"]["canary"], 0.9)
        self.tell(FALSE_ROLLBACK, median["slow"]["canary"], median["slow"]["tolerated"])

    def test_slow_in_the_tail_only(self):
        """One response in twenty takes long; the median is stable's."""
        self.begin({"latency_quantiles": [50, 99], "warm_up": "1s"}, [(50, "1h"), (100, "1h")], start="manual")
        self.v1.delay = 0.02
        chance = random.Random(1)
        self.v2.delay = lambda: 0.3 if chance.random() < 0.05 else 0.02
        self.start_load(rate=400, connections=32)
        wait_until(lambda: (self.daemon.metric("canaryd_requests_total") or 0) > 2500, "stable's p99 to be known", 30)
        self.daemon.post("/api/v1/rollouts/shop/start")
        self.assertRegex(self.rolled_back(), "latency p99 canary .* vs stable ")
        slow = self.metric("latency_p99")["slow"]
        self.assertNotEqual(self.metric("latency_p50")["verdict"], "fail")
        self.assertGreater(slow["canary"], 2 * slow["tolerated"])
        self.tell(FALSE_ROLLBACK, slow["canary"], slow["tolerated"])

    def cold_start(self, warm_up, cold):
        analysis = {"latency_quantiles": [50], "warm_up": warm_up,
                    "tolerance": {"latency": LOOSE_LATENCY, "errors": LOOSE_ERRORS}}
        self.begin(analysis, [(50, "1s"), (100, "1s")])
        self.v1.delay = 0.02
        cold_until = time.monotonic() + cold
        self.v2.delay = lambda: 0.1 if time.monotonic() < cold_until else 0.02
        self.start_load(rate=150, connections=24)

    def test_a_cold_start_is_waited_for(self):
        self.cold_start("12s", cold=10)
        self.passed()
        self.tell(FALSE_ACCEPT, 0.5, MEDIAN_LIMIT)

    def test_a_cold_start_that_is_not_waited_for_is_a_slow_canary(self):
        self.cold_start("0s", cold=12)
        self.assertIn("latency p50 canary", self.rolled_back())
        median = self.metric("latency_p50")["slow"]
        self.tell(FALSE_ROLLBACK, median["canary"], median["tolerated"])

    def test_what_slows_both_is_nobodys_fault(self):
        """A database that both use is slow for seven seconds; the step goes on afterwards."""
        analysis = {"latency_quantiles": [50], "warm_up": "0s",
                    "tolerance": {"latency": LOOSE_LATENCY, "errors": LOOSE_ERRORS}}
        self.begin(analysis, [(50, "11s"), (100, "1s")])
        begin = time.monotonic()
        self.v1.delay = self.v2.delay = lambda: 0.15 if 3 < time.monotonic() - begin < 10 else 0.02
        self.start_load(rate=150, connections=32)
        wait_until(lambda: (self.metric("latency_p50")["slow"]["stable"] or 0) > 0.6, "both to be slow", 30)
        self.passed()
        self.tell(FALSE_ACCEPT, 0.5, MEDIAN_LIMIT)


class ClientVerdictTest(VerdictCase):
    """Failures that belong to clients, not to the version."""

    def begin_judging_errors(self, dedupe_window):
        analysis = {"latency_quantiles": [], "dedupe_window": dedupe_window, "tolerance": {"errors": LOOSE_ERRORS}}
        self.begin(analysis, [(50, "8s"), (100, "1s")])
        self.load = self.start_load(rate=150)
        self.trouble = RawClient(self.daemon.public)
        self.addCleanup(self.trouble.close)
        self.failures = 0

    def fail_as(self, user):
        self.failures += 1
        self.assertEqual(self.trouble.get("/status/500", [("X-User-Id", user)]).status, 500)

    def fails_until(self, ended, fail):
        """Twenty looks a second, and a failure, or several, before each."""
        def looked():
            fail()
            return ended()

        wait_until(looked, "a verdict", 40, pause=0.05)

    def over(self):
        return self.view()["state"] in ("baking", "promoted", "rolled_back")

    def on_canary(self):
        return next(user for user in (f"broken-{n}" for n in range(100)) if self.version_of(user) == "v2")

    def test_a_broken_client_counts_once(self):
        self.begin_judging_errors("10s")
        user = self.on_canary()
        self.fails_until(lambda: self.failures > 100 and self.over(), lambda: self.fail_as(user))
        self.passed()
        errors = self.daemon.metric("canaryd_requests_total", cohort="canary", code_class="5xx")
        self.assertGreater(errors, 100)
        self.tell(FALSE_ACCEPT, 0, ERRORS_LIMIT)

    def test_a_broken_client_that_always_counts_convicts_nobody(self):
        """A fifth of the canary's requests fail, all of them one client's: it is not the version, and no step to take."""
        self.begin_judging_errors("0s")
        user = self.on_canary()
        self.fails_until(lambda: self.failures > 300 or self.over(), lambda: self.fail_as(user))
        self.assertEqual(self.view()["state"], "progressing")
        errors = self.metric("errors")
        self.assertGreater(errors["canary"], errors["tolerated"])
        self.assertGreater(errors["design_effect"], 10)
        self.assertLess(errors["evidence"]["rollback"], 1)

    def test_a_retry_storm(self):
        """Whoever fails tries again at once, five times; as many of either version, but in clusters."""
        self.begin_judging_errors("10s")
        storms = iter(range(1_000_000))

        def storm():
            number = next(storms)
            if number % 4 == 0:
                for _ in range(6):
                    self.fail_as(f"storm-{number}")

        self.fails_until(self.over, storm)
        self.passed()
        self.assertGreater(self.failures, 100)
        self.tell(FALSE_ACCEPT, 0, ERRORS_LIMIT)


if __name__ == "__main__":
    run_side_by_side()
