"""Copies of requests for another upstream: whatever that one does, clients and the rollout see nothing of it."""

import signal
import unittest

from harness import IntegrationCase, ScriptedUpstream, wait_until


class HangingUpstream(ScriptedUpstream):
    """Takes every request and answers none until release()."""

    def _answer(self, connection, method, path, first, headers, body):
        self._release.wait(600)
        return super()._answer(connection, method, path, first, headers, body)


class MirrorTest(IntegrationCase):
    def mirrored(self, copies=None, **mirror):
        """v1 serves the route `all`; its copies go to `copies`."""
        self.v1, self.copies = self.upstream("v1"), copies or self.upstream("copies")
        self.addCleanup(self.copies.stop)
        self.start({"v1": self.v1, "copies": self.copies}, routes=[self.route(**mirror)])

    def route(self, **mirror):
        return {"name": "all", "upstream": "v1", "mirror": {"to": "copies", **mirror}}

    def results(self, result):
        return self.daemon.metric("canaryd_mirror_requests_total", route="all", result=result) or 0

    def wait_for(self, result, count):
        wait_until(lambda: self.results(result) == count, f"{count} copies {result}")

    def test_a_copy_is_the_request_but_for_its_cohort(self):
        self.mirrored(methods=["GET", "POST"])
        client = self.client()
        client.send("POST /echo?a=b HTTP/1.1\r\nHost: t\r\nX-Own: 1\r\nContent-Length: 4\r\n\r\nbody")
        self.assertEqual(client.response().status, 200)
        self.wait_for("answered", 1)
        (sent_line, sent, sent_body), (line, copy, body) = self.v1.heads[-1], self.copies.heads[-1]
        self.assertEqual((line, body), (sent_line, b"body"))
        self.assertEqual(sent_body, body)
        self.assertEqual(sorted(copy), sorted(sent + [("X-Canaryd-Cohort", "shadow")]))

    def test_clients_are_answered_while_the_mirror_hangs(self):
        self.mirrored(HangingUpstream("copies"), timeout="10m")
        client = self.client()
        for _ in range(50):
            self.assertEqual(client.get("/").body, b"v1\n")
        # All of them have been answered, and not one copy has.
        wait_until(lambda: self.copies.total == 50, "the copies at the mirror")
        wait_until(lambda: self.daemon.metric("canaryd_requests_active", cohort="shadow") == 50, "the copies counted")
        self.assertEqual(self.results("answered"), 0)
        self.copies.release()
        self.wait_for("answered", 50)
        self.assertEqual(self.daemon.metric("canaryd_requests_total", cohort="shadow", code_class="2xx"), 50)
        self.assertEqual(self.daemon.metric("canaryd_requests_total", cohort="none", code_class="2xx"), 50)

    def test_more_than_may_be_under_way(self):
        self.mirrored(HangingUpstream("copies"), timeout="10m")
        client = self.client()  # One connection: one worker.
        for _ in range(200):
            self.assertEqual(client.get("/").body, b"v1\n")
        self.wait_for("busy", 200 - 128)
        wait_until(lambda: self.copies.total == 128, "the other copies at the mirror")

    def test_a_copy_has_a_time_limit(self):
        self.mirrored(HangingUpstream("copies"), timeout="100ms")
        self.assertEqual(self.get("/").body, b"v1\n")
        self.wait_for("timeout", 1)
        self.assertEqual(self.daemon.metric("canaryd_requests_total", cohort="shadow", code_class="none"), 1)

    def test_a_mirror_that_is_down_and_comes_back(self):
        self.mirrored()
        self.copies.close()
        client = self.client()
        for _ in range(5):
            self.assertEqual(client.get("/").body, b"v1\n")
        self.wait_for("failed", 5)
        self.copies.open()
        self.assertEqual(client.get("/").body, b"v1\n")
        self.wait_for("answered", 1)
        self.assertEqual(self.daemon.metric("canaryd_proxy_errors_total"), 0)

    def test_methods_that_change_something_are_left_out(self):
        self.mirrored()
        client = self.client()
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"):
            client.send(f"{method} /{method} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(client.response().status, 200)
        self.wait_for("answered", 2)
        self.assertEqual(set(self.copies.hits), {"/GET", "/OPTIONS"})

    def test_a_body_beyond_the_limit(self):
        self.mirrored(methods=["POST"], max_body="1KiB")
        client = self.client()
        for size in (1024, 1025, 100_000):
            client.send(f"POST /{size} HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n" + "x" * size)
            self.assertEqual(client.response().status, 200)
        chunks = "400\r\n" + "x" * 1024 + "\r\n"
        client.send("POST /chunked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 2 + "0\r\n\r\n")
        self.assertEqual(client.response().status, 200)
        self.wait_for("answered", 1)
        self.wait_for("body_too_large", 3)
        self.assertEqual(set(self.copies.hits), {"/1024"})
        self.assertEqual([len(body) for _, _, body in self.v1.heads], [1024, 1025, 100_000, 2048])

    def test_the_same_users_after_a_restart(self):
        self.v1, self.v2, self.copies = (self.upstream(name) for name in ("v1", "v2", "copies"))
        config = self.rollout_config()
        config["routes"][0]["mirror"] = {"to": "copies", "percent": 30}
        self.start({"v1": self.v1, "v2": self.v2, "copies": self.copies}, **config)
        drawn = []
        for _ in range(2):
            self.copies.reset_counters()
            for user in range(100):
                self.get(f"/{user}", [("X-User-Id", f"u{user}")])
            wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="stable") == 100, "the requests counted")
            wait_until(lambda: self.daemon.metric("canaryd_requests_active", cohort="shadow") == 0, "the end of the copies")
            drawn.append(set(self.copies.hits))
            self.daemon.stop()
            self.daemon.start()
        self.assertEqual(drawn[0], drawn[1])
        self.assertTrue(10 < len(drawn[0]) < 60, len(drawn[0]))

    def test_a_mirror_is_no_evidence(self):
        self.v1, self.v2, self.copies = (self.upstream(name) for name in ("v1", "v2", "copies"))
        config = self.rollout_config(start="auto", steps=[{"weight": 50, "min_duration": "1h"}])
        config["routes"][0]["mirror"] = {"to": "copies"}
        self.start({"v1": self.v1, "v2": self.v2, "copies": self.copies}, **config)
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")
        self.copies.failing = True
        for user in range(300):
            self.get("/", [("X-User-Id", f"u{user}")])
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="shadow", code_class="5xx") == 300, "the copies counted")
        rollout = self.daemon.rollout()
        self.assertEqual((rollout["state"], rollout["cohorts"]["canary"]["error_rate"]), ("progressing", 0))
        self.assertEqual(rollout["cohorts"]["stable"]["requests"] + rollout["cohorts"]["canary"]["requests"], 300)
        self.assertEqual(self.daemon.metric("canaryd_analysis_samples_total"), 300)
        self.assertEqual(self.daemon.metric("canaryd_rollout_user_failures_total"), 0)
        routes = {route["name"]: route["requests"] for route in self.daemon.get("/api/v1/routes")["items"]}
        self.assertEqual(routes, {"all": 300})

    def test_a_reload_without_the_mirror(self):
        self.mirrored(HangingUpstream("copies"), timeout="10m")
        self.assertEqual(self.get("/").body, b"v1\n")
        wait_until(lambda: self.copies.total == 1, "the copy at the mirror")
        text = self.daemon.file.read_text(encoding="utf-8")
        self.assertIn('"mirror"', text)
        self.daemon.write(text.replace(', "mirror": {"to": "copies", "timeout": "10m"}', ""))
        self.daemon.post("/api/v1/reload")
        for _ in range(5):
            self.assertEqual(self.get("/").body, b"v1\n")
        self.copies.release()
        # The one under way ends under the table it began with.
        self.wait_for("answered", 1)
        self.assertEqual(self.copies.total, 1)

    def test_a_drain_does_not_wait_for_a_copy(self):
        self.mirrored(HangingUpstream("copies"), timeout="10m")
        self.daemon.stop()
        config = self.daemon.file.read_text(encoding="utf-8")
        self.daemon.start(config.replace('"timeout": "10s"', '"timeout": "1h"'))
        client = self.client()
        self.assertEqual(client.get("/").body, b"v1\n")
        wait_until(lambda: self.copies.total == 1, "the copy at the mirror")
        self.daemon.signal(signal.SIGTERM)
        self.assertTrue(client.ended())
        self.daemon.stop(told=True)  # Fails long before drain.timeout, and before the copy's time is up.


if __name__ == "__main__":
    unittest.main()
