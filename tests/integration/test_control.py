"""canaryctl and the admin API against a running daemon: what operators do, and what they are refused."""

import json
import unittest

from harness import IntegrationCase, ctl


class ControlTest(IntegrationCase):
    def ok(self, *arguments):
        done = self.daemon.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def shop(self):
        return json.loads(self.ok("status", "shop", "-o", "json"))

    def test_status(self):
        self.start_rollout()
        self.assertIn("shop", self.ok("status"))
        shown = self.ok("status", "shop")
        for word in ("shop", "v1", "v2"):
            self.assertIn(word, shown)
        self.assertEqual(self.shop()["name"], "shop")
        self.assertNotEqual(self.daemon.ctl("status", "nothing").returncode, 0)

    def test_a_whole_rollout_by_hand(self):
        self.start_rollout(steps=[{"weight": w, "min_duration": "1h"} for w in (10, 50, 100)])
        self.assertEqual(self.shop()["state"], "idle")
        self.ok("start", "shop", "--reason", "release")
        self.assertEqual((self.shop()["state"], self.shop()["step"]["weight"]), ("progressing", 10))
        self.ok("promote", "shop", "--yes")
        self.assertEqual(self.shop()["step"]["weight"], 50)
        self.ok("pause", "shop")
        self.assertEqual((self.shop()["state"], self.shop()["weight"]["target"]), ("paused", 50))
        self.ok("resume", "shop")
        self.assertEqual(self.shop()["state"], "progressing")
        self.ok("promote", "shop", "--full", "--yes")
        self.assertEqual(self.shop()["weight"]["target"], 100)
        self.assertEqual(self.version_of("anyone"), "v2")
        self.ok("rollback", "shop", "--yes")
        self.assertEqual((self.shop()["state"], self.shop()["weight"]["target"]), ("rolled_back", 0))
        self.assertEqual(self.version_of("anyone"), "v1")

    def test_set_weight_and_abort(self):
        self.start_rollout()
        self.ok("start", "shop")
        self.ok("set-weight", "shop", "12.5", "--yes")
        self.assertEqual((self.shop()["weight"]["target"], self.shop()["state"]), (12.5, "paused"))
        self.ok("abort", "shop", "--yes")
        self.assertEqual((self.shop()["weight"]["target"], self.shop()["state"]), (0, "aborted"))

    def test_history_says_who_and_why(self):
        self.start_rollout()
        self.ok("start", "shop", "--reason", "release 2.4.0")
        self.ok("abort", "shop", "--yes", "--reason", "wrong build")
        history = self.ok("history", "shop")
        for words in ("release 2.4.0", "wrong build"):
            self.assertIn(words, history)

    def test_exit_codes(self):
        self.start_rollout()
        self.assertEqual(self.daemon.ctl("frobnicate").returncode, 2)
        self.assertEqual(self.daemon.ctl("set-weight", "shop", "120").returncode, 2)
        self.assertEqual(self.daemon.ctl("pause", "shop").returncode, 6)  # Idle: nothing to pause.
        self.ok("start", "shop")
        self.ok("abort", "shop", "--yes")
        self.assertEqual(self.daemon.ctl("resume", "shop").returncode, 6)
        waited = self.daemon.ctl("wait", "shop", "--for", "promoted", "--timeout", "20s")
        self.assertEqual(waited.returncode, 11, waited.stderr)

    def test_not_reachable(self):
        self.start_rollout()
        address = self.daemon.admin_url("")
        self.daemon.stop()
        self.assertEqual(ctl("--addr", address, "status").returncode, 5)

    def test_api_rules(self):
        self.start_rollout()
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/shop/abort")[0], 405)
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/nothing")[0], 404)
        status, text = self.daemon.request("POST", "/api/v1/rollouts/shop/weight", {"weight": 200})
        self.assertEqual(status // 100, 4)
        self.assertIn("title", json.loads(text))
        generation = self.daemon.rollout()["generation"]
        stale = [("If-Match", f'"{generation + 7}"')]
        self.assertEqual(self.daemon.request("POST", "/api/v1/rollouts/shop/start", {}, stale)[0], 412)
        self.assertEqual(self.daemon.rollout()["state"], "idle")

    def test_api_keeps_web_pages_out(self):
        self.start_rollout()
        for headers in ([("Host", "evil.example")], [("Origin", "http://evil.example")]):
            status, _ = self.daemon.request("POST", "/api/v1/rollouts/shop/start", {}, headers)
            self.assertEqual(status // 100, 4, headers)
        self.assertEqual(self.daemon.rollout()["state"], "idle")

    def test_lists(self):
        self.start_rollout()
        self.assertEqual(self.daemon.listeners()[0]["name"], "public")
        for path in ("/api/v1/rollouts", "/api/v1/upstreams", "/api/v1/routes", "/api/v1/build"):
            self.assertTrue(self.daemon.get(path), path)
        self.assertEqual(self.daemon.status_of("/livez"), 200)


if __name__ == "__main__":
    unittest.main()
