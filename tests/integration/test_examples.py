"""Each of config/examples runs: with upstreams on this machine in place of its own, a request of every route that it
has gets through. What else is in the file stays."""

import json
import re
import unittest
from pathlib import Path

from harness import IntegrationCase, RawClient, run_side_by_side, wait_until

EXAMPLES = Path(__file__).resolve().parents[2] / "config/examples"
UPSTREAM = re.compile(r"^  ([a-z0-9-]+):\n    endpoints: \[[^\]]*\]", re.MULTILINE)


class ExamplesTest(IntegrationCase):
    def run_example(self, name, changes=()):
        """The file, with addresses that are there; changes: (pattern, replacement), each of which must find something."""
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for pattern, replacement in changes:
            text, found = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            self.assertGreater(found, 0, pattern)
        self.names = UPSTREAM.findall(text)
        self.assertTrue(self.names)

        def here(found):
            return f"  {found[1]}:\n    endpoints: [{self.upstream(found[1]).address}]"

        text = UPSTREAM.sub(here, text)
        text, listeners = re.subn(r"^    address: .*$", "    address: 127.0.0.1:0", text, flags=re.MULTILINE)
        self.assertEqual(listeners, 1)
        text = re.sub(r"^(state|drain):.*\n(  .*\n)*", "", text, flags=re.MULTILINE)
        text += (f"admin: {{address: 127.0.0.1:0}}\nstate: {{dir: {self.folder}/state}}\n"
                 "drain: {delay: 0s, timeout: 10s}\n")
        self.daemon.start(text)

    def asked(self, host="test", headers=()):
        with RawClient(self.daemon.public) as client:
            response = client.get("/", headers, host=host)
        self.assertEqual(response.status, 200)
        return response

    def await_cookie(self):
        """A rollout starts when that is durable; until then nobody is split, so nobody is given a cookie."""
        return wait_until(lambda: self.asked().get("set-cookie"), "a cookie for somebody unknown")

    def served_by(self, **more):
        return self.asked(**more).body.decode().strip()

    def test_sidecar(self):
        self.run_example("sidecar.yaml")
        self.assertIn(self.served_by(headers=[("X-User-Id", "anna")]), ("current", "next"))
        self.assertEqual(self.daemon.rollout("service")["canary"], "next")

    def test_edge(self):
        self.run_example("edge.yaml")
        self.assertEqual(self.served_by(host="api.example.com"), "api")
        self.assertIn(self.served_by(), ("shop-v1", "shop-v2"))
        self.assertIn("canaryd_id=", self.await_cookie())

    def test_queries(self):
        self.run_example("queries.yaml")
        self.assertIn(self.served_by(headers=[("X-User-Id", "anna")]), ("shop-v1", "shop-v2"))
        metrics = {each["metric"] for each in self.daemon.rollout()["analysis"]}
        self.assertLessEqual({"query:refunds", "query:basket-value", "query:smoke"}, metrics)

    def test_staged(self):
        self.run_example("staged.yaml")
        self.assertEqual(self.daemon.rollout()["state"], "idle")
        self.assertEqual(self.served_by(headers=[("X-User-Id", "anna")]), "shop-v1")
        self.assertEqual([each["gate"] for each in self.daemon.rollout()["steps"]], [None, "on-call", "owners", None])
        # Whether it may start depends on the calendar; that it may be ended does not.
        started = self.daemon.ctl("start", "shop", "--reason", "release")
        frozen = self.daemon.metric("canaryd_rollout_frozen")
        self.assertEqual(started.returncode, 6 if frozen else 0, started.stdout + started.stderr)
        self.assertEqual(self.daemon.ctl("abort", "shop").returncode, 0)
        self.assertEqual(self.served_by(headers=[("X-User-Id", "anna")]), "shop-v1")

    def begin_staged(self):
        """staged.yaml in seconds in place of hours, judged by tens of requests in place of thousands, on any day."""
        self.question_hook, self.message_hook = self.upstream("asked"), self.upstream("told")
        changes = [(r"http://[^/]*/may-it-rise", f"http://{self.question_hook.address}/may-it-rise"),
                   (r"http://[^/]*/told", f"http://{self.message_hook.address}/told"),
                   (r"min_duration: \w+", "min_duration: 0s"), (r"{weight: 100}", "{weight: 100, min_duration: 0s}"),
                   (r"min_requests: \d+", "min_requests: 2"),
                   (r"bake: {duration: \w+", "bake: {duration: 0s"), (r"^    freeze:\n(      .*\n)+", ""),
                   (r"errors: {relative: 10, absolute: 0.1}", "errors: {relative: 10, absolute: 50}"),
                   (r"^(    analysis:)$", r"\1\n      latency_quantiles: []")]
        self.run_example("staged.yaml", changes)
        started = self.daemon.ctl("start", "shop", "--reason", "release")
        self.assertEqual(started.returncode, 0, started.stdout + started.stderr)

    def await_rollout(self, what, **wanted):
        def rollout():
            now = self.daemon.rollout()
            return now if {**now, **wanted} == now else None

        return wait_until(rollout, what, 60)

    def approve(self, gate, name):
        return self.daemon.ctl("approve", "shop", gate, "--as", name).returncode

    def questions(self):
        """(weight, weight to be) of each time that the hook was asked, without repetitions."""
        bodies = [json.loads(body) for _, _, body in list(self.question_hook.heads)]
        return list(dict.fromkeys((body["weight"], body["next_weight"]) for body in bodies))

    def told(self):
        return [json.loads(body)["state"] for line, _, body in list(self.message_hook.heads) if line.startswith("POST /told")]

    def test_staged_to_its_end(self):
        """People and the hook have their word in turn, and the rollout goes on after each."""
        self.begin_staged()
        load = self.start_load(rate=500)
        rollout = self.await_rollout("the gate of the on-call", state="waiting", reason="gate")
        self.assertEqual((rollout["weight"]["target"], rollout["step"]["approvals"]["needed"]), (5, 1))
        self.assertEqual(self.questions(), [(1, 5)])
        self.question_hook.failing = True
        self.assertEqual(self.approve("on-call", "dora"), 0)
        rollout = self.await_rollout("the hook's no", state="held", reason="hook")
        self.assertEqual(rollout["weight"]["target"], 5)
        wait_until(lambda: "held" in self.told(), "the word of the hold")
        self.question_hook.failing = False
        rollout = self.await_rollout("the gate of the owners", state="waiting", reason="gate")
        self.assertEqual((rollout["weight"]["target"], rollout["step"]["approvals"]["needed"]), (25, 2))
        self.assertEqual([self.approve("owners", name) for name in ("mallory", "anna", "anna")], [6, 0, 0])
        rollout = self.daemon.rollout()
        self.assertEqual((rollout["state"], rollout["weight"]["target"]), ("waiting", 25))
        self.assertEqual([given["by"] for given in rollout["step"]["approvals"]["given"]], ["anna"])
        self.assertEqual(self.approve("owners", "carol"), 0)
        self.await_rollout("promotion", state="promoted")
        wait_until(lambda: "promoted" in self.told(), "the word of the promotion")
        self.assertEqual(self.questions(), [(1, 5), (5, 25), (25, 98), (98, 100)])
        self.assertEqual(self.told(), ["held", "promoted"])
        self.assertEqual(self.totals(load)["failed"], 0)

    def test_versions(self):
        self.run_example("versions.yaml")
        self.assertTrue(self.served_by().startswith("shop-v"))
        self.assertIn("canaryd_id=", self.await_cookie())
        self.assertEqual({self.daemon.rollout(name)["stable"] for name in ("to-v2", "to-v3")}, {"shop-v1"})

    def test_rings(self):
        self.run_example("rings.yaml")
        self.daemon.set_weight(1)
        self.assertEqual(self.served_by(headers=[("Cookie", "tenant=acme")]), "shop-v2")
        self.assertEqual(self.served_by(headers=[("X-Plan", "enterprise"), ("Cookie", "tenant=acme")]), "shop-v1")

    def test_every_file_is_here(self):
        here = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        # A file of the strangler's has a test of its own.
        self.assertLessEqual({file.stem for file in EXAMPLES.glob("*.yaml")} - {"strangler"}, here)


if __name__ == "__main__":
    run_side_by_side()
