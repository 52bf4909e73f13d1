"""SIGHUP: a good file takes over without a lost request, a bad one changes nothing."""

import re
import shutil
import signal
import subprocess
import unittest

from harness import IntegrationCase, PATIENCE, base_config, wait_until


class ReloadTest(IntegrationCase):
    def reload(self, config):
        done = len(self.daemon.events("reloaded")) + len(self.daemon.events("reload_failed"))
        self.daemon.write(config)
        self.daemon.signal(signal.SIGHUP)
        wait_until(
            lambda: len(self.daemon.events("reloaded")) + len(self.daemon.events("reload_failed")) > done, "reload")

    def test_a_good_file(self):
        one, two = self.upstream("one"), self.upstream("two")
        self.start({"one": one})
        config = base_config(self.folder, {"one": one, "two": two})
        config["routes"].insert(0, {"name": "new", "match": {"path_prefix": "/new/"}, "upstream": "two"})
        client = self.client()
        self.assertEqual(client.get("/new/").body, b"one\n")
        self.reload(config)
        wait_until(lambda: client.get("/new/").body == b"two\n", "the new route")
        self.assertEqual(client.get("/").body, b"one\n")
        self.assertEqual(self.daemon.metric("canaryd_config_last_reload_successful"), 1)

    def test_a_bad_file(self):
        app = self.upstream("app")
        self.start({"app": app})
        config = base_config(self.folder, {"app": app})
        config["routes"][0]["upstream"] = "nothing"
        self.reload(config)
        self.assertEqual(self.get("/").body, b"app\n")
        self.assertEqual(self.daemon.metric("canaryd_config_last_reload_successful"), 0)
        self.daemon.await_events("reload_failed")
        self.assertRegex(self.daemon.log_text(), r"canaryd\.yaml:\d+:\d+")

    def test_a_rollout_keeps_its_state(self):
        self.start_rollout(start="auto")
        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
        before = self.daemon.rollout()
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        self.reload(config)
        after = self.daemon.rollout()
        self.assertEqual((after["state"], after["weight"]["target"]), (before["state"], before["weight"]["target"]))

    def test_a_new_revision_starts_anew(self):
        self.start_rollout(start="auto")
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        config["rollouts"]["shop"]["revision"] = "3"
        self.reload(config)
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "a new rollout")
        self.assertEqual((self.daemon.rollout()["revision"], self.daemon.rollout()["weight"]["target"]), ("3", 1))

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_under_load(self):
        one, two = self.upstream("one"), self.upstream("two")
        self.start({"one": one, "two": two})
        first = base_config(self.folder, {"one": one, "two": two})
        second = base_config(self.folder, {"two": two, "one": one})
        load = subprocess.Popen(
            ["wrk", "-t1", "-c8", "-d6s", "--timeout", "20s", self.daemon.url("/")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(load.wait)
        for turn in range(6):
            self.reload(second if turn % 2 == 0 else first)
        said, _ = load.communicate(timeout=60 * PATIENCE)
        self.assertNotIn("Non-2xx", said)
        self.assertNotIn("Socket errors", said)
        self.assertGreater(int(re.search(r"(\d+) requests in", said)[1]), 100)
        self.assertGreater(one.total, 0)
        self.assertGreater(two.total, 0)


if __name__ == "__main__":
    unittest.main()
