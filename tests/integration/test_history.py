"""`canaryctl history --verify`, `canaryd verify` and `state.retention`: a chain that is whole, broken, or let go in part."""

import contextlib
import json
import os
import sqlite3
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, IntegrationCase, PATIENCE, wait_until


class HistoryTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.state = Path(self.folder) / "state"
        self.start_rollout(start="auto")

    def act(self, *actions):
        for action in actions:
            # More than a few a second are refused.
            wait_until(lambda action=action: self.daemon.request(
                "POST", f"/api/v1/rollouts/shop/{action}", {"reason": "test"})[0] == 200, action)

    def verify(self, *arguments, code=0):
        done = self.daemon.ctl("history", "--verify", "-o", "json", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def verify_offline(self, *arguments, code=0):
        done = subprocess.run([CANARYD, "verify", "--state-dir", str(self.state), *arguments], capture_output=True,
                              text=True, timeout=20 * PATIENCE, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 or done.stdout else done.stderr

    def change(self, *statements):
        with contextlib.closing(sqlite3.connect(self.state / "state.db")) as database, database:
            for trigger in ("journal_stays", "journal_keeps"):
                database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            for statement in statements:
                database.execute(statement)

    def test_whole(self):
        self.act("pause", "resume")
        self.assertEqual(self.daemon.ctl("history", "--verify", "nobody").returncode, 1)
        status, problem = self.daemon.request("GET", "/api/v1/rollouts/shop/history?after=100000")
        self.assertEqual(status, 400)
        self.assertIn("no entry of the history has the id 100000 yet, the newest has ", json.loads(problem)["detail"])
        rows = self.daemon.get("/api/v1/rollouts/shop/history")["items"]
        found = self.verify("shop")
        self.assertEqual((found["result"], found["entries"], found["of_rollout"]), ("whole", len(rows), len(rows)))
        self.assertEqual((found["first"], found["last"]), (rows[0]["time"], rows[-1]["time"]))
        self.assertTrue(found["head"].startswith(f"{rows[-1]['id']}:"))
        self.assertIn("in use by process", self.verify_offline(code=1))
        self.act("pause")
        self.assertEqual(self.verify("--head", found["head"])["result"], "whole")
        head = self.verify()["head"]
        self.daemon.kill()
        self.assertEqual(json.loads(self.verify_offline("--format", "json", "--head", found["head"]))["head"], head)
        self.assertIn(f"whole: every entry has the hash that it should have\n  {len(rows) + 1} entries, from ",
                      self.verify_offline())
        self.state = Path(self.folder)
        self.assertIn("no state file", self.verify_offline(code=1))

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_a_reader_without_write_access(self):
        self.act("pause", "resume")
        head = self.verify()["head"]
        self.daemon.kill()
        for name in ("state.db-shm", "lock"):
            (self.state / name).unlink()
        before = {path.name: path.read_bytes() for path in self.state.iterdir()}
        self.assertEqual(set(before), {"state.db", "state.db-wal"})
        os.chmod(self.folder, 0o755)
        os.chmod(self.state, 0o555)
        for name in before:
            os.chmod(self.state / name, 0o444)
        done = subprocess.run([CANARYD, "verify", "--state-dir", str(self.state), "--head", head], user=65534,
                              extra_groups=[], capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in self.state.iterdir()}, before)
        os.chmod(self.state, 0o700)
        self.daemon.start()

    def test_broken(self):
        self.act("pause", "resume", "pause")
        head = self.verify()["head"]
        self.daemon.stop()
        file = self.state / "state.db"
        whole = file.read_bytes()
        cases = {
            "changed": (2, ["UPDATE journal SET actor = 'mallory' WHERE id = 2"]),
            "missing": (2, ["DELETE FROM journal WHERE id = 2"]),
            "end": (4, ["DELETE FROM journal WHERE id = 4"]),
            "order": (2, ["UPDATE journal SET id = 99 WHERE id = 2", "UPDATE journal SET id = 2 WHERE id = 3",
                          "UPDATE journal SET id = 3 WHERE id = 99"]),
        }
        for name, (bad, statements) in cases.items():
            with self.subTest(name):
                file.write_bytes(whole)
                self.change(*statements)
                found = json.loads(self.verify_offline("--format", "json", code=1))
                self.assertEqual((found["result"], found["bad_id"]), ("broken", bad), found)
                good = "1 entry before it is good" if bad == 2 else f"{bad - 1} entries before it are good"
                self.assertIn(f"\n  {good}, from ", self.verify_offline(code=1))
        # The end, and what says where the end is: only a head that was kept shows it.
        file.write_bytes(whole)
        self.change("DELETE FROM journal WHERE id = 4", "UPDATE head SET id = 3, hash = (SELECT hash FROM journal WHERE id = 3)")
        self.verify_offline()
        self.assertIn("its end is missing", self.verify_offline("--head", head, code=1))
        self.daemon.start()
        self.assertEqual(self.verify()["result"], "whole")
        self.assertEqual(self.verify("--head", head, code=1)["bad_id"], 4)
        said = self.daemon.ctl("history", "--verify", "--head", head)
        self.assertEqual(said.returncode, 1)
        self.assertIn("broken: entry 4: its hash is not the one that was kept", said.stdout)

    def test_retention(self):
        for _ in range(55):
            self.act("abort", "retry")
        # Over: of what goes on everything stays.
        self.act("abort")
        before = self.verify()
        self.assertEqual((before["entries"], before["pruned"]), (112, 0))
        config = self.daemon.file.read_text(encoding="utf-8")
        self.daemon.write(config.replace('state: {', 'state: {"retention": {"max_entries": 100}, '))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertEqual(self.daemon.await_events("state_pruned")[0]["entries"], 12)
        self.assertEqual(self.daemon.metric("canaryd_store_pruned_rows_total", kind="journal"), 12)
        after = self.verify("--head", before["head"])
        self.assertEqual((after["result"], after["entries"], after["pruned"]), ("whole", 101, 12))
        self.daemon.kill()
        self.assertIn("12 were taken out by retention", self.verify_offline())
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["state"], "aborted")
        self.act("retry")
        self.assertEqual(self.verify("--head", after["head"])["result"], "whole")


if __name__ == "__main__":
    unittest.main()
