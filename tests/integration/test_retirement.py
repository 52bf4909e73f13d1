"""The old version's end: proved idle, put back inside the window, and ended once, whatever is killed meanwhile."""

import time
import unittest
from pathlib import Path

from harness import IntegrationCase, RawClient, wait_until
from harness.daemon import base_config

NEVER = [("X-Canary", "never"), ("User-Agent", "nightly-report/1.2")]


class RetirementTest(IntegrationCase):
    def promote(self, undo, script, idle_for="1s", **more):
        """A rollout that is promoted at once. The script says how often it ran."""
        hook = Path(self.folder) / "end.sh"
        hook.write_text(f"#!/bin/sh\necho \"$1\" >> ran\ncat > told.json\n{script}\n", encoding="utf-8")
        hook.chmod(0o755)
        retire = {"idle_for": idle_for, "drain": "0s", "undo": undo, "hook": {"exec": ["./end.sh", "{upstream}"]}}
        force = {"keys": [{"header": "X-User-Id"}], "force": {"header": "X-Canary", "trusted_only": False}}
        steps = [{"weight": 100, "min_duration": "0s"}]
        shop = {"bake": {"duration": "0s"}, "retire": retire, "cohort": force}
        self.start_rollout(steps=steps, rollout=shop, **more)
        self.config = self.rollout_config(steps, rollout=shop)
        self.assertEqual(self.daemon.ctl("start", "shop").returncode, 0)
        self.assertEqual(self.daemon.ctl("promote", "shop", "--full", "--yes").returncode, 0)
        self.until("promoted")

    def until(self, state):
        wait_until(lambda: self.daemon.rollout()["state"] == state, f"state {state}", 60)
        return self.daemon.rollout()

    def until_hook(self, word):
        wait_until(lambda: self.daemon.rollout()["retire"]["hook"] == word, f"hook {word}", 60)
        return self.daemon.rollout()

    def check_wait(self, said):
        """A wait for the end sees that nobody goes on."""
        done = self.daemon.ctl("wait", "shop", "--for", "retired", "--timeout", "5m", timeout=400)
        self.assertEqual(done.returncode, 12, done.stderr)
        self.assertIn(said, done.stderr)

    def version(self):
        """Who answers somebody that wants the old version."""
        return self.get("/", NEVER).body.decode().strip()

    def ran(self):
        """What the hook was called with, each time."""
        file = Path(self.folder) / "ran"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def idle(self):
        """Seconds that the old version has been out of use for, as of the last second."""
        return self.daemon.metric("canaryd_retire_idle_seconds")

    def test_one_forced_request_is_named(self):
        routes = [{"name": name, "match": {"path_prefix": path}, "rollout": "shop"}
                  for name, path in (("reports", "/reports"), ("all", "/"))]
        self.promote("1h", "exit 0", idle_for="1h", routes=routes)
        wait_until(lambda: self.idle() > 3, "idle time", 60)
        self.assertEqual(self.version_of("anyone"), "v2")
        blocked = self.daemon.ctl("retire", "shop", "--dry-run")
        self.assertEqual(blocked.returncode, 6)
        self.assertIn("not retirable: v1", blocked.stdout)
        self.assertNotIn("still used by", blocked.stdout)
        asked = time.monotonic()
        self.assertEqual(self.get("/reports/monthly", NEVER).body.decode().strip(), "v1")
        wait_until(lambda: self.daemon.rollout()["retire"]["stragglers"], "the straggler")
        # It has ended long since; what it leaves is that the time begins again.
        self.assertLess(self.idle(), time.monotonic() - asked + 1.5)
        blocked = self.daemon.ctl("retire", "shop", "--dry-run")
        self.assertEqual(blocked.returncode, 6)
        self.assertIn("not retirable: v1", blocked.stdout)
        self.assertIn("still used by 127.0.0.1 (nightly-report/1.2) on route reports, force", blocked.stdout)
        refused = self.daemon.ctl("retire", "shop")
        self.assertEqual(refused.returncode, 6)
        self.assertIn("route reports (force) from 127.0.0.1, nightly-report/1.2, 1 request", refused.stderr)
        rollout = self.daemon.rollout()
        named = [(each["route"], each["rule"], each["client"], each["user_agent"], each["requests"])
                 for each in rollout["retire"]["stragglers"]]
        self.assertEqual(named, [("reports", "force", "127.0.0.1", "nightly-report/1.2", 1)])
        self.assertEqual((rollout["state"], rollout["retire"]["open"], rollout["retire"]["blocked"]), ("promoted", 0, True))
        self.assertEqual(self.ran(), [])

    def test_a_straggler_blocks_then_it_is_undone_and_at_last_ended(self):
        self.promote("1h", "exit 0")
        with RawClient(self.daemon.public) as slow:
            fields = "".join(f"{name}: {value}\r\n" for name, value in NEVER)
            slow.send(f"GET /hang HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
            wait_until(lambda: self.daemon.rollout()["retire"]["open"] == 1, "the open request")
            blocked = self.daemon.ctl("retire", "shop", "--dry-run")
            self.assertEqual(blocked.returncode, 6)
            self.assertIn("not retirable: v1", blocked.stdout)
            self.assertIn("still used by 127.0.0.1 (nightly-report/1.2) on route all, force", blocked.stdout)
            refused = self.daemon.ctl("retire", "shop")
            self.assertEqual(refused.returncode, 6)
            self.assertIn("nightly-report/1.2", refused.stdout + refused.stderr)
            self.assertIn("nightly-report/1.2", self.daemon.ctl("status", "shop").stdout)
            self.v1.release()
            self.assertEqual(slow.response().status, 200)
        self.assertEqual(self.daemon.rollout()["state"], "promoted")
        rollout = self.until("retiring")
        self.assertEqual(self.version(), "v2", "the old version is out of use")
        self.assertIsNotNone(rollout["retire"]["undo_until"])
        self.assertEqual(self.daemon.ctl("unretire", "shop").returncode, 0)
        self.assertEqual(self.daemon.rollout()["state"], "promoted")
        self.assertEqual(self.version(), "v1", "it answers again")
        wait_until(lambda: self.daemon.metric("canaryd_retire_idle_seconds") > 1, "idle time", 60)
        self.assertEqual(self.daemon.rollout()["state"], "promoted", "it is kept")
        self.check_wait("v1 is kept by `unretire`; `canaryctl retire shop` lets it go")
        self.assertEqual(self.ran(), [])
        self.config["rollouts"]["shop"]["retire"]["undo"] = "0s"
        self.daemon.write(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.config))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertEqual(self.daemon.ctl("retire", "shop").returncode, 0)
        self.assertEqual(self.daemon.ctl("wait", "shop", "--for", "retired").returncode, 0)
        self.assertEqual(self.ran(), ["v1"])
        rollout = self.daemon.rollout()
        self.assertEqual([rollout["retire"]["hook"], rollout["retire"]["said"]], ["done", "exit code 0"])
        self.assertEqual(self.daemon.ctl("abort", "shop").returncode, 6)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["state"], "retired")
        self.assertEqual(self.version(), "v2")
        self.assertEqual(self.ran(), ["v1"])

    def test_killed_while_the_hook_runs_it_is_not_called_again(self):
        self.promote("0s", "until [ -e go ]; do sleep 0.05; done")
        self.until_hook("called")
        wait_until(self.ran, "the start of the hook", 60)
        self.daemon.kill()
        (Path(self.folder) / "go").touch()
        self.daemon.start()
        rollout = self.until_hook("unknown")
        self.assertEqual(rollout["state"], "retiring")
        self.assertEqual(self.version(), "v2", "the old version may be gone")
        wait_until(lambda: self.daemon.ctl("history", "shop").stdout.count("may have run or not") == 1, "the record")
        self.check_wait("`canaryctl retire shop` calls it again, with --skip-hook it is taken as done")
        self.assertEqual(self.ran(), ["v1"])
        self.assertEqual(self.daemon.ctl("retire", "shop", "--skip-hook").returncode, 0)
        self.assertEqual(self.daemon.rollout()["state"], "retired")
        self.assertEqual(self.ran(), ["v1"])

    def test_a_hook_that_fails_is_told_and_called_again_by_command(self):
        self.promote("0s", "[ -e good ] || exit 3")
        rollout = self.until_hook("failed")
        self.assertEqual(rollout["state"], "retiring")
        self.assertIn("exit code was 3", rollout["next"])
        self.assertIn("exit code was 3", self.daemon.ctl("history", "shop").stdout)
        self.check_wait("`canaryctl retire shop` calls it again")
        (Path(self.folder) / "good").touch()
        self.assertEqual(self.daemon.ctl("retire", "shop").returncode, 0)
        self.until("retired")
        self.assertEqual(self.ran(), ["v1", "v1"])


if __name__ == "__main__":
    unittest.main()
