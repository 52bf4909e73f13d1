"""`canaryd quick`: two addresses and no file are a whole rollout, and what it prints is the file for the next time."""

import json
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, IntegrationCase, run_side_by_side, wait_until

# Where a test finds it, a log that it can read, and an end without delay: nothing of the rollout.
HERE = ("--set", "admin.address=127.0.0.1:0", "--set", "log.format=json", "--set", "drain.delay=0s")


class QuickTest(IntegrationCase):
    def quick(self, *arguments):
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        self.daemon.command = ["quick", "--stable", self.v1.address, "--canary", self.v2.address,
                               "--listen", "127.0.0.1:0", *HERE, *arguments]
        self.daemon.environment["TMPDIR"] = self.folder  # It keeps its journal there.
        self.daemon.start()
        self.await_state("progressing")

    def await_state(self, state):
        wait_until(lambda: self.daemon.rollout("quick")["state"] == state, state, 60)

    def weights(self):
        return [step["weight"] for step in self.daemon.rollout("quick")["steps"]]

    def ctl(self, *arguments):
        done = self.daemon.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def printed(self):
        """The file that it printed before it began to log."""
        text = self.daemon.log_text()
        return text[:text.index("\n{") + 1]

    def test_it_proxies_and_canaryctl_sees_it(self):
        self.quick()
        self.assertEqual(self.weights(), [1, 5, 10, 25, 100])
        shown = self.ctl("status", "quick")
        self.assertIn("Progressing   step 1/5   weight 1 %", shown)
        self.assertIn("stable (stable)  ->  canary (canary)", shown)
        cookie = wait_until(lambda: self.get().get("set-cookie"), "a cookie for somebody unknown").split(";")[0]
        self.assertTrue(cookie.startswith("canaryd_id="))
        self.ctl("set-weight", "quick", "50", "--yes")
        users = {self.version_of(f"user-{user}") for user in range(30)}
        self.assertEqual(users, {"v1", "v2"})
        again = {self.get(headers=[("Cookie", cookie)]).body for _ in range(5)}
        self.assertEqual(len(again), 1, "whoever has the cookie stays on a version")
        self.ctl("reload")
        self.assertEqual(self.daemon.rollout("quick")["weight"]["target"], 50)
        self.ctl("promote", "quick", "--full", "--yes")
        self.assertEqual({self.version_of(f"user-{user}") for user in range(30)}, {"v2"})

    def test_a_good_canary_is_promoted(self):
        lenient = json.dumps({"limits": {"errors": 80}, "tolerance": {"errors": {"absolute": 50}}, "latency_quantiles": []})
        self.quick("--steps", "40,100", "--set", f"rollouts.quick.analysis={lenient}",
                   "--set", "rollouts.quick.steps[0].min_duration=1s", "--set", "rollouts.quick.steps[1].min_duration=1s",
                   "--set", "rollouts.quick.bake.duration=1s")
        self.assertEqual(self.weights(), [40, 100])
        load = self.start_load()
        self.await_state("promoted")
        self.assertEqual({self.version_of(f"user-{user}") for user in range(30)}, {"v2"})
        self.assertEqual(self.totals(load)["failed"], 0)

    def test_a_bad_canary_is_rolled_back(self):
        """With nothing but the addresses and the steps; users do not notice."""
        self.quick("--steps", "50,100", "--state-dir", str(Path(self.folder) / "state"))
        load = self.start_load()
        wait_until(lambda: self.v2.total > 50, "traffic on the canary")
        self.v2.failing = True
        self.await_state("rolled_back")
        self.assertEqual(self.daemon.ctl("wait", "quick", "--for", "promoted").returncode, 10)
        self.assertEqual({self.version_of(f"user-{user}") for user in range(30)}, {"v1"})
        self.assertEqual(self.totals(load)["failed"], 0)
        self.assertIn("rolled back quick", self.ctl("history", "quick"))
        # A state folder that it was given outlives it.
        self.daemon.kill()
        self.v2.failing = False
        self.daemon.start()
        self.assertEqual(self.daemon.rollout("quick")["state"], "rolled_back")

    def test_without_a_state_folder_it_starts_fresh(self):
        self.quick()
        self.ctl("abort", "quick", "--yes")
        self.daemon.stop()
        self.daemon.start()
        self.await_state("progressing")
        self.assertEqual(len(self.daemon.get("/api/v1/rollouts/quick/history")["items"]), 1)

    def test_a_state_folder_by_the_environment(self):
        """The option comes first."""
        given, named = Path(self.folder) / "given", Path(self.folder) / "named"
        self.daemon.environment["CANARYD_STATE_DIR"] = str(named)
        self.quick()
        self.assertTrue(list(named.iterdir()))
        self.daemon.stop()
        self.assertTrue(list(named.iterdir()), "it outlives the daemon")
        kept = {file.name: file.stat().st_mtime_ns for file in named.iterdir()}
        self.quick("--state-dir", str(given))
        self.assertTrue(list(given.iterdir()))
        self.assertEqual({file.name: file.stat().st_mtime_ns for file in named.iterdir()}, kept)

    def test_what_it_prints_is_the_file_it_runs(self):
        self.quick("--steps", "5,50,100")
        file = Path(self.folder) / "printed.yaml"
        file.write_text(self.printed(), encoding="utf-8")
        checked = subprocess.run([CANARYD, "validate", "-c", str(file), "--strict"],
                                 capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        changes = json.loads(self.ctl("diff", str(file), "-o", "json"))
        self.assertEqual({change["path"] for change in changes["changes"]}, {"admin.address", "drain.delay", "log.format", "state.dir"})
        self.assertEqual([(each["name"], each["change"]) for each in changes["rollouts"]], [("quick", "kept")])

    def test_wrong_arguments(self):
        for arguments, words in (((), "--stable"), (("--stable", "192.0.2.1:80"), "--canary"),
                                 (("--stable", "192.0.2.1", "--canary", "192.0.2.2:80"), "--stable: "),
                                 (("--stable", "192.0.2.1:80", "--canary", "192.0.2.1:80"), "the same server"),
                                 (("--stable", "192.0.2.1:80", "--canary", "192.0.2.2:80", "--steps", "5,x"), '"x"')):
            with self.subTest(arguments):
                done = subprocess.run([CANARYD, "quick", *arguments], capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    run_side_by_side()
