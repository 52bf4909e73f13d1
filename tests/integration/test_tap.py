"""Taps: requests as they finish, through the admin API and canaryctl; and that nobody pays for a slow watcher."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import threading
import unittest

from harness import CANARYCTL, EventStream, IntegrationCase, RawClient, wait_until

STREAMS_MAX = 16


class TapTest(IntegrationCase):
    def tap(self, query="", **more):
        stream = EventStream(self.daemon.admin, "/api/v1/tap" + query, **more)
        self.addCleanup(stream.close)
        return stream

    def spawn_ctl(self, *arguments):
        """canaryctl tap, its output in a file; the process and a function that reads the file."""
        file = os.path.join(self.folder, "tap.out")
        with open(file, "wb") as out:
            process = subprocess.Popen(
                [CANARYCTL, "--addr", self.daemon.admin_url(""), "tap", *arguments], stdout=out,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def lines():
            with open(file, encoding="utf-8") as text:
                return text.read().splitlines()

        return process, lines

    @contextlib.contextmanager
    def load(self, path, headers=()):
        """Two clients that ask one request after the other, meanwhile; all of them must be answered."""
        stop = threading.Event()
        statuses = collections.Counter()

        def ask():
            with RawClient(self.daemon.public) as client:
                while not stop.is_set():
                    statuses[client.get(path, headers).status] += 1

        clients = [threading.Thread(target=ask) for _ in range(2)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            stop.set()
            for client in clients:
                client.join()
        self.assertEqual(set(statuses), {200})

    def seen(self, path, lines):
        """Asks until it is shown: then the watcher was there before the last one at the latest."""
        def ask():
            self.get(path)
            return any(path in line for line in lines())

        wait_until(ask, f"{path} in the output of canaryctl")

    def test_a_request_just_made(self):
        self.start_rollout()
        self.daemon.set_weight(100)
        tap = self.tap()
        self.assertIn("content-type: text/event-stream\r\n", tap.head)
        self.get("/basket?token=hunter2", [
            ("X-User-Id", "u"), ("X-Request-Id", "r-1"), ("Authorization", "Basic hunter2"),
            ("Cookie", "session=hunter2"), ("Referer", "http://a/hunter2")])
        record = tap.requests_until("/basket")[-1]
        expected = {"id": "r-1", "method": "GET", "query_masked": "token=*", "route": "all", "rollout": "shop",
                    "cohort": "canary", "upstream": "v2", "endpoint": self.v2.address, "status": 200}
        self.assertEqual({key: record.get(key) for key in expected}, expected)
        self.assertGreaterEqual(record["t_total"], 0)
        self.assertNotIn(b"hunter2", tap.raw)
        self.assertNotIn("/basket", self.daemon.log_text())  # There is no access log.

    def test_filters(self):
        self.start_rollout(routes=[
            {"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop"},
            {"name": "plain", "match": {"path_prefix": "/plain"}, "upstream": "v1"}])
        self.daemon.set_weight(50)
        taps = {query: self.tap(query) for query in (
            "?cohort=canary", "?cohort=stable", "?cohort=none", "?route=plain", "?errors=1",
            "?cohort=canary&route=all&errors=1")}
        # Few enough to be all in the sample, and one of each kind with which each tap ends.
        users = {}
        for user in range(20):
            users.setdefault(self.version_of(str(user)), str(user))
            if len(users) == 2:
                break
        with RawClient(self.daemon.public) as client:
            for path in ("/a", "/plain/a", "/status/404", "/status/503", "/status/500"):
                for version in ("v1", "v2"):
                    client.get(path, [("X-User-Id", users[version])])
            client.get("/plain/end")

        def check(query, end, wanted):
            records = taps[query].requests_until(end)
            self.assertGreater(len(records), 1, query)
            for record in records:
                self.assertTrue(wanted(record), (query, record))

        check("?cohort=canary", "/status/500", lambda r: r["cohort"] == "canary" and r["upstream"] == "v2")
        check("?cohort=stable", "/status/500", lambda r: r["cohort"] == "stable" and r["upstream"] == "v1")
        check("?cohort=none", "/plain/end", lambda r: "cohort" not in r and r["route"] == "plain")
        check("?route=plain", "/plain/end", lambda r: r["route"] == "plain")
        check("?errors=1", "/status/500", lambda r: r["upstream_status"] >= 500)
        check("?cohort=canary&route=all&errors=1", "/status/500",
              lambda r: r["cohort"] == "canary" and r["upstream_status"] >= 500)

    def test_more_than_a_sample(self):
        self.start({"v1": self.upstream("v1")})
        tap = self.tap()
        with self.load("/"):
            events = tap.until(lambda kind, _: kind == "sampled")
        self.assertGreater(events[-1][1]["left_out"], 0)

    def test_a_slow_watcher_hurts_nobody_and_is_told(self):
        self.start({"v1": self.upstream("v1")})
        slow, healthy = self.tap(receive_bytes=4096), self.tap()
        with self.load("/" + "p" * 2000, [("User-Agent", "a" * 400)]):
            # More than the kernel and the daemon hold for one watcher.
            while len(healthy.raw) < 800000:
                healthy.next()
                slow.read_some(256)
            lost = slow.until(lambda kind, _: kind == "dropped")[-1][1]["events"]
            self.assertGreater(lost, 0)
            # It has not lost its place, nor has the other one.
            slow.until(lambda kind, _: kind == "request")
            healthy.until(lambda kind, _: kind == "request")
        self.assertNotIn(b"event: dropped", healthy.raw)

    def test_there_is_a_limit_and_a_watcher_that_leaves_frees_its_place(self):
        self.start({"v1": self.upstream("v1")})
        taps = [self.tap() for _ in range(STREAMS_MAX)]
        self.assertEqual({tap.status for tap in taps}, {200})
        refused = self.tap()
        self.assertEqual(refused.status, 503)
        self.assertIn("application/problem+json", refused.head)
        self.assertEqual(refused.problem["type"], "urn:canaryd:problem:too-many-streams")
        done = self.daemon.ctl("tap")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("16 streams", done.stderr)
        self.assertEqual(self.daemon.status_of("/readyz"), 200)
        taps[3].close()
        wait_until(lambda: self.tap().status == 200, "the place of the one that left")
        self.get("/seen")
        taps[0].requests_until("/seen")

    def test_a_reload_does_not_end_it(self):
        self.start_rollout()
        tap = self.tap()
        self.daemon.post("/api/v1/reload")
        self.get("/after")
        self.assertEqual(tap.requests_until("/after")[-1]["status"], 200)

    def test_a_stop_ends_it_at_once(self):
        self.start({"v1": self.upstream("v1")})
        process, lines = self.spawn_ctl()
        self.seen("/seen", lines)
        taps = [self.tap() for _ in range(3)]
        self.daemon.stop()
        self.assertEqual([record["msg"] for record in self.daemon.events("stopped")], ["drained"])
        for tap in taps:
            while tap.next():
                pass
            self.assertEqual(tap.ended, "whole")
        self.assertEqual(process.wait(60), 5)
        self.assertIn("has ended the stream", process.stderr.read().decode())

    def test_a_kill_is_a_loss(self):
        self.start({"v1": self.upstream("v1")})
        process, lines = self.spawn_ctl()
        self.seen("/seen", lines)
        self.daemon.kill()
        self.assertEqual(process.wait(60), 5)
        self.assertIn("lost the stream", process.stderr.read().decode())

    def test_canaryctl_until_interrupted(self):
        self.start_rollout()
        process, lines = self.spawn_ctl("--json", "--cohort", "stable", "--route", "all")
        self.seen("/seen", lines)
        self.get("/after?token=hunter2")

        def after():
            return [record for record in map(json.loads, lines()) if record["path"] == "/after"]

        record = wait_until(after, "the request in the output")[0]
        self.assertEqual((record["query_masked"], record["status"]), ("token=*", 200))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(process.stderr.read(), b"")

    def test_canaryctl_prints_lines(self):
        self.start_rollout()
        process, lines = self.spawn_ctl("--errors")
        self.seen("/status/503", lines)
        self.assertRegex(
            lines()[0],
            r"^\d\d:\d\d:\d\d\.\d{3}  stable  all    GET   /status/503 +503 +[\d.]+ m?s  v1$")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
