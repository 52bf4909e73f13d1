"""WebSocket through the real binary: handshake, cohort, rollback, drain, and who is blamed."""

import unittest

from harness import IntegrationCase, wait_until
from harness.websocket import CLOSE, WebSocketClient, WebSocketUpstream, code_of


class WebSocketTest(IntegrationCase):
    def start_websockets(self, tunnels=None):
        self.v1, self.v2 = WebSocketUpstream("v1"), WebSocketUpstream("v2")
        self.addCleanup(self.v1.stop)
        self.addCleanup(self.v2.stop)
        upstreams = {"v1": {"endpoints": [self.v1.address]}, "v2": {"endpoints": [self.v2.address]}}
        if tunnels:
            upstreams["v2"]["tunnels"] = tunnels
        self.start({}, upstreams=upstreams, **self.rollout_config())

    def open(self, user="u"):
        client = WebSocketClient(self.daemon.public, user)
        self.addCleanup(client.close)
        self.assertEqual(client.answer.status, 101)
        self.assertTrue(client.agreed)
        client.version = client.hear()[1].decode()
        return client

    def metric(self, name, **labels):
        """The sum of the samples with these labels."""
        total = 0.0
        for line in self.daemon.metrics().splitlines():
            if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def closed_with(self, client):
        opcode, payload = client.hear()
        self.assertEqual(opcode, CLOSE)
        self.assertIsNone(client.hear())
        return code_of(payload)

    def test_the_handshake_and_the_bytes(self):
        self.start_websockets()
        client = self.open()
        self.assertEqual(client.version, "v1")
        self.assertEqual(self.v1.heads[-1]["x-canaryd-cohort"], "stable")
        self.assertEqual(client.ask("hello"), "hello")
        big = "x" * 1_000_000
        self.assertEqual(client.ask(big), big)
        wait_until(lambda: self.metric("canaryd_tunnels_active", cohort="stable") == 1, "the tunnel in the metrics")
        client.bye()
        self.assertEqual(self.closed_with(client), 1000)
        client.close()
        wait_until(lambda: self.metric("canaryd_tunnels_active", cohort="stable") == 0, "its end in the metrics")
        self.assertEqual(self.metric("canaryd_requests_total", cohort="stable", code_class="1xx"), 1)
        self.assertEqual(self.metric("canaryd_requests_total", cohort="stable", code_class="none"), 0)

    def test_another_protocol_is_a_plain_request(self):
        self.start_websockets()
        answer = self.get("/", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AA")])
        self.assertEqual((answer.status, answer.body), (200, b"v1"))
        self.assertNotIn("upgrade", self.v1.heads[-1])

    def test_a_tunnel_stays_in_its_cohort(self):
        self.start_websockets()
        before = self.open()
        self.daemon.set_weight(100)
        after = self.open()
        self.assertEqual((before.version, after.version), ("v1", "v2"))
        self.assertEqual(before.ask("a"), "a")
        self.assertEqual(len(self.v1.heads), 1)

    def test_a_rollback_closes_after_a_while(self):
        self.start_websockets({"on_rollback": "close", "after": "1s"})
        stable = self.open()
        self.daemon.set_weight(100)
        canary = self.open()
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.assertEqual(self.closed_with(canary), 1001)
        wait_until(lambda: self.v2.heard == [1001], "the goodbye at the upstream")
        self.assertEqual(stable.ask("a"), "a")
        self.assertEqual(self.open().version, "v1")

    def test_a_rollback_lets_finish(self):
        self.start_websockets({"on_rollback": "finish", "after": "0s"})
        self.daemon.set_weight(100)
        canary = self.open()
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.assertEqual(self.open().version, "v1")
        for _ in range(20):
            self.assertEqual(canary.ask("still here"), "still here")
        canary.bye()
        self.assertEqual(self.closed_with(canary), 1000)

    def test_an_upstream_that_breaks_off_is_blamed(self):
        self.start_websockets()
        self.daemon.set_weight(100)
        client = self.open()
        self.v2.reset()
        self.assertIsNone(client.hear())
        wait_until(lambda: self.metric("canaryd_requests_total", cohort="canary", code_class="none") == 1, "the failure")
        client = self.open()
        self.v2.close(1000)
        self.assertEqual(client.hear()[0], CLOSE)
        client.close()
        wait_until(lambda: self.metric("canaryd_requests_total", cohort="canary", code_class="1xx") == 2, "the second")
        wait_until(lambda: self.metric("canaryd_tunnels_active", cohort="canary") == 0, "its end")
        self.assertEqual(self.metric("canaryd_requests_total", cohort="canary", code_class="none"), 1)

    def test_a_drain_ends_with_a_goodbye(self):
        self.v1 = WebSocketUpstream("v1")
        self.addCleanup(self.v1.stop)
        self.start({"v1": self.v1}, drain={"delay": "0s", "timeout": "1s"})
        client = self.open()
        self.daemon.signal(15)
        wait_until(lambda: self.daemon.events("draining"), "the drain")
        self.assertEqual(self.closed_with(client), 1001)
        self.daemon.stop(told=True)


if __name__ == "__main__":
    unittest.main()
