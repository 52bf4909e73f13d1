"""Clients that want to hurt: everybody else is served without an error, and memory stays in bounds.

CANARYD_ATTACK_SCALE multiplies the numbers of attackers; 16 makes 8,000 of most of them."""

import os
import re
import threading
import unittest

from harness import IntegrationCase, RawClient, wait_until
from harness.crowd import Crowd, PatientUpstream, allow_descriptors

SCALE = int(os.environ.get("CANARYD_ATTACK_SCALE", "1"))
SANITIZED = float(os.environ.get("CANARYD_TEST_PATIENCE", "3")) > 3
ROUNDS = 100
KIB = 1024
HALF = b"GET /slow HTTP/1.1\r\nHost: a\r\nX-"


class AttackCase(IntegrationCase):
    def setUp(self):
        super().setUp()
        allow_descriptors()
        self.patient = PatientUpstream()
        self.addCleanup(self.patient.stop)

    def start_patient(self, **listener):
        routes = [{"name": "all", "match": {"path_prefix": "/served"}, "upstream": "patient"}]
        routes += [{"name": name, "match": {"path_prefix": f"/{name}"}, "upstream": "patient"}
                   for name in ("huge", "stall", "mute", "slow")]
        listeners = [{"name": "public", "address": "127.0.0.1:0", **listener}]
        self.start({"patient": self.patient}, routes=routes, listeners=listeners)
        self.check_others(5)  # Warm: what is allocated once is there.
        # The daemon may notice their ends late, and until then they count.
        wait_until(lambda: self.active() == 0, "the end of the first connections")

    def crowd(self, count, first=b"", **more):
        crowd = Crowd(self.daemon.public, count * SCALE, first, **more)
        self.addCleanup(crowd.close)
        return crowd

    def check_others(self, rounds=ROUNDS):
        """Kept connections and fresh ones, all answered."""
        with RawClient(self.daemon.public) as kept:
            for number in range(rounds):
                self.assertEqual(kept.get(f"/served/{number}").status, 200)
                with RawClient(self.daemon.public) as fresh:
                    self.assertEqual(fresh.get("/served/fresh").status, 200)

    def active(self):
        return self.daemon.listeners()[0]["connections"]

    def memory(self):
        """Bytes of memory of its own that the daemon has touched."""
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"RssAnon:\s+(\d+) kB", file.read())[1]) * KIB

    def check_memory(self, before, allowed):
        if not SANITIZED:  # Their shadow grows in its own ways.
            self.assertLessEqual(self.memory() - before, allowed + 4 * KIB * KIB)

    def errors(self, name):
        return self.daemon.metric("canaryd_proxy_errors_total", error=name) or 0


class AttacksTest(AttackCase):
    def test_slow_heads(self):
        self.start_patient()
        before = self.memory()
        crowd = self.crowd(500, HALF)
        for _ in range(5):
            self.assertEqual(crowd.push(b"a"), 500 * SCALE)
            self.check_others(ROUNDS // 5)
        self.check_memory(before, 500 * SCALE * 4 * KIB)
        self.assertEqual(self.errors("overloaded"), 0)
        # One of them turns out to be honest.
        honest = crowd.sockets.pop()
        honest.setblocking(True)
        honest.settimeout(30)
        honest.sendall(b"bc: d\r\n\r\n")
        self.assertIn(b" 200 ", honest.recv(1000))
        honest.close()

    def test_large_half_heads(self):
        self.start_patient()
        before = self.memory()
        size = 30 * KIB
        head = HALF + b"Fill: " + b"\r\nX-Fill: ".join([b"f" * 1000] * (size // 1010))
        self.crowd(60, head)
        self.check_others()
        self.check_memory(before, 60 * SCALE * 2 * size)

    def test_silent_connections(self):
        self.start_patient()
        before = self.memory()
        self.crowd(500)
        wait_until(lambda: self.active() >= 500 * SCALE, "the crowd")
        self.check_others()
        self.check_memory(before, 500 * SCALE * 2 * KIB)

    def test_tiny_fields(self):
        self.start_patient()
        before = self.memory()
        request = b"GET /served HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 5000 + b"\r\n"
        for _ in range(5):
            crowd = Crowd(self.daemon.public, 20 * SCALE, request)
            self.check_others(ROUNDS // 5)
            crowd.close()
        with RawClient(self.daemon.public) as client:
            client.send(request)
            self.assertEqual(client.response().status, 431)
        self.check_memory(before, 20 * SCALE * (10 * len(request) + 64 * KIB))

    def test_slow_bodies(self):
        self.start_patient()
        crowd = self.crowd(300, b"POST /mute HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        chunked = self.crowd(200, b"POST /mute HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            crowd.push(b"b")
            chunked.push(b"1\r\nb\r\n")
            self.check_others(ROUNDS // 5)
        self.assertEqual(self.errors("overloaded"), 0)

    def test_stalled_readers(self):
        self.start_patient()
        before = self.memory()
        self.crowd(300, b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n", receive_buffer=4096)
        self.check_others()
        self.assertEqual(self.errors("overloaded"), 0)
        # A block of a head and one of a body each, and the large blocks of two workers.
        self.check_memory(before, 300 * SCALE * 40 * KIB + 2 * 64 * KIB * KIB)

    def test_stalled_uploads(self):
        self.start_patient()
        before = self.memory()
        crowd = self.crowd(200, b"POST /stall HTTP/1.1\r\nHost: a\r\nContent-Length: 1099511627776\r\n\r\n")
        for _ in range(10):
            crowd.push(b"u" * 65536)
            self.check_others(ROUNDS // 10)
        self.assertEqual(self.errors("overloaded"), 0)
        self.check_memory(before, 200 * SCALE * 40 * KIB + 2 * 64 * KIB * KIB)

    def test_memory_against_the_wire(self):
        """A half-open connection costs at most 16 KiB, a request ten times what went over the wire and 64 KiB."""
        self.start_patient()
        head = b"GET /mute HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 250
        upload = b"POST /%s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n"
        for name, first, half_open in (
                ("half a line", b"GET /mu", True),
                ("half a head", head, True),
                ("many fields", head + b"\r\n", False),
                ("tiny chunks", upload % (b"mute", b"Transfer-Encoding: chunked") + b"1\r\nx\r\n" * 3000, False),
                ("an upload that nobody reads", upload % (b"stall", b"Content-Length: 9999999") + b"u" * 65536, False),
                ("an answer that nobody reads", b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n", False)):
            with self.subTest(name):
                before, sent = self.memory(), self.patient.sent
                crowd = self.crowd(60, first, receive_buffer=4096)
                wait_until(lambda: self.active() >= 60 * SCALE, "the crowd")
                self.check_others(5)
                grown = self.memory() - before
                wire = 60 * SCALE * len(first) + self.patient.sent - sent
                allowed = 60 * SCALE * 16 * KIB if half_open else 60 * SCALE * 64 * KIB + 10 * wire
                if not SANITIZED:
                    self.assertLessEqual(grown, allowed)
                crowd.close()
                wait_until(lambda: self.active() == 0, "the end of the crowd")

    def test_endless_pipelines(self):
        self.start_patient()
        crowd = self.crowd(4)
        ended = threading.Event()

        def flood():
            while not ended.is_set():
                crowd.push(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
                crowd.read()

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            self.check_others()
        finally:
            ended.set()
            thread.join()
        self.assertGreater(self.errors("no_route"), 0)

    def test_the_limit_of_connections(self):
        self.start_patient(limits={"connections": 20})
        crowd = Crowd(self.daemon.public, 20)
        wait_until(lambda: self.active() >= 20, "the crowd")
        with RawClient(self.daemon.public) as client:
            refused = client.response()
            self.assertEqual((refused.status, refused.get("x-canaryd-error")), (503, "overloaded"))
        crowd.close()
        wait_until(lambda: self.active() == 0, "the end of the crowd")
        self.check_others(5)


class LeavingTest(AttackCase):
    """A client that leaves takes its upstream request along, and no version is blamed."""

    def check_leaving(self, request, more=b""):
        self.start_patient()
        before = self.patient.open
        crowd = self.crowd(20, request)
        crowd.push(more)
        wait_until(lambda: self.patient.open >= 20 * SCALE, "the requests at the upstream")
        crowd.close()
        # Those that are left are idle ones of the pool.
        wait_until(lambda: self.patient.open <= before, "their end at the upstream")
        wait_until(lambda: self.active() == 0, "the end of the crowd")
        wait_until(lambda: self.daemon.metric("canaryd_requests_active") == 0, "no request under way")
        self.assertEqual(self.errors("upstream_reset"), 0)
        self.assertEqual(self.errors("timeout"), 0)
        wait_until(lambda: self.errors("client_gone") >= 20 * SCALE, "their count")
        self.check_others(5)

    def test_before_the_answer(self):
        self.check_leaving(b"GET /mute HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_in_the_answer(self):
        self.check_leaving(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_in_the_body(self):
        self.check_leaving(b"POST /mute HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"half")

    def test_in_a_body_that_nobody_reads(self):
        self.check_leaving(b"POST /stall HTTP/1.1\r\nHost: a\r\nContent-Length: 1099511627776\r\n\r\n", b"u" * 65536)


class DescriptorTest(AttackCase):
    """A daemon that may have few descriptors, and more clients than that."""

    LIMIT = 300

    def test_more_clients_than_descriptors(self):
        self.daemon.descriptors_max = self.LIMIT
        self.start_patient()
        warned = [record for record in self.daemon.await_events("descriptors") if record["level"] == "warn"]
        self.assertEqual(len(warned), 1, self.daemon.log_text())
        clients = warned[0]["clients"]
        # The kernel takes the others; they wait in its queue.
        crowd = self.crowd(-(-2 * self.LIMIT // SCALE))
        wait_until(lambda: self.active() >= clients, "as many clients as there may be")
        # The operator is served, again and again, and so is who is in already.
        for _ in range(20):
            self.assertEqual(self.daemon.status_of("/readyz"), 200)
            self.assertLessEqual(self.active(), clients)
        first = crowd.sockets.pop(0)
        first.setblocking(True)
        first.settimeout(30)
        first.sendall(b"GET /served HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b" 200 ", first.recv(1000))
        first.close()
        crowd.close()
        wait_until(lambda: self.active() == 0, "the end of the crowd")
        self.check_others(20)


if __name__ == "__main__":
    unittest.main()
