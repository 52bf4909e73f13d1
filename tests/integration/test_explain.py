"""explain-route: what canaryd says of a request is what it does with it. explain: what it says of a verdict in words is
what the journal has."""

import itertools
import json
import math
import re
import unittest

from harness import IntegrationCase, run_side_by_side, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
# Half as many failures again and five in a hundred are tolerated.
RELATIVE, ABSOLUTE = 0.5, 0.05
QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": [], "burst_guard": 5}
TO_ROLL_BACK, TO_ACCEPT = math.log(1 / 0.01), math.log(1 / 0.05)
NUMBER = r"(\d+(?:\.\d+)?)"


def one_in(count):
    """For ScriptedUpstream.failing."""
    asked = itertools.count(1)
    return lambda: next(asked) % count == 0


class ExplainTest(IntegrationCase):
    def explain(self, *arguments):
        done = self.daemon.ctl("explain-route", *arguments, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_it_agrees_with_the_data_plane(self):
        self.start_rollout()
        self.daemon.set_weight(30)
        said = {}
        for n in range(100):
            answer = self.explain("GET", "/", "-H", f"X-User-Id: user-{n}") if n < 20 else self.daemon.post(
                "/api/v1/explain", {"method": "GET", "url": "/", "headers": {"X-User-Id": f"user-{n}"}})
            said[f"user-{n}"] = answer["upstream"]
        client = self.client()
        self.assertEqual(said, {user: self.version_of(user, client) for user in said})
        self.assertEqual(set(said.values()), {"v1", "v2"})

    def test_what_it_says(self):
        self.start_rollout()
        self.daemon.set_weight(30)
        done = self.daemon.ctl("explain-route", "GET", "http://shop/a/../b?c=d", "-H", "X-User-Id: tom")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(
            done.stdout,
            r"(?s)^  listener  public\n  client    127\.0\.0\.1\n  request   GET shop/b\n"
            r"  route     all \(path_prefix /\)\n  rollout   shop, paused, weight 30 %\n"
            r"  key       header X-User-Id, bucket \d+ of 10000\n  cohort    (canary|stable)\n"
            r"  upstream  v[12]: 127\.0\.0\.1:\d+\n  why       bucket \d+ of 10000 is (not )?below the weight of 30 %\n$")
        self.daemon.post("/api/v1/rollouts/shop/abort")
        answer = self.explain("GET", "/", "-H", "X-User-Id: tom")
        self.assertEqual((answer["rule"], answer["upstream"], answer["state"]), ("safety", "v1", "aborted"))

    def test_what_is_refused(self):
        self.start_rollout()
        answer = self.explain("GET", "/a/../../b")
        self.assertEqual((answer["refused"], answer["route"]), ("bad_request", None))
        self.assertEqual(self.get("/a/../../b").get("X-Canaryd-Error"), "bad_request")
        self.assertEqual(self.daemon.ctl("explain-route", "GET", "/", "-H", "nonsense").returncode, 2)
        elsewhere = self.daemon.ctl("explain-route", "GET", "/", "--listener", "none")
        self.assertEqual((elsewhere.returncode, elsewhere.stderr),
                         (1, "canaryctl: there is no such listener; there is public\n"))
        status, _ = self.daemon.request("POST", "/api/v1/explain", {"method": "GET"})
        self.assertEqual(status, 400)
        status, _ = self.daemon.request("POST", "/api/v1/explain", {"method": "GET", "url": "/", "heads": {}})
        self.assertEqual(status, 400)


class ExplainRolloutTest(IntegrationCase):
    """Of the errors alone; stable fails one request in fifty, which is no outage."""

    def begin(self, steps, canary_fails):
        self.start_rollout([{"weight": weight, "min_duration": least} for weight, least in steps], "auto", QUICK,
                           rollout=BY_EVIDENCE)
        self.v1.failing, self.v2.failing = one_in(50), canary_fails
        self.load = self.start_load(rate=200)

    def explain(self, *arguments):
        done = self.daemon.ctl("explain", "shop", *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def last_row(self):
        return json.loads(self.daemon.ctl("history", "shop", "-o", "json").stdout)["items"][-1]

    def figures(self):
        """Of the last row, as they were recorded: {"canary_n": 263, ...}."""
        verification = json.loads(self.explain("--verify", "-o", "json"))
        self.assertEqual((verification["result"], verification["id"]), ("same", self.last_row()["id"]))
        found = {figure["name"]: float.fromhex(figure["recorded"]) for figure in verification["figures"]}
        return {name.removeprefix("errors/"): value for name, value in found.items()}

    def assert_said(self, said, values):
        """Each number is right to its last digit."""
        self.assertEqual(len(said), len(values))
        for text, value in zip(said, values):
            self.assertAlmostEqual(float(text), value, delta=0.5 * 0.1 ** len(text.partition(".")[2]) + 1e-9)

    def percents(self, figures):
        canary, stable = (100 * figures[f"{cohort}_bad"] / figures[f"{cohort}_n"] for cohort in ("canary", "stable"))
        return [canary, stable, (1 + RELATIVE) * stable + 100 * ABSOLUTE]

    def check_row(self, row, figures):
        """The sentence of the journal has the figures of the journal."""
        said = re.fullmatch(rf"errors canary {NUMBER} % vs stable {NUMBER} %, tolerated {NUMBER} %", row["evidence"])
        self.assert_said(said.groups(), self.percents(figures))
        self.assertIn(f"{row['evidence']}, after {figures['canary_n']:.0f} canary requests (", row["message"])

    def check_words(self, words, figures, placed, ended=False):
        of, verb = (", as of its end", "was") if ended else ("", "is")
        said = re.search(rf"(?m)^  errors{of}: canary {NUMBER} %, stable {NUMBER} %; up to {NUMBER} % {verb} tolerated, "
                         rf"and the canary {verb} {placed} it$", words)
        self.assertTrue(said, words)
        self.assert_said(said.groups(), self.percents(figures))

    def check_verification(self, row, decision, figures):
        text = self.explain("--verify")
        said = re.fullmatch(
            rf"{row['id']}  {re.escape(row['time'])}  {re.escape(row['message'])}\n"
            r"  same: computed again from its evidence it is the same, bit for bit\n"
            rf"  verdict {decision}, of \d+ rows of evidence of run 1:\n((?:    \S+ -?[\d.]+\n)+)", text)
        self.assertTrue(said, text)
        shown = dict(line.split() for line in said[1].replace("errors/", "").splitlines())
        self.assertEqual(list(shown), list(figures))
        self.assert_said(shown.values(), figures.values())

    def test_a_rollback(self):
        self.begin([(50, "1h"), (100, "1h")], one_in(2))
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "rollback", 30)
        row, figures, words = self.last_row(), self.figures(), self.explain()
        self.assertEqual((row["to"], row["weight"], row["reason"]), ("rolled_back", 0, "verdict"))
        self.assertRegex(row["message"], "^rolled back shop at 50 %: ")
        self.check_row(row, figures)
        self.check_verification(row, "rollback", figures)
        self.assertGreaterEqual(figures["all"], TO_ROLL_BACK)
        self.assertLessEqual(figures["canary_n"], self.v2.total)
        self.assertRegex(words, "^shop: Rolled back; weight 0 %, for ")
        self.check_words(words, figures, "above", ended=True)
        self.assertIn("\n    bad: the evidence that a rollback needs is there\n", words)
        self.assertTrue(words.endswith(f"\n  last: {row['time']}  {row['message']}\n"), words)

    def test_a_step(self):
        self.begin([(50, "1s"), (60, "1h"), (100, "1h")], one_in(50))
        wait_until(lambda: self.daemon.rollout()["weight"]["target"] == 60, "the step", 30)
        row, figures = self.last_row(), self.figures()
        self.assertEqual((row["to"], row["weight"], row["reason"]), ("progressing", 60, "accepted"))
        self.assertRegex(row["message"], r"^raised shop from 50 % to 60 % \(step 2 of 3\): ")
        self.check_row(row, figures)
        self.check_verification(row, "accept", figures)
        self.assertGreaterEqual(figures["accept"], TO_ACCEPT)
        # What is said of the step that has begun, the next row has as well.
        wait_until(lambda: self.daemon.rollout()["step"]["requests"] > 60, "requests of the next step", 30)
        self.totals(self.load)
        words, figures, requests = wait_until(self.pause, "a pause with the evidence of before")
        self.assertRegex(words, f"^shop: Paused, test; weight 60 %, step 2 of 3, judged by {requests} canary requests, for ")
        self.check_words(words, figures, "within")
        self.assertIn("\n    against it: 0 % of the evidence that a rollback needs\n", words)
        share = min(figures["accept"] / TO_ACCEPT, 1)
        wanted = "all" if share == 1 else f"{100 * share:.0f} %"
        self.assertIn(f"\n    for it: {wanted} of the evidence that the next step needs", words)
        self.check_verification(self.last_row(), "accept" if share == 1 else "hold", figures)

    def pause(self):
        """(what is said, the figures of the pause, the step's requests), unless some came meanwhile."""
        before = self.evidence()
        self.assertEqual(self.daemon.ctl("pause", "shop", "--reason", "test").returncode, 0)
        words, figures = self.explain(), self.figures()
        if self.evidence() == before:
            return words, figures, before[1]
        self.assertEqual(self.daemon.ctl("resume", "shop", "--reason", "test").returncode, 0)
        return None

    def evidence(self):
        rollout = self.daemon.rollout()
        return rollout["analysis"], rollout["step"]["requests"]


if __name__ == "__main__":
    run_side_by_side()
