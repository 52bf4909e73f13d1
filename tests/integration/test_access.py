"""The access log: what each outcome looks like, rotation, slow readers, the end. test_agreement.py compares it with /metrics."""

import collections
import json
import os
import select
import signal
import unittest

from harness import IntegrationCase, RawClient, base_config, wait_until
from harness.websocket import WebSocketClient, WebSocketUpstream

NAMES = {
    "ts", "id", "trace_id", "client", "listener", "method", "scheme", "host", "path", "query_masked", "protocol",
    "route", "rollout", "step", "cohort", "rule", "key_source", "forced", "upstream", "endpoint", "status",
    "upstream_status", "grpc_status", "error", "retries", "fallback", "bytes_in", "bytes_out", "key_hash", "weight",
    "revision", "t_end", "t_total", "t_upstream_connect", "t_upstream_first_byte", "user_agent",
}
ALWAYS = {"ts", "client", "listener", "bytes_in", "bytes_out", "t_end", "t_total"}


class AccessTest(IntegrationCase):
    def start_logging(self, **access):
        self.file = os.path.join(self.folder, "access.log")
        return self.start_rollout(log={"access": {"file": self.file, **access}})

    def by_path(self, count):
        """The lines by their path, when there are so many; every one with what every one has."""
        records = self.wait_for(count)
        self.assertEqual(len(records), count)
        for record in records:
            self.assertLessEqual(set(record), NAMES)
            self.assertLessEqual(ALWAYS, set(record))
        return {record.get("path"): record for record in records}

    def check(self, record, absent=(), **expected):
        self.assertEqual({key: record.get(key) for key in expected}, expected, record)
        self.assertFalse(set(absent) & set(record), record)

    def records(self, name=None):
        with open(name or self.file, encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def wait_for(self, count, name=None):
        wait_until(lambda: len(self.records(name)) >= count, f"{count} lines")
        return self.records(name)

    def test_what_each_outcome_looks_like(self):
        self.file = os.path.join(self.folder, "access.log")
        self.v1 = self.upstream("v1")
        dead = self.upstream("dead")
        dead.close()
        routes = [
            {"name": "plain", "match": {"host": "known", "path_prefix": "/"}, "upstream": "v1"},
            {"name": "lost", "match": {"host": "known", "path_prefix": "/lost"}, "upstream": "dead"},
        ]
        self.start({"v1": self.v1, "dead": dead}, routes=routes, log={"access": {"file": self.file}})

        def get(path, **more):
            with RawClient(self.daemon.public) as client:
                return client.get(path, host="known", **more)

        get("/good?a=1", headers=[("X-Request-Id", "mine"), ("User-Agent", "tester")])
        get("/lost")
        get("/close")
        get("/cut")
        with RawClient(self.daemon.public) as client:
            client.get("/nowhere", host="unknown")
        with RawClient(self.daemon.public) as client:
            client.send("GET /bad HTTP/1.1\r\nHost: known\r\nContent-Length: 1, 2\r\n\r\n")
            client.response()
        with RawClient(self.daemon.public) as client:
            client.send("POST /echo HTTP/1.1\r\nHost: known\r\nContent-Length: 5\r\n\r\nhello")
            client.response()
        with RawClient(self.daemon.public) as client:
            client.send("GET /hang HTTP/1.1\r\nHost: known\r\n\r\n")
            wait_until(lambda: self.v1.hits["/hang"], "the request at the upstream")
        lines = self.by_path(8)
        self.check(lines["/good"], id="mine", method="GET", scheme="http", host="known", query_masked="a=*",
                   protocol="HTTP/1.1", route="plain", upstream="v1", endpoint=self.v1.address, status=200,
                   upstream_status=200, bytes_in=0, bytes_out=3, client="127.0.0.1", listener="public",
                   user_agent="tester", absent={"error", "retries", "fallback", "rollout", "cohort", "weight"})
        self.check(lines["/lost"], route="lost", upstream="dead", endpoint=dead.address, status=502,
                   error="connect_failed", retries=1, absent={"upstream_status", "t_upstream_first_byte"})
        self.check(lines["/close"], status=502, error="upstream_reset", upstream="v1")
        self.check(lines["/cut"], status=200, upstream_status=200, error="upstream_reset", bytes_out=500)
        self.check(lines["/nowhere"], status=404, error="no_route", absent={"route", "upstream", "endpoint"})
        self.check(lines["/bad"], status=400, error="bad_request", method="GET", absent={"route", "upstream"})
        self.check(lines["/echo"], status=200, method="POST", bytes_in=5)
        self.check(lines["/hang"], error="client_gone", upstream="v1", absent={"status", "upstream_status"})

    def test_a_fallback_tells_what_the_canary_did(self):
        self.file = os.path.join(self.folder, "access.log")
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        config = self.rollout_config(log={"access": {"file": self.file}})
        config["rollouts"]["shop"]["fallback"] = {"methods": ["GET"]}
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        self.daemon.set_weight(100)
        self.v2.failing = True
        self.assertEqual(self.get("/one").body, b"v1\n")
        record = self.by_path(1)["/one"]
        self.check(record, cohort="canary", upstream="v2", endpoint=self.v2.address, upstream_status=500, status=200,
                   fallback="saved", bytes_out=3, weight=100, rule="weight", key_source="client_ip", revision="2",
                   absent={"error"})

    def test_a_tunnel_is_one_line(self):
        self.file = os.path.join(self.folder, "access.log")
        upstream = WebSocketUpstream("v1")
        self.addCleanup(upstream.stop)
        self.start({"v1": upstream}, log={"access": {"file": self.file}})
        client = WebSocketClient(self.daemon.public, headers=[("X-Request-Id", "ws")])
        self.addCleanup(client.close)
        client.hear()
        client.ask("hello")
        self.assertEqual(self.records(), [])
        client.bye()
        client.hear()
        client.close()
        record = self.by_path(1)["/chat"]
        self.check(record, id="ws", status=101, upstream="v1", absent={"error"})
        self.assertGreater(record["bytes_in"], 5)
        self.assertGreater(record["bytes_out"], 5)

    def test_no_client_forges_a_line(self):
        self.start_logging()
        hostile = [b'"},{"status":200,"path":"/forged"}', b"\\", b"\xff\xfe\xc3", "\u2028\u202e\x85".encode(), b"\x7f"]  # The last is refused.
        for n, agent in enumerate(hostile):
            with RawClient(self.daemon.public) as client:
                client.send(b"GET /h%d HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n" % (n, agent))
                client.response()
        with RawClient(self.daemon.public) as client:
            client.send(b'GET /\x0b","status":200,"x":"\xff HTTP/1.1\nHost: a\r\n\r\n')
            client.response()
        records = self.wait_for(len(hostile) + 1)
        self.assertEqual(len(records), len(hostile) + 1)
        with open(self.file, "rb") as log:
            text = log.read().decode("utf-8")  # Strictly: every line is valid.
        self.assertFalse([c for c in text if c != "\n" and (c < " " or c in "\x7f\u2028\u202e\x85")])
        by_path = {record["path"]: record for record in records}
        self.assertEqual(by_path["/h0"]["user_agent"], hostile[0].decode())
        self.assertEqual(collections.Counter(record["status"] for record in records), {200: len(hostile) - 1, 400: 2})

    def test_rotation_loses_nothing(self):
        self.start_logging()
        asked = 0
        files = [self.file]
        with RawClient(self.daemon.public) as client:
            for turn in range(5):
                for _ in range(40):
                    client.get(f"/r{asked}")
                    asked += 1
                # In the middle of it: what was not written yet goes to either file.
                files.append(f"{self.file}.{turn}")
                os.rename(self.file, files[-1])
                self.daemon.signal(signal.SIGUSR1)
                wait_until(lambda: os.path.exists(self.file), "the new file")
        self.daemon.stop()
        paths = [record["path"] for name in files for record in self.records(name)]
        self.assertEqual(sorted(paths), sorted(f"/r{n}" for n in range(asked)))

    def test_a_reader_that_stalls_holds_up_no_request(self):
        self.file = os.path.join(self.folder, "access.log")
        os.mkfifo(self.file)
        pipe = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(lambda: pipe is None or os.close(pipe))
        self.v1 = self.upstream("v1")
        self.start({"v1": self.v1}, workers=1, log={"access": {"file": self.file}})
        # Far more than the pipe and the ring take; refused without an upstream, so that it is quick.
        count = 6000
        agent = "a" * 300
        request = f"OPTIONS /{'p' * 900} HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nUser-Agent: {agent}\r\n\r\n"
        answered = 0
        with RawClient(self.daemon.public) as client:
            for _ in range(count // 20):
                client.send(request * 20)
                for _ in range(20):
                    answered += client.response().status == 200
        self.assertEqual(answered, count)
        self.assertEqual(self.get("/").status, 200)
        wait_until(lambda: self.daemon.metric("canaryd_log_dropped_total") > 0, "dropped lines")
        text = b""

        def complete():
            # The line of the last request is made, or dropped, when its answer has been sent.
            return text.count(b"\n") + self.daemon.metric("canaryd_log_dropped_total") > count

        def readable():
            return bool(select.select([pipe], [], [], 0)[0])

        while not complete():
            wait_until(lambda: readable() or complete(), "the rest of the lines")
            if readable():
                text += os.read(pipe, 1 << 20)
        lines = text.decode().splitlines()
        self.assertEqual(len(lines) + self.daemon.metric("canaryd_log_dropped_total"), count + 1)
        for line in lines:
            self.assertLessEqual(ALWAYS, set(json.loads(line)))

    def test_a_full_disk_fails_no_request(self):
        self.v1 = self.upstream("v1")
        self.start({"v1": self.v1}, log={"access": {"file": "/dev/full"}})
        for _ in range(5):
            self.assertEqual(self.get("/").status, 200)
        wait_until(lambda: self.daemon.metric("canaryd_log_dropped_total") == 5, "5 dropped lines")
        self.assertEqual(len(self.daemon.await_events("write_failed")), 1)

    def test_what_is_left_is_written_at_the_end(self):
        self.start_logging()
        with RawClient(self.daemon.public) as client:
            for _ in range(100):
                client.get()
        self.daemon.stop()
        self.assertEqual(len(self.records()), 100)

    def test_excluded_paths_and_the_combined_format(self):
        self.start_logging(exclude_paths=["/healthz"], format="combined")
        self.get("/healthz")
        self.get("/a?token=x", [("User-Agent", "test"), ("Referer", "http://a/b?c")])
        self.daemon.stop()
        with open(self.file, encoding="utf-8") as log:
            lines = log.read().splitlines()
        self.assertEqual(len(lines), 1)
        self.assertRegex(
            lines[0],
            r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:[\d:]{8} \+0000\] "GET /a\?token=\* HTTP/1\.1" 200 3 '
            r'"http://a/b" "test" \d+ stable v1$')

    def test_standard_output_and_a_log_file(self):
        daemon_log = os.path.join(self.folder, "daemon.log")
        self.v1 = self.upstream("v1")
        self.daemon.write(base_config(self.folder, {"v1": self.v1}, log={"file": daemon_log, "access": {}}))
        self.daemon.spawn()

        def listening():
            with open(daemon_log, encoding="utf-8") as log:
                return [r["address"] for r in map(json.loads, log) if r.get("component") == "admin"]

        host, _, port = wait_until(lambda: os.path.exists(daemon_log) and listening(), "the log")[0].rpartition(":")
        self.daemon.admin = (host, int(port))
        wait_until(lambda: self.daemon.status_of("/readyz") == 200, "/readyz")
        host, _, port = self.daemon.listeners()[0]["address"].rpartition(":")
        self.daemon.public = (host, int(port))
        self.get("/out")
        self.daemon.stop()
        self.assertEqual([record["path"] for record in self.daemon.log()], ["/out"])

    def test_it_is_off_unless_asked_for(self):
        self.v1 = self.upstream("v1")
        self.start({"v1": self.v1})
        self.get("/quiet")
        self.daemon.stop()
        self.assertNotIn("/quiet", self.daemon.log_text())


if __name__ == "__main__":
    unittest.main()
