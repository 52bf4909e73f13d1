"""What says nothing of the version, and is no evidence: clients that leave, what is forced, probes of a suspended canary.
Excess 4xx hold and never roll back; a share that does not fit the weight is told. Requests that the file excludes are in
test_feedback.py, segments in test_users.py, repetitions of one client in test_verdicts.py.
"""

import collections
import json
import os
import unittest

from harness import IntegrationCase, RawClient, wait_until

LOOSE = {"relative": 50, "absolute": 5}
ERRORS_ONLY = {"latency_quantiles": [], "dedupe_window": "0s", "tolerance": {"errors": LOOSE}}
FORCED = ("X-Canary", "always")
COHORT = {"keys": [{"header": "X-User-Id"}], "force": {"header": FORCED[0], "trusted_only": False}}


class CleanInputTest(IntegrationCase):
    def begin(self, weight=50, analysis=None, times=None, **more):
        steps = [{"weight": each, **(times or {"min_duration": "1h"})} for each in (weight, 100)]
        rollout = {"cohort": COHORT, **more}
        self.file = os.path.join(self.folder, "access.log")
        self.start_rollout(steps, "auto", analysis or ERRORS_ONLY, rollout=rollout, log={"access": {"file": self.file}})

    def user_of(self, upstream):
        """Somebody whom the weight sends there; nothing is asked of the upstream."""
        return next(user for user in (f"user-{n}" for n in range(1000)) if self.daemon.post(
            "/api/v1/explain", {"method": "GET", "url": "/", "headers": {"X-User-Id": user}})["upstream"] == upstream)

    def state(self):
        return self.daemon.rollout()["state"]

    def requests(self, **labels):
        return self.daemon.metric("canaryd_requests_total", cohort="canary", **labels) or 0

    def evidence(self):
        return self.daemon.metric("canaryd_analysis_samples_total", cohort="canary")

    def check_evidence(self, requests, evidence):
        """Of all requests of the canary; the figures come once a second, all at the same time."""
        wait_until(lambda: self.requests() == requests, f"{requests} requests in the metrics")
        self.assertEqual(self.evidence(), evidence)

    def test_clients_that_leave(self):
        self.begin(circuit={"consecutive_failures": 0}, exposure={"max_failed_requests": 0})
        user = self.user_of("v2")
        for number in range(1, 21):
            with RawClient(self.daemon.public) as client:
                client.send(f"GET /hang HTTP/1.1\r\nHost: test\r\nX-User-Id: {user}\r\n\r\n")
                wait_until(lambda number=number: self.v2.hits["/hang"] == number, "the request at the canary")
        self.check_evidence(20, 0)
        self.assertEqual(self.requests(code_class="none"), 20)
        self.assertEqual([self.version_of(user) for _ in range(5)], ["v2"] * 5)
        self.check_evidence(25, 5)
        self.assertEqual(self.daemon.metric("canaryd_rollout_user_failures_total"), 0)
        self.assertEqual(self.state(), "progressing")

    def test_what_is_forced(self):
        self.begin(exposure={"max_failed_requests": 0}, fallback={"methods": []})
        stable, canary = ([("X-User-Id", self.user_of(name))] for name in ("v1", "v2"))
        for user in (stable, canary):
            self.assertEqual([self.get("/status/500", [*user, FORCED]).status for _ in range(30)], [500] * 30)
        self.assertEqual(self.v2.total, 60)
        self.check_evidence(60, 0)
        self.assertEqual((self.state(), self.daemon.metric("canaryd_rollout_circuit_open")), ("progressing", 0))
        self.assertEqual(self.get("/", canary).status, 200)
        self.check_evidence(61, 1)
        # One failure of a user is one too many.
        self.assertEqual(self.get("/status/500", canary).status, 500)
        wait_until(lambda: self.state() == "rolled_back", "the rollback")

    def rules(self):
        """Why requests went to the canary, by the access log; of the last line there may only be a part."""
        with open(self.file, encoding="utf-8") as log:
            lines = [json.loads(line) for line in log if line.endswith("\n")]
        return collections.Counter(line["rule"] for line in lines if line["cohort"] == "canary")

    def test_probes(self):
        """Those that fail, and those that are good; the rule of a probe is `safety`."""
        self.begin(circuit={"consecutive_failures": 5, "open_for": "0s", "probes_failed": 1000})
        user = self.user_of("v2")

        def asked(ended):
            """Once more before each look."""
            self.version_of(user)
            return ended()

        self.v2.failing = True
        for _ in range(5):
            self.version_of(user)
        wait_until(lambda: self.state() == "suspended", "the suspension")
        wait_until(lambda: self.requests() == 5, "5 requests in the metrics")
        before = self.evidence()
        self.assertIn(before, (4, 5))  # The suspension ends what is evidence, and may come before the end of the last one.
        wait_until(lambda: asked(lambda: self.v2.total >= 7), "probes that fail", pause=0.1)
        self.check_evidence(self.v2.total, before)
        self.v2.failing = False
        wait_until(lambda: asked(lambda: self.state() == "progressing"), "the way back", 20, pause=0.1)
        for _ in range(10):
            self.assertEqual(self.version_of(user), "v2")
        wait_until(lambda: self.rules().total() == self.v2.total, "the lines of all")
        rules = self.rules()
        self.assertGreaterEqual(rules["weight"], 5 + 10)
        self.assertGreaterEqual(rules["safety"], 2 + 5)
        self.check_evidence(rules.total(), before + rules["weight"] - 5)

    def test_excess_client_errors(self):
        self.begin(analysis={**ERRORS_ONLY, "tolerance": {"errors": LOOSE, "client_errors": LOOSE}},
                   times={"min_duration": "1s", "max_duration": "6s"})
        self.v2._do_item = lambda connection, method, _: self.v2._do_status(connection, method, "404")
        self.start_load()
        wait_until(lambda: self.state() == "held", "the hold", 30)
        rollout = self.daemon.rollout()
        self.assertEqual((rollout["reason"], rollout["weight"]["target"]), ("inconclusive", 50))
        errors, client_errors = rollout["analysis"]
        self.assertEqual((errors["verdict"], client_errors["verdict"]), ("pass", "open"))
        self.assertEqual((errors["canary"], client_errors["canary"]), (0, 1))
        self.assertEqual(client_errors["evidence"]["rollback"], 0)
        self.assertIn("client errors canary 100 % vs stable 0 %", self.daemon.transition_to("held")["msg"])

    def ask_in_turn(self, client, users, rounds):
        for _ in range(rounds):
            for user in users:
                client.get("/", [("X-User-Id", user)])

    def test_a_share_that_does_not_fit_the_weight(self):
        """Five percent receive eight."""
        self.begin(weight=5)
        stable, canary = self.user_of("v1"), self.user_of("v2")
        client = self.client()
        self.ask_in_turn(client, [stable] * 19 + [canary], 20)
        self.check_evidence(20, 20)
        self.assertTrue(self.daemon.rollout()["weight"]["sample_ratio_ok"])
        self.assertEqual(self.daemon.events("sample_ratio"), [])
        self.ask_in_turn(client, [stable] * 23 + [canary] * 2, 100)
        warning, = self.daemon.await_events("sample_ratio")
        self.assertEqual(warning["level"], "warn")
        self.assertRegex(warning["msg"], r"the canary of shop gets 7\.\d % of the requests, at 5 %")
        self.assertFalse(self.daemon.rollout()["weight"]["sample_ratio_ok"])
        self.assertEqual(self.state(), "progressing")


if __name__ == "__main__":
    unittest.main()
