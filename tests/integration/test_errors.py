"""The answers that canaryd makes itself: status and X-Canaryd-Error, for faults of either side."""

import socket
import unittest

from harness import IntegrationCase, RawClient


class ErrorsTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.app = self.upstream("app")
        self.gone = self.upstream("gone")
        self.gone.close()
        routes = [
            {"name": "app", "match": {"host": "app.test", "path_prefix": "/"}, "upstream": "app"},
            {"name": "gone", "match": {"host": "gone.test", "path_prefix": "/"}, "upstream": "gone"},
        ]
        listeners = [{
            "name": "public", "address": "127.0.0.1:0",
            "limits": {"header_bytes": "8KiB", "header_count": 50, "target_bytes": "2KiB", "body_bytes": "64KiB"},
            "timeouts": {"header": "500ms"},
        }]
        upstreams = {
            "app": {"endpoints": [self.app.address], "timeouts": {"first_byte": "300ms", "body_idle": "300ms"}},
            "gone": {"endpoints": [self.gone.address]},
        }
        self.start({}, upstreams=upstreams, routes=routes, listeners=listeners)

    def check(self, response, status, word):
        self.assertIsNotNone(response, f"no answer, expected {status} {word}")
        self.assertEqual((response.status, response.get("x-canaryd-error")), (status, word))

    def answer(self, data):
        with RawClient(self.daemon.public) as client:
            client.send(data)
            return client.response()

    def app_get(self, path, headers=()):
        with RawClient(self.daemon.public) as client:
            return client.get(path, headers, host="app.test")

    def test_connect_failed(self):
        with RawClient(self.daemon.public) as client:
            self.check(client.get("/", host="gone.test"), 502, "connect_failed")

    def test_upstream_reset(self):
        self.check(self.app_get("/reset"), 502, "upstream_reset")
        self.check(self.app_get("/close"), 502, "upstream_reset")

    def test_upstream_that_does_not_speak_http(self):
        listener = socket.socket()
        self.addCleanup(listener.close)
        self.app.close()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.app.port))
        listener.listen()
        with RawClient(self.daemon.public) as client:
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n")
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-nonsense\r\n\r\n")
            self.check(client.response(), 502, "upstream_protocol")
            connection.close()

    def test_timeout(self):
        self.check(self.app_get("/hang"), 504, "timeout")

    def test_no_route(self):
        with RawClient(self.daemon.public) as client:
            self.check(client.get("/", host="other.test"), 404, "no_route")

    def test_bad_requests(self):
        for name, request in (
            ("no host", "GET / HTTP/1.1\r\n\r\n"),
            ("two hosts", "GET / HTTP/1.1\r\nHost: app.test\r\nHost: b\r\n\r\n"),
            ("space before colon", "GET / HTTP/1.1\r\nHost : app.test\r\n\r\n"),
            ("length and chunked", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("two lengths", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            ("odd length", "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: +3\r\n\r\nabc"),
            ("folded line", "GET / HTTP/1.1\r\nHost: app.test\r\nX: a\r\n b\r\n\r\n"),
            ("bare line feed in a value", "GET / HTTP/1.1\r\nHost: app.test\r\nX: a\nY: b\r\n\r\n"),
            ("garbage", "\x16\x03\x01\x02\r\n\r\n"),
        ):
            with self.subTest(name):
                response = self.answer(request)
                self.assertIsNotNone(response)
                self.assertEqual(response.status, 400)
        self.assertEqual(self.app.total, 0)

    def test_unknown_transfer_coding(self):
        response = self.answer("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: gzip\r\n\r\n")
        self.assertIn(response.status, (400, 501))
        self.assertEqual(self.app.total, 0)

    def test_version(self):
        self.check(self.answer("GET / HTTP/3.7\r\nHost: app.test\r\n\r\n"), 505, "version_not_supported")

    def test_a_loop(self):
        passes = ", ".join(["1.1 canaryd"] * 11)
        self.check(self.app_get("/", [("Via", passes)]), 508, "loop_detected")
        self.assertEqual(self.app.total, 0)

    def test_limits(self):
        self.check(self.app_get("/" + "a" * 3000), 414, "target_too_long")
        self.check(self.app_get("/", [("X-Big", "b" * 9000)]), 431, "headers_too_large")
        self.check(self.app_get("/", [(f"X-{n}", "1") for n in range(60)]), 431, "headers_too_large")
        too_big = "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 70000\r\n\r\n"
        self.check(self.answer(too_big), 413, "body_too_large")

    def test_slow_head(self):
        response = self.answer("GET / HTTP/1.1\r\nHost: app")
        if response is not None:
            self.check(response, 408, "request_timeout")

    def test_errors_are_counted_and_the_next_request_is_served(self):
        self.app_get("/reset")
        self.assertEqual(self.app_get("/").body, b"app\n")
        self.assertGreaterEqual(self.daemon.metric("canaryd_proxy_errors_total", error="upstream_reset") or 0, 1)


if __name__ == "__main__":
    unittest.main()
