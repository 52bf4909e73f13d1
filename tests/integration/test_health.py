"""Active health checks: who is not well gets no requests, and a version without a healthy endpoint no users."""

import collections
import json
import signal
import unittest

from harness import IntegrationCase, base_config, wait_until

CHECK = {"interval": "200ms", "timeout": "200ms", "healthy": 2, "unhealthy": 3}


class HealthTest(IntegrationCase):
    def checked(self, **scripted):
        """{name: [ScriptedUpstream]} as the key `upstreams`."""
        return {name: {"endpoints": [each.address for each in endpoints], "health_check": CHECK}
                for name, endpoints in scripted.items()}

    def start_checked_rollout(self, wait=True):
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        self.v2.sick = not wait
        self.daemon.start(self.checked_rollout())
        if wait:
            wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")

    def checked_rollout(self, **more):
        rollout = self.rollout_config(steps=[{"weight": 50, "min_duration": "1h"}, {"weight": 100}], start="auto")
        return base_config(self.folder, {}, upstreams=self.checked(v1=[self.v1], v2=[self.v2]), **rollout, **more)

    def healthy(self, name):
        upstreams = {each["name"]: each for each in self.daemon.get("/api/v1/upstreams")["items"]}
        return [each["healthy"] for each in upstreams[name]["endpoints"]]

    def versions(self, users=40):
        return {self.version_of(f"user-{user}") for user in range(users)}

    def test_a_sick_endpoint_gets_no_requests(self):
        good, bad = self.upstream("good"), self.upstream("bad")
        self.daemon.start(base_config(self.folder, {"app": good}, upstreams=self.checked(app=[good, bad])))
        client = self.client()
        wait_until(lambda: {client.get("/").body for _ in range(10)} == {b"good\n", b"bad\n"}, "both in use")
        bad.sick = True
        wait_until(lambda: self.healthy("app") == [True, False], "the check")
        self.assertEqual({client.get("/").body for _ in range(50)}, {b"good\n"})
        self.assertEqual(self.daemon.metric("canaryd_upstream_endpoint_healthy", endpoint=bad.address), 0)
        bad.sick = False
        wait_until(lambda: self.healthy("app") == [True, True], "the check")
        wait_until(lambda: client.get("/").body == b"bad\n", "back in use")
        # Each change is one line.
        wait_until(lambda: len(self.daemon.events("endpoint_health")) == 2, "the log")

    def test_none_left_is_503(self):
        app = self.upstream("app")
        self.daemon.start(base_config(self.folder, {"app": app}, upstreams=self.checked(app=[app])))
        self.assertEqual(self.get("/").status, 200)
        app.close()
        wait_until(lambda: self.healthy("app") == [False], "the check")
        response = self.get("/")
        self.assertEqual((response.status, response.get("X-Canaryd-Error")), (503, "no_healthy_endpoint"))
        app.open()
        wait_until(lambda: self.get("/").status == 200, "back in use")

    def test_a_canary_that_is_not_well_has_weight_0(self):
        self.start_checked_rollout()
        self.assertEqual(self.versions(), {"v1", "v2"})
        self.v2.sick = True
        wait_until(lambda: self.daemon.rollout()["state"] == "suspended", "the suspension")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)
        self.assertEqual(self.versions(), {"v1"})
        self.assertEqual(self.daemon.transition_to("suspended")["reason"], "unhealthy")
        self.v2.sick = False
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the way back")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 50)
        self.assertEqual(self.versions(), {"v1", "v2"})

    def test_a_rollout_waits_until_the_canary_is_well(self):
        self.start_checked_rollout(wait=False)
        wait_until(lambda: self.healthy("v2") == [False], "the check")
        hits = self.v2.hits["/healthz"]
        wait_until(lambda: self.v2.hits["/healthz"] > hits + 5, "more checks")
        self.assertEqual(self.daemon.rollout()["state"], "idle")
        self.assertEqual(self.daemon.rollout()["next"], "starts by itself when v2 is healthy")
        self.v2.sick = False
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")

    def start_checked_often(self):
        """At 50 %, for two seconds; no latency, of which a slow machine has its own."""
        steps = [{"weight": 50, "min_duration": "0s", "max_duration": "2s"}, {"weight": 100}]
        rollout = self.rollout_config(steps, "auto", {"latency_quantiles": []})
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        upstreams = self.checked(v1=[self.v1], v2=[self.v2])
        for each in upstreams.values():
            each["health_check"] = {"interval": "100ms", "timeout": "100ms", "healthy": 1, "unhealthy": 10}
        self.daemon.start(base_config(self.folder, {}, upstreams=upstreams, **rollout))
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")

    def counts(self):
        """Of stable and of the canary: requests as shown, and as evidence."""
        cohorts = ("stable", "canary")
        shown = self.daemon.rollout()["cohorts"]
        samples = [self.daemon.metric("canaryd_analysis_samples_total", cohort=cohort) for cohort in cohorts]
        return [shown[cohort]["requests"] for cohort in cohorts], samples

    def test_checks_are_no_evidence(self):
        """Nobody asks for anything while each version answers ten checks a second."""
        self.start_checked_often()
        self.assertIn("when there is traffic to judge by: there is none", self.daemon.rollout()["next"])
        wait_until(lambda: min(each.hits["/healthz"] for each in (self.v1, self.v2)) > 40, "checks of both")
        held = wait_until(lambda: (r := self.daemon.rollout())["state"] == "held" and r, "the end of the step's time")
        self.assertEqual((held["reason"], held["weight"]["target"], held["step"]["requests"]), ("no_data", 50, 0))
        self.assertEqual(self.counts(), ([0, 0], [0, 0]))
        [errors] = held["analysis"]
        self.assertEqual([errors[key] for key in ("verdict", "stable", "canary")], ["open", None, None])
        verdict = json.loads(self.daemon.ctl("explain", "shop", "--verify", "-o", "json").stdout)
        figures = {figure["name"]: figure["value"] for figure in verdict["figures"]}
        self.assertEqual((verdict["result"], verdict["decision"]), ("same", "hold"))
        self.assertEqual((figures["errors/stable_n"], figures["errors/canary_n"]), (0, 0))
        # What clients ask is counted, each request once, and is what it was waiting for.
        asked = collections.Counter(self.version_of(f"user-{n}") for n in range(20))
        wait_until(lambda: self.counts() == ([asked["v1"], asked["v2"]],) * 2, "the requests of clients")
        wait_until(lambda: self.daemon.rollout()["state"] != "held", "the end of the hold")

    def test_a_reload_keeps_what_is_known(self):
        self.start_checked_rollout()
        self.v2.sick = True
        wait_until(lambda: self.daemon.rollout()["state"] == "suspended", "the suspension")
        self.daemon.write(self.checked_rollout(log={"level": "debug"}))
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.events("reloaded"), "the reload")
        self.assertEqual(self.healthy("v2"), [False])
        self.assertEqual(self.daemon.rollout()["state"], "suspended")
        self.assertEqual(self.versions(), {"v1"})
        self.v2.sick = False
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the way back")


if __name__ == "__main__":
    unittest.main()
