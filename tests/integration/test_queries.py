"""Queries as extra evidence: a step passes by good readings alone, and whatever is no reading holds it."""

import json
import re
import signal
import unittest
from pathlib import Path

from harness import IntegrationCase, Prometheus, Provider, base_config, run_side_by_side, sample, wait_until

QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": [], "burst_guard": 5}
STEPS = [{"weight": weight, "min_duration": "1s"} for weight in (20, 50)] + [{"weight": 100, "min_duration": "1h"}]
ONE_STEP = [{"weight": 20, "min_duration": "1h"}, {"weight": 100}]


class QueriesCase(IntegrationCase):
    def provider(self, *arguments, **more):
        provider = Provider(*arguments, **more)
        self.addCleanup(provider.stop)
        return provider

    def start_queries(self, *queries, steps=None):
        fast = {"interval": "1s", "timeout": "500ms"}
        self.queries = [{**fast, **query} for query in queries]
        self.start_rollout(steps=steps or STEPS, start="auto", analysis={**QUICK, "queries": self.queries},
                           rollout={"circuit": {"consecutive_failures": 0}})
        self.load = self.start_load()

    def reload(self, steps=None):
        """With what self.queries says now."""
        upstreams = {"v1": self.v1, "v2": self.v2}
        self.daemon.write(base_config(self.folder, upstreams, **self.rollout_config(
            steps or STEPS, "auto", {**QUICK, "queries": self.queries},
            rollout={"circuit": {"consecutive_failures": 0}})))
        done = len(self.daemon.events("reloaded"))
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(self.daemon.events("reloaded")) > done, "the reload")

    def state(self):
        rollout = self.daemon.rollout()
        return rollout["state"], rollout["reason"]

    def target(self):
        return self.daemon.rollout()["weight"]["target"]

    def metric_of(self, name):
        found = [each for each in self.daemon.rollout()["analysis"] if each["metric"] == name]
        return found[0] if found else None

    def said(self):
        return self.metric_of("query:refunds")["reading"]["said"]

    def until_held(self, reason, what):
        wait_until(lambda: self.state() == ("held", reason), what, 20)

    def until_verdict(self):
        wait_until(lambda: self.metric_of("errors")["verdict"] == "pass", "the verdict on the traffic", 30)


class ScriptedTest(QueriesCase):
    def refunds(self, **more):
        return {"name": "refunds", "prometheus": self.prometheus.url, "max": 0.01,
                "query": "refund_ratio{version=\"{{canary}}\"}", **more}

    def test_good_readings_let_it_pass(self):
        self.prometheus = self.provider(sample("0.005"))
        self.start_queries(self.refunds())
        wait_until(lambda: self.target() == 100, "the last step", 60)
        wait_until(lambda: self.metric_of("query:refunds")["verdict"] == "pass", "a reading of the step")
        self.assertEqual(self.metric_of("query:refunds")["reading"],
                         {"value": 0.005, "min": None, "max": 0.01, "said": "is 0.005"})
        self.assertEqual(self.daemon.metric("canaryd_analysis_verdict", metric="query:refunds"), 1)
        self.assertEqual(self.daemon.metric("canaryd_analysis_reading", metric="query:refunds"), 0.005)
        for command in ("status", "explain"):
            self.assertIn("query refunds is 0.005; good is up to 0.01", self.daemon.ctl(command, "shop").stdout)
        method, path, headers, _ = self.prometheus.questions[0]
        self.assertEqual(method, "GET")
        self.assertEqual(path, "/api/v1/query?query=refund_ratio%7Bversion%3D%22v2%22%7D&timeout=0.5")
        self.assertEqual(headers["host"], f"127.0.0.1:{self.prometheus.port}")

    def test_a_provider_that_is_down_never_passes(self):
        self.prometheus = self.provider(sample("0.005"))
        self.prometheus.close()
        self.start_queries(self.refunds())
        self.until_held("no_reading", "held")
        self.until_verdict()
        self.assertEqual((self.state(), self.target()), (("held", "no_reading"), 20))
        self.assertIn("query refunds has had no reading", self.daemon.rollout()["next"])
        last = self.daemon.transition_to("held")
        self.assertEqual(last["reason"], "no_reading")
        self.assertRegex(last["msg"], "query refunds has had no reading for .*: cannot connect to 127.0.0.1:")
        self.prometheus.open()
        wait_until(lambda: self.target() > 20, "the next step", 30)

    def hold_by(self, ways):
        """ways: (what, how to break the provider, what is said of it), one after the other."""
        for name, break_it, why in ways:
            with self.subTest(name):
                wait_until(lambda: self.state() == ("progressing", None), "going on", 20)
                break_it()
                self.until_held("no_reading", name)
                self.assertIn(why, self.said())
                self.prometheus.hangs = False
                self.answer(sample("0.005"))()
        wait_until(lambda: self.state() == ("progressing", None), "going on", 20)
        self.assertEqual(self.target(), 20)

    def answer(self, body, status=200):
        def say():
            self.prometheus.body, self.prometheus.status = body, status
        return say

    def start_good(self):
        self.prometheus = self.provider(sample("0.005"))
        self.start_queries(self.refunds(), steps=ONE_STEP)

    def test_what_is_no_number_holds(self):
        self.start_good()
        good = json.loads(sample("0.005"))
        good["data"]["result"] *= 2
        none = {"status": "success", "data": {"resultType": "vector", "result": []}}
        self.hold_by([("NaN", self.answer(sample("NaN")), "its value is NaN"),
                      ("empty", self.answer(json.dumps(none)), "gives no sample"),
                      ("two", self.answer(json.dumps(good)), "gives 2 samples")])

    def test_what_is_no_answer_holds(self):
        self.start_good()

        def hang():
            self.prometheus.hangs = True

        self.hold_by([("huge", self.answer(sample("0.005") + " " * 70_000), "limit"),
                      ("failing", self.answer(sample("0.005"), 500), "status 500"),
                      ("slow", hang, "no answer from")])

    def test_abort_and_rollback_work_while_it_hangs(self):
        self.prometheus = self.provider(sample("0.005"))
        self.prometheus.hangs = True
        self.start_queries(self.refunds())
        wait_until(lambda: self.prometheus.questions, "the question")
        self.v2.failing = True
        wait_until(lambda: self.state()[0] == "rolled_back", "the rollback by evidence", 30)
        self.v2.failing = False
        self.assertEqual(self.daemon.ctl("retry", "shop").returncode, 0)
        self.until_held("no_reading", "held")
        self.assertEqual(self.daemon.ctl("abort", "shop", "--yes").returncode, 0)
        self.assertEqual((self.state()[0], self.target()), ("aborted", 0))

    def test_bad_readings_hold_until_a_reload_says_otherwise(self):
        self.prometheus = self.provider(sample("0.02"))
        self.start_queries(self.refunds())
        self.until_held("bad_reading", "held")
        self.assertEqual(self.target(), 20)
        self.assertIn("query refunds is 0.02, above 0.01 (3 in a row of 3)", self.daemon.transition_to("held")["msg"])
        self.queries[0]["max"] = 0.03
        self.reload()
        self.assertEqual(self.target(), 20)
        wait_until(lambda: self.target() > 20, "the next step", 30)

    def test_bad_readings_roll_back_if_told_to(self):
        self.prometheus = self.provider(sample("0.005"))
        self.start_queries(self.refunds(failures=2, on_failure="rollback"), steps=ONE_STEP)
        wait_until(lambda: self.metric_of("query:refunds")["verdict"] == "pass", "a good reading", 20)
        self.prometheus.body = sample("0.02")
        wait_until(lambda: self.state()[0] == "rolled_back", "the rollback", 20)
        self.assertEqual(self.target(), 0)
        last = self.daemon.transition_to("rolled_back")
        self.assertEqual(last["reason"], "bad_reading")
        self.assertIn("rolled back shop at 20 %: query refunds is 0.02, above 0.01 (2 in a row of 2)", last["msg"])

    def test_after_a_restart_it_waits_for_a_reading(self):
        self.prometheus = self.provider(sample("0.005"))
        self.start_queries(self.refunds(), steps=ONE_STEP)
        wait_until(lambda: self.metric_of("query:refunds")["verdict"] == "pass", "a good reading", 20)
        self.prometheus.close()
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.metric_of("query:refunds")["verdict"], "open")
        self.until_held("no_reading", "held")
        self.assertEqual(self.target(), 20)
        self.prometheus.open()
        wait_until(lambda: self.state() == ("progressing", None), "going on", 20)

    def test_a_webhook_says_yes_or_no(self):
        hook = self.provider("smoke test 7 failed", status=409)
        (Path(self.folder) / "token").write_text("Bearer secret\n", encoding="utf-8")
        self.start_queries({"name": "smoke", "webhook": hook.url + "/run", "authorization_file": "token"})
        self.until_held("bad_reading", "held")
        self.until_verdict()
        self.assertEqual(self.target(), 20)
        self.assertIn("query smoke says no (status 409: smoke test 7 failed)", self.daemon.rollout()["next"])
        method, path, headers, body = hook.questions[0]
        self.assertEqual((method, path, headers["authorization"]), ("POST", "/run", "Bearer secret"))
        self.assertEqual(json.loads(body), {
            "query": "smoke", "rollout": "shop", "state": "progressing", "stable": "v1", "canary": "v2",
            "revision": "2", "step": 1, "steps": 3, "weight": 20})
        # Unwell is not no.
        hook.status = 503
        self.until_held("no_reading", "held")
        hook.status = 204
        hook.body = ""
        wait_until(lambda: self.target() == 100, "the last step", 60)
        self.assertNotIn("secret", self.daemon.log_text())
        self.assertNotIn("secret", self.daemon.ctl("config").stdout)


class PrometheusTest(QueriesCase):
    """A real one, which scrapes an exporter of the test."""

    def setUp(self):
        super().setUp()
        self.exporter = self.provider(self.exposition(0.005))
        self.prometheus = Prometheus(self.folder, f"127.0.0.1:{self.exporter.port}")
        self.addCleanup(self.prometheus.stop)
        wait_until(lambda: self.prometheus.query("refund_ratio"), "the first scrape", 30)

    @staticmethod
    def exposition(refunds):
        return f'refund_ratio{{version="v2"}} {refunds}\nother{{n="1"}} 1\nother{{n="2"}} 2\n'

    def test_a_real_prometheus(self):
        self.start_queries({"name": "refunds", "prometheus": self.prometheus.url, "max": 0.01, "timeout": "1s",
                            "query": 'sum(refund_ratio{version="{{canary}}"})'})
        wait_until(lambda: self.target() == 100, "the last step", 60)
        self.exporter.body = self.exposition(0.5)
        self.until_held("bad_reading", "held by a bad reading")
        self.exporter.body = self.exposition("NaN")
        self.until_held("no_reading", "held by NaN")
        self.assertIn("its value is NaN", self.said())

    def test_what_a_real_prometheus_cannot_answer(self):
        self.start_queries({"name": "refunds", "prometheus": self.prometheus.url, "max": 0.01, "timeout": "1s",
                            "query": "nothing_at_all"})
        self.until_held("no_reading", "held")
        for query, why in (("other", "gives 2 samples"), ("nothing", "gives no sample"),
                           ("other[1m]", "gives a matrix"), ("sum(", "status 400: .*parse error")):
            with self.subTest(query):
                self.queries[0]["query"] = query
                self.reload()
                wait_until(lambda: re.search("has had no reading for .*" + why, self.said()), "the answer", 20)
                self.assertEqual(self.state(), ("held", "no_reading"))
        self.queries[0]["query"] = "scalar(refund_ratio)"
        self.exporter.body = self.exposition(0.001)
        self.reload()
        wait_until(lambda: self.target() == 100, "going on to the last step", 30)


if __name__ == "__main__":
    run_side_by_side(6)  # Nearly all of it is waiting for readings.
