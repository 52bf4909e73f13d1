"""Plain proxying: what goes in comes out, both ways, and what is added on the way."""

import hashlib
import json
import unittest

from harness import IntegrationCase, RawClient, pattern


class ProxyTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.app = self.upstream("app")
        self.start({"app": self.app})

    def echo(self, request):
        with RawClient(self.daemon.public) as client:
            client.send(request)
            return json.loads(client.response().body)

    def test_curl_gets_the_page(self):
        code, out = self.curl("-i", self.daemon.url("/hello?a=1"))
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith(b"HTTP/1.1 200"), out[:50])
        self.assertTrue(out.endswith(b"app\n"))

    def test_curl_posts_a_body(self):
        code, out = self.curl("-d", "x=1&y=2", self.daemon.url("/echo"))
        self.assertEqual(code, 0)
        seen = json.loads(out)
        self.assertEqual(seen["line"], "POST /echo HTTP/1.1")
        self.assertEqual(seen["body"], "x=1&y=2")

    def test_chunked_request(self):
        seen = self.echo(
            "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n4;ext=1\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n")
        self.assertEqual(seen["body"], "abcdef")

    def test_expect_continue(self):
        body = self.folder + "/body"
        with open(body, "wb") as file:
            file.write(pattern(100_000))
        code, out = self.curl("-H", "Expect: 100-continue", "--data-binary", f"@{body}", self.daemon.url("/echo"))
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out)["body"].encode("latin-1"), pattern(100_000))

    def test_forwarding_headers(self):
        seen = self.echo("GET /echo HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
        headers = {name.lower(): value for name, value in seen["headers"]}
        self.assertEqual(headers["host"], "shop.example")
        # The client is no trusted proxy, so what it claims is not passed on.
        self.assertEqual(headers["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertIn("via", headers)
        self.assertTrue(headers["x-request-id"])
        self.assertNotIn("x-canaryd-cohort", headers)  # No rollout on this route.

    def test_request_id_is_kept(self):
        seen = self.echo("GET /echo HTTP/1.1\r\nHost: t\r\nX-Request-Id: mine-1\r\n\r\n")
        self.assertIn(["X-Request-Id", "mine-1"], seen["headers"])

    def test_hop_by_hop_headers_stay(self):
        seen = self.echo(
            "GET /echo HTTP/1.1\r\nHost: t\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\n"
            "Keep-Alive: 5\r\nTE: trailers\r\nX-Keep: 2\r\n\r\n")
        headers = {name.lower(): value for name, value in seen["headers"]}
        for gone in ("x-secret", "keep-alive"):
            self.assertNotIn(gone, headers)
        self.assertIn("x-keep", headers)
        # A proxy that passes trailers on says so itself, and names it in Connection (RFC 9110, 10.1.4).
        if "te" in headers:
            self.assertEqual((headers["te"], headers["connection"]), ("trailers", "TE"))

    def test_big_body_down(self):
        code, out = self.curl(self.daemon.url("/bytes/20000000"))
        self.assertEqual(code, 0)
        self.assertEqual(hashlib.sha256(out).digest(), hashlib.sha256(pattern(20_000_000)).digest())

    def test_big_body_up(self):
        body = self.folder + "/body"
        with open(body, "wb") as file:
            file.write(pattern(3_000_000))
        code, out = self.curl("-T", body, self.daemon.url("/echo"))
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out)["body"].encode("latin-1"), pattern(3_000_000))

    def test_chunked_response(self):
        self.assertEqual(self.get("/chunked").body, b"one two three\n")

    def test_body_that_ends_with_the_connection(self):
        response = self.get("/no-length")
        self.assertEqual((response.status, response.body), (200, b"until the end\n"))

    def test_head_has_no_body(self):
        with RawClient(self.daemon.public) as client:
            client.send("HEAD /bytes/1000 HTTP/1.1\r\nHost: t\r\n\r\n")
            response = client.response(to_head=True)
            self.assertEqual(response.get("content-length"), "1000")
            self.assertEqual(client.get("/").body, b"app\n")  # The connection is still in step.

    def test_statuses_without_body(self):
        client = self.client()
        for status in (204, 304, 404, 500):
            self.assertEqual(client.get(f"/status/{status}").status, status)

    def test_interim_response(self):
        client = self.client()
        first = client.get("/hints")
        if first.status == 103:
            self.assertEqual(first.get("link"), "</a.css>; rel=preload")
            first = client.response()
        self.assertEqual((first.status, first.body), (200, b"hinted\n"))

    def test_keep_alive_and_pipelining(self):
        client = self.client()
        client.send("GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /chunked HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n")
        bodies = [client.response().body for _ in range(3)]
        self.assertEqual(bodies, [b"app\n", b"one two three\n", b"app\n"])

    def test_upstream_that_closes_after_each_answer(self):
        client = self.client()
        for _ in range(5):
            self.assertEqual(client.get("/last").body, b"last\n")

    def test_http_1_0_client(self):
        client = self.client()
        client.send("GET /chunked HTTP/1.0\r\n\r\n")
        response = client.response()
        self.assertEqual(response.status, 200)
        self.assertIsNone(response.get("transfer-encoding"))
        self.assertEqual(response.body, b"one two three\n")
        self.assertTrue(client.ended())

    def test_connection_close_is_honoured(self):
        client = self.client()
        response = client.get("/", [("Connection", "close")])
        self.assertEqual(response.get("connection"), "close")
        self.assertTrue(client.ended())

    def test_a_cut_answer_is_not_passed_as_whole(self):
        for path in ("/cut", "/cut-chunked"):
            response = self.get(path)
            self.assertEqual(response.status, 200)
            self.assertFalse(response.whole, path)

    def test_a_client_that_leaves_hurts_nobody(self):
        for _ in range(20):
            client = RawClient(self.daemon.public)
            client.send("GET /slow/200 HTTP/1.1\r\nHost: t\r\n\r\n")
            client.close()
        self.assertEqual(self.get("/").body, b"app\n")


if __name__ == "__main__":
    unittest.main()
