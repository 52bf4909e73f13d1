"""SIGHUP: a good file takes over without a lost request, a bad one changes nothing."""

import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import IntegrationCase, PATIENCE, base_config, wait_until

STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (10, 50, 100)]
RELOADS = 20


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

    def test_a_pipe_in_the_files_place_is_not_waited_for(self):
        self.start({"app": self.upstream("app")})
        os.remove(self.daemon.file)
        os.mkfifo(self.daemon.file)
        self.daemon.signal(signal.SIGHUP)
        self.daemon.await_events("reload_failed")
        self.assertIn("cannot be read: not a regular file", self.daemon.log_text())
        self.assertEqual(self.get("/").body, b"app\n")

    def test_a_rollout_keeps_its_state(self):
        self.start_rollout(start="auto")
        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
        before = self.daemon.rollout()
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        self.reload(config)
        after = self.daemon.rollout()
        self.assertEqual((after["state"], after["weight"]["target"]), (before["state"], before["weight"]["target"]))

    def test_the_history_tells_who_changed_a_freeze_or_a_hook_and_why(self):
        self.start_rollout(start="auto")
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        config["rollouts"]["shop"]["freeze"] = [{"days": ["sun"]}]
        self.reload(config)
        wait_until(lambda: self.history()[-1]["event"] == "new_plan", "a row about the freeze")
        row = self.history()[-1]
        self.assertEqual((row["actor"], row["from"], row["to"]), ("signal", row["to"], row["from"]))
        self.assertIn("freeze[0]: added", row["message"])
        hook = {"on": ["rolled_back"], "http": {"url": f"http://127.0.0.1:{self.v1.port}/"}}
        config["rollouts"]["shop"]["hooks"] = [hook]
        self.daemon.write(config)
        self.daemon.post("/api/v1/reload", {"reason": "pages the owner"})
        wait_until(lambda: self.history()[-1]["id"] > row["id"], "a row about the hook")
        row = self.history()[-1]
        self.assertEqual((row["event"], row["reason"]), ("new_plan", "pages the owner"))
        self.assertIn("hooks[0]: added", row["message"])
        told = self.daemon.await_events("change")[-1]
        self.assertEqual((told["path"], told["reason"]), ("/api/v1/reload", "pages the owner"))
        self.daemon.post("/api/v1/reload", {"reason": "again"})
        self.assertEqual(self.history()[-1]["id"], row["id"], "nothing has changed")

    def history(self):
        return self.daemon.get("/api/v1/rollouts/shop/history")["items"]

    def test_a_new_revision_ends_what_goes_on(self):
        self.start_rollout(start="auto")
        self.start_load()
        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
        wait_until(lambda: self.daemon.rollout()["step"]["requests"] > 20, "evidence of the second step")
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        config["rollouts"]["shop"]["revision"] = "3"
        self.reload(config)
        wait_until(lambda: self.daemon.rollout()["revision"] == "3" and self.daemon.rollout()["step"], "a new rollout")
        after = self.daemon.rollout()
        self.assertEqual((after["step"]["index"], after["weight"]["target"]), (0, 1))
        # At 1 % there cannot be as many yet as there were at 5 %.
        self.assertLess(after["step"]["requests"], 20)

    def test_a_rollout_leaves_the_file_and_comes_back(self):
        steps = [{"weight": 50, "min_duration": "1h"}, {"weight": 100}]
        self.start_rollout(steps, start="auto")
        files = {"v1": self.v1, "v2": self.v2}
        with_it = base_config(self.folder, files, **self.rollout_config(steps, start="auto"))
        without = base_config(self.folder, files)
        without["routes"] = [{"name": "all", "match": {"path_prefix": "/"}, "upstream": "v1"}]
        users = [f"u{n}" for n in range(40)]
        before = [self.version_of(user) for user in users]
        self.assertIn("v2", before)
        load = self.start_load()
        self.reload(without)
        wait_until(lambda: {self.version_of(user) for user in users} == {"v1"}, "everybody where the route leads")
        [warning] = [line for line in self.daemon.events("config_warning") if line.get("rollout") == "shop"]
        self.assertIn("has left the configuration while progressing at 50 %", warning["msg"])
        self.assertEqual(self.daemon.ask("GET", "/api/v1/rollouts/shop")[0], 404)
        shown = self.daemon.ctl("history", "shop")
        self.assertIn("started shop at 50 %", shown.stdout, shown.stderr)
        self.reload(with_it)
        wait_until(lambda: [self.version_of(user) for user in users] == before, "everybody where he was")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 50)
        self.assertEqual(self.totals(load)["failed"], 0)

    def test_who_reloads_is_told_what_waits_for_a_restart(self):
        app = self.upstream("app")
        self.start({"app": app})
        self.daemon.write(base_config(self.folder, {"app": app}, workers=3, log={"format": "text"}))
        done = self.daemon.ctl("reload")
        self.assertEqual((done.returncode, done.stdout), (0, "reloaded\n"))
        self.assertIn("warning: workers changed from 2 to 3; that takes effect after a restart\n", done.stderr)
        self.assertIn("warning: log.format changed from json to text; that takes effect after a restart\n", done.stderr)
        self.assertTrue(self.daemon.events("reloaded"), "still JSON")

    def test_a_new_revision_starts_anew(self):
        self.start_rollout(start="auto")
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(start="auto"))
        config["rollouts"]["shop"]["revision"] = "3"
        self.reload(config)
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "a new rollout")
        self.assertEqual((self.daemon.rollout()["revision"], self.daemon.rollout()["weight"]["target"]), ("3", 1))

    def unchanged_rollout(self, turn):
        """What is no part of the rollout is another with every turn."""
        more = self.rollout_config(STEPS, "auto", {"latency_quantiles": []})
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **more)
        if turn % 2:
            config["listeners"][0]["limits"] = {"header_count": 100 + turn}
            config["routes"].append({"name": "more", "match": {"path_prefix": "/more/"}, "upstream": "v1"})
        return config

    def recorded(self):
        """Requests of both versions by the figures of the last entry, a pause, in the journal."""
        verified = self.daemon.get("/api/v1/rollouts/shop/verification")
        self.assertEqual((verified["result"], verified["id"]), ("same", self.history()[-1]["id"]))
        figures = {figure["name"]: figure["value"] for figure in verified["figures"]}
        return figures["errors/stable_n"], figures["errors/canary_n"]

    def pause(self):
        """What is recorded then; it goes on afterwards."""
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": "test"})
        found = self.recorded()
        self.daemon.post("/api/v1/rollouts/shop/resume", {"reason": "test"})
        return found

    def missing(self):
        """Requests that the versions have answered and that are not in the journal's figures."""
        stable, canary = self.pause()
        return self.v1.total - stable, self.v2.total - canary

    def counts(self):
        """Of the step, of stable and of the canary."""
        view = self.daemon.rollout()
        return view["step"]["requests"], view["cohorts"]["stable"]["requests"], view["cohorts"]["canary"]["requests"]

    def none_less(self, before):
        """The counts, once all of them have grown."""
        def look():
            now = self.counts()
            self.assertTrue(all(old <= new for old, new in zip(before, now)), f"{now} after {before}")
            return all(old < new for old, new in zip(before, now)) and now

        return wait_until(look, "more requests")

    def test_under_load_a_rollout_keeps_its_evidence(self):
        """Reloads come in pairs, one right after the other, and requests between the pairs."""
        self.start_rollout(STEPS, "auto", {"latency_quantiles": []})
        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
        load = self.start_load(rate=400, connections=16)
        counts = wait_until(lambda: min(now := self.counts()) > 200 and now, "evidence")
        recorded = self.pause()
        place, rows = self.place(), len(self.history())
        for turn in range(RELOADS):
            self.reload(self.unchanged_rollout(turn))
            self.assertEqual(self.place(), place, f"reload {turn}")
            counts = self.none_less(counts) if turn % 2 else counts
        self.assertEqual(len(self.history()), rows)
        self.assertEqual(self.daemon.metric("canaryd_config_reloads_total", result="success"), RELOADS)
        self.assertEqual(self.totals(load)["failed"], 0)
        # All in the journal. What came last may be of one version alone: then there is nothing to compare it with.
        wait_until(lambda: min(self.missing()) == 0, "the end of the evidence", pause=0.1)
        self.assertLess(max(self.missing()), 10)
        self.assertTrue(all(old < new for old, new in zip(recorded, self.pause())))

    def place(self):
        view = self.daemon.rollout()
        return [view[key] for key in ("state", "generation", "since")], view["step"]["index"], view["weight"]["target"]

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
