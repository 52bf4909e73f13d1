"""Clients and servers that others wrote: node's http, undici and ws, on both sides of canaryd."""

import unittest

from harness import IntegrationCase, wait_until
from harness.node import NodeScript, NodeUpstream


class NodeCase(IntegrationCase):
    def node_upstream(self, name):
        upstream = NodeUpstream(name)
        self.addCleanup(upstream.stop)
        return upstream

    def script(self, script, case, *more):
        running = NodeScript(script, case, self.daemon.url(""), *more)
        self.addCleanup(running.stop)
        return running

    def seen(self, script, case, *more):
        return self.script(script, case, *more).hear()


class NodeHttpTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.node = self.node_upstream("v1")
        self.start({"node": self.node})

    def client(self, case):
        return self.seen("http_client.js", case)

    def test_keep_alive(self):
        seen = self.client("keepAlive")
        self.assertEqual(seen["statuses"], [200] * 50)
        self.assertEqual(seen["reused"], 49)

    def test_uploads(self):
        seen = self.client("upload")
        self.assertEqual(seen["sized"]["sha256"], seen["sha256"])
        self.assertEqual(seen["sized"]["headers"]["content-length"], "3000000")
        self.assertEqual(seen["chunked"]["sha256"], seen["sha256"])
        self.assertEqual(seen["chunked"]["headers"]["transfer-encoding"], "chunked")
        self.assertEqual(seen["chunked"]["trailers"], {"x-sum": seen["sha256"]})
        self.assertEqual(seen["mirrored"], seen["sha256"])

    def test_expect_continue(self):
        seen = self.client("expect")
        self.assertEqual((seen["status"], seen["continued"]), (200, True))

    def test_responses(self):
        seen = self.client("responses")
        self.assertEqual(seen["chunks"]["text"], "".join(f"piece {n}\n" for n in range(100)))
        self.assertEqual(seen["chunks"]["trailers"], {"x-checksum": "100"})
        self.assertEqual(seen["early"]["interim"], [[103, "</style.css>; rel=preload; as=style"]])
        self.assertEqual(seen["early"]["text"], "late")
        self.assertEqual((seen["empty"]["status"], seen["empty"]["bytes"]), (204, 0))
        self.assertEqual((seen["unchanged"]["status"], seen["unchanged"]["headers"]["etag"]), (304, '"a"'))
        self.assertEqual((seen["head"]["status"], seen["head"]["bytes"]), (200, 0))
        self.assertTrue(all(one["complete"] for one in seen.values()), seen)
        self.assertTrue(all(seen[name]["reused"] for name in ("early", "empty", "unchanged", "head")), seen)

    def test_a_cut_is_seen_as_one(self):
        seen = self.client("cut")
        self.assertEqual((seen["sized"]["status"], seen["sized"]["error"]), (200, "ECONNRESET"))
        self.assertEqual((seen["chunked"]["status"], seen["chunked"]["error"]), (200, "ECONNRESET"))
        self.assertEqual(seen["after"]["status"], 200)

    def test_a_client_that_leaves(self):
        client = self.script("http_client.js", "leave")
        self.assertEqual(self.node.hear(), {"waiting": "/wait"})
        client.tell()
        self.assertEqual(self.node.hear(), {"left": "/wait", "finished": False})
        seen = client.hear()
        self.assertEqual((seen["left"]["error"], seen["after"]["status"]), ("ABORT_ERR", 200))
        wait_until(lambda: self.daemon.metric("canaryd_proxy_errors_total", error="client_gone") == 1, "its count")


class UndiciTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.start({"node": self.node_upstream("v1")})

    def client(self, case):
        return self.seen("undici_client.js", case)

    def test_pipelining(self):
        self.assertEqual(self.client("pipeline")["urls"], [f"/echo?{n}" for n in range(200)])

    def test_parallel_uploads(self):
        seen = self.client("parallel")
        self.assertEqual(seen["sums"], [seen["sha256"]] * 100)

    def test_fetch_with_a_redirect(self):
        self.assertEqual(self.client("fetch"), {"status": 200, "redirected": True, "url": "/echo"})

    def test_a_cut_is_seen_as_one(self):
        seen = self.client("cut")
        self.assertEqual(seen, {"/cut": "UND_ERR_SOCKET", "/cut-chunks": "UND_ERR_SOCKET", "after": 200})


class WsTest(NodeCase):
    def setUp(self):
        super().setUp()
        self.v1, self.v2 = self.node_upstream("v1"), self.node_upstream("v2")
        upstreams = {"v1": {"endpoints": [self.v1.address]},
                     "v2": {"endpoints": [self.v2.address], "tunnels": {"on_rollback": "close", "after": "0s"}}}
        self.start({}, upstreams=upstreams, **self.rollout_config())

    def client(self, case):
        return self.seen("ws_client.js", case, "u")

    def test_messages(self):
        seen = self.client("talk")
        self.assertEqual((seen["hello"], seen["protocol"]), ("v1 stable", "chat"))
        self.assertIn("permessage-deflate", seen["extensions"])
        self.assertEqual((seen["text"], seen["big"], seen["pong"]), ("text", True, "are you there"))
        self.assertEqual(seen["parts"], "".join(f"part {n} " for n in range(10)))
        self.assertEqual(seen["ended"], [4000, "goodbye"])
        self.assertEqual(self.v1.hear(), {"ended": 4000, "reason": "goodbye"})

    def test_without_compression_and_closed_by_the_server(self):
        seen = self.client("plain")
        self.assertEqual((seen["hello"], seen["extensions"]), ("v1 stable", ""))
        self.assertEqual(seen["ended"], [4001, "as you wish"])

    def test_a_cut_is_seen_as_one(self):
        self.assertEqual(self.client("cut")["ended"][0], 1006)

    def test_a_rollback_says_goodbye_to_both(self):
        self.daemon.set_weight(100)
        client = self.script("ws_client.js", "stay", "u")
        self.assertEqual(client.hear(), {"hello": "v2 canary"})
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.assertEqual(client.hear()["ended"][0], 1001)
        self.assertEqual(self.v2.hear()["ended"], 1001)


if __name__ == "__main__":
    unittest.main()
