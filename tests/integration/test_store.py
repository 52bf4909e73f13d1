"""The state directory damaged, missing, taken or full: nothing is overwritten, nothing rises, and an abort still acts."""

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, IntegrationCase, PATIENCE, base_config, stays, wait_until


class StoreAtStartTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.state = Path(self.folder) / "state"

    def make_state(self):
        """A state directory as a daemon leaves it, and its database file."""
        self.start_rollout(start="auto")
        self.daemon.set_weight(50)
        self.daemon.stop()
        return self.state / "state.db"

    def make_log(self):
        """The same of a daemon that was killed: what was decided is in the log."""
        self.start_rollout(start="auto")
        self.daemon.set_weight(50)
        self.daemon.kill()
        return self.state / "state.db-wal"

    def refused(self, code, **user):
        """Runs the daemon to its end; what it says on standard error must be one line beside the log."""
        done = subprocess.run(
            [CANARYD, "run", "-c", str(self.daemon.file)], capture_output=True, text=True,
            timeout=20 * PATIENCE, check=False, stdin=subprocess.DEVNULL, **user)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(said), 1, done.stderr)
        self.assertTrue(said[0].startswith("canaryd: "), said)
        self.assertIn(str(self.state), said[0])
        return said[0]

    def left_alone(self, file, code, *words):
        before = file.read_bytes()
        said = self.refused(code)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(file.read_bytes() == before, True, "the file was changed")

    def test_truncated(self):
        file = self.make_state()
        whole = file.read_bytes()
        for size in (len(whole) // 2, 5000, 4096, 100, 20):
            with self.subTest(size=size):
                file.write_bytes(whole[:size])
                self.left_alone(file, 1, "left as it")

    def test_flipped(self):
        file = self.make_state()
        whole = file.read_bytes()
        # The magic, the page size, the schema, and a text of the last row of the journal (older ones are for verification).
        for place in (0, 16, 101, whole.index(b"set shop from")):
            with self.subTest(place=place):
                file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
                self.left_alone(file, 1, "left as it")

    def test_another_programs_file(self):
        file = self.make_state()
        file.write_bytes(b"my diary, not a database\n" * 400)
        self.left_alone(file, 1, "left as it")

    def test_a_log_without_its_file(self):
        log = self.make_log()
        file = self.state / "state.db"
        whole = file.read_bytes()
        file.write_bytes(b"")
        self.left_alone(log, 1, "is empty beside", "left as it")
        file.unlink()
        self.left_alone(log, 1, "is missing beside", "left as it")
        self.assertFalse(file.exists())
        file.write_bytes(whole)
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 50)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_a_log_of_somebody_else(self):
        """As after a run as root."""
        log = self.make_log()
        nobody = 65534
        os.chmod(self.folder, 0o755)
        os.chmod(self.daemon.file, 0o644)
        for path in (self.state, self.state / "state.db", self.state / "lock"):
            os.chown(path, nobody, nobody)
        said = self.refused(4, user=nobody, extra_groups=[])
        self.assertIn(f"cannot write {log}: ", said)
        self.assertIn("it belongs to user 0, and canaryd is user 65534: chown it to that one", said)

    def test_whole_again(self):
        """What was refused while it was damaged is taken as soon as it is restored."""
        file = self.make_state()
        whole = file.read_bytes()
        file.write_bytes(whole[:len(whole) // 2])
        self.refused(1)
        file.write_bytes(whole)
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 50)

    def test_a_backup_of_a_running_daemon_is_restored(self):
        """As docs/operations.md says."""
        self.start_rollout(start="auto")
        self.daemon.set_weight(25)
        backup = Path(self.folder) / "backup.db"
        with contextlib.closing(sqlite3.connect(self.state / "state.db")) as running, \
                contextlib.closing(sqlite3.connect(backup)) as copy:
            running.backup(copy)
        self.daemon.set_weight(50)
        self.daemon.stop()
        self.assertEqual({file.name for file in self.state.glob("state.db*")}, {"state.db"}, "a clean stop leaves no log")
        shutil.copy(backup, self.state / "state.db")
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 25)

    def test_other_settings_before_the_start(self):
        """A rollout that nobody has started leaves nothing behind that its next settings contradict."""
        self.start_rollout()
        self.daemon.stop()
        wide = {"tolerance": {"errors": {"relative": 100, "absolute": 50}}, "latency_quantiles": []}
        self.daemon.start(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(analysis=wide)))
        started = self.daemon.ctl("start", "shop")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(self.daemon.events("store_failed"), [])

    def test_moved_away_everybody_is_on_stable(self):
        file = self.make_state()
        file.rename(file.with_suffix(".damaged"))
        self.daemon.write(self.daemon.file.read_text(encoding="utf-8").replace('"auto"', '"manual"'))
        self.daemon.start()
        self.assertEqual((self.daemon.rollout()["state"], self.daemon.rollout()["weight"]["target"]), ("idle", 0))

    def test_a_file_in_place_of_the_directory(self):
        self.daemon.write(base_config(self.folder, {"app": self.upstream("app")}))
        self.state.write_text("not a directory\n", encoding="utf-8")
        self.state.chmod(0o400)
        self.left_alone(self.state, 1, "is not a directory")

    def test_a_directory_in_place_of_the_file(self):
        self.daemon.write(base_config(self.folder, {"app": self.upstream("app")}))
        (self.state / "state.db").mkdir(parents=True)
        self.refused(1)

    @unittest.skipIf(os.getuid() == 0, "root may write everywhere")
    def test_a_directory_that_may_not_be_written(self):
        self.daemon.write(base_config(self.folder, {"app": self.upstream("app")}))
        self.state.mkdir(mode=0o500)
        self.refused(4)

    def test_a_second_daemon(self):
        self.start_rollout(start="auto")
        self.daemon.set_weight(50)
        said = self.refused(1)
        self.assertIn(f"in use by process {self.daemon.process.pid}", said)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 50)
        self.daemon.set_weight(60)


class StoreFailsTest(IntegrationCase):
    """The journal's file may not grow any more, as on a full disk. SIGXFSZ, which that brings, must not end the daemon."""

    def setUp(self):
        super().setUp()
        steps = [{"weight": weight, "min_duration": "0s"} for weight in (50, 100)]
        wide = {"tolerance": {"errors": {"relative": 100, "absolute": 50}}, "latency_quantiles": []}
        self.start_rollout(steps, start="auto", analysis=wide)
        self.daemon.set_weight(50)

    def fill(self):
        log = Path(self.folder) / "state" / "state.db-wal"
        self.limit(log.stat().st_size)

    def limit(self, size):
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def act(self, action, **body):
        status, text = self.daemon.request("POST", f"/api/v1/rollouts/shop/{action}", {"reason": "test", **body})
        return status, json.loads(text)

    def on_canary(self):
        before = self.v2.total
        with self.client() as client:
            for user in range(40):
                self.version_of(f"user-{user}", client)
        return self.v2.total - before

    def test_nothing_rises(self):
        self.fill()
        for action, body in (("promote", {}), ("promote", {"full": True}), ("weight", {"weight": 60})):
            status, answer = self.act(action, **body)
            self.assertEqual(status, 409, answer)
            self.assertIn("journal cannot be written", answer["detail"])
            view = self.daemon.rollout()
            self.assertEqual((view["state"], view["weight"]["target"]), ("paused", 50))
        self.assertEqual(len(self.daemon.await_events("store_failed")), 1)

    def test_an_abort_acts_at_once(self):
        self.assertGreater(self.on_canary(), 0)
        self.fill()
        status, answer = self.act("abort")
        self.assertEqual((status, answer["durable"], answer["state"]), (202, False, "aborted"), answer)
        self.assertEqual(answer["weight"]["target"], 0)
        self.assertEqual(self.on_canary(), 0)
        # It tries again with every tick, and does not say so each time.
        self.assertTrue(stays(lambda: len(self.daemon.events("store_failed")) == 1, 2.5, pause=0.1))
        self.assertEqual(self.on_canary(), 0)
        self.limit(resource.RLIM_INFINITY)
        wait_until(lambda: self.daemon.events("store_recovered"), "the store to work again")
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual((self.daemon.rollout()["state"], self.on_canary()), ("aborted", 0))

    def test_no_step_up_by_itself(self):
        self.fill()
        self.act("resume")

        def refused():
            self.on_canary()
            self.assertLessEqual(self.daemon.rollout()["weight"]["target"], 50)
            return self.daemon.metric("canaryd_analysis_verdict", metric="errors") == 1

        wait_until(refused, "enough evidence for the step", 20, pause=0.1)
        self.assertTrue(stays(lambda: refused() or True, 2.5, pause=0.1))
        self.assertEqual(len(self.daemon.await_events("store_failed")), 1)
        self.limit(resource.RLIM_INFINITY)
        wait_until(lambda: self.daemon.rollout()["weight"]["target"] == 100, "the step, once it can be written", 20)


if __name__ == "__main__":
    unittest.main()
