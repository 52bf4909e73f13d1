"""An upstream that closes what it was to keep, early and unannounced: clients notice nothing, and no version is blamed."""

import collections
import random
import socket
import struct
import threading
import unittest

from harness import IntegrationCase, RawClient, ScriptedUpstream, wait_until

IDLE = (0.1, 0.2)  # Seconds after which the upstream has enough of an idle connection.
PAUSES = (0.02, 0.4)  # Of a client.
CLIENTS = 6
RESET = struct.pack("ii", 1, 0)


class HastyUpstream(ScriptedUpstream):
    """Closes a connection that has been idle for a moment, and every fifth one that is used again just as the request
    arrives, by turns with FIN and with RST: what crosses on the wire happens here each time, not once in a thousand."""

    def __init__(self, name):
        self._random = random.Random(1)
        self._requests = collections.Counter()  # By connection.
        self.kept = self.expired = self.crossed = 0
        super().__init__(name)

    def _one(self, connection, reader):
        with self._lock:
            fresh = self._requests[connection] == 0
            self._requests[connection] += 1
        return (fresh or self._is_kept(connection, reader)) and super()._one(connection, reader)

    def _is_kept(self, connection, reader):
        connection.settimeout(self._random.uniform(*IDLE))
        try:
            if not reader.peek(1):
                return False
        except TimeoutError:
            with self._lock:
                self.expired += 1
            return False
        connection.settimeout(None)
        with self._lock:
            self.kept += 1
            crosses = self.kept % 5 == 0
            self.crossed += crosses
            resets = crosses and self.crossed % 2
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return not crosses


class Reader(threading.Thread):
    """GETs over one connection, with pauses; what is no 200 over that connection is a failure."""

    def __init__(self, address, seed, ended):
        super().__init__(daemon=True)
        self._address, self._random, self._ended = address, random.Random(seed), ended
        self.answers, self.failures = 0, []

    def run(self):
        try:
            with RawClient(self._address) as client:
                while not self._ended.wait(self._random.uniform(*PAUSES)):
                    response = client.get("/", [("X-User-Id", str(self._random.randrange(1000)))])
                    if response is None or response.status != 200 or not response.whole:
                        self.failures.append(response)
                        return
                    self.answers += 1
        except (OSError, ValueError) as error:
            self.failures.append(error)


class KeepAliveTest(IntegrationCase):
    def begin(self, hasty):
        """Half of the users on the canary; fallback and circuit are on, and have nothing to do."""
        names = ("v1", "v2")
        versions = {name: HastyUpstream(name) if name in hasty else ScriptedUpstream(name) for name in names}
        for upstream in versions.values():
            self.addCleanup(upstream.stop)
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]
        self.start(versions, **self.rollout_config(steps, "auto"))
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")
        return [versions[name] for name in hasty]

    def check(self, *hasty):
        upstreams = self.begin(hasty)
        ended = threading.Event()
        readers = [Reader(self.daemon.public, seed, ended) for seed in range(CLIENTS)]
        try:
            for reader in readers:
                reader.start()
            for upstream in upstreams:
                wait_until(lambda each=upstream: any(reader.failures for reader in readers) or (
                    each.expired >= 20 and each.kept >= 20 and each.crossed >= 5), "connections of each kind", 20)
        finally:
            ended.set()
            for reader in readers:
                reader.join()
        self.assertEqual([failure for reader in readers for failure in reader.failures], [])
        self.check_blame(sum(reader.answers for reader in readers))

    def check_blame(self, answers):
        count = self.daemon.metric
        wait_until(lambda: count("canaryd_requests_total") == answers, "the count of all requests")
        self.assertEqual(count("canaryd_requests_total", code_class="2xx"), answers)
        for cohort in ("stable", "canary"):
            self.assertGreater(count("canaryd_requests_total", cohort=cohort), 20)
        for name in ("canaryd_proxy_errors_total", "canaryd_rollout_upstream_errors_total",
                     "canaryd_rollout_user_failures_total", "canaryd_rollout_fallbacks_total",
                     "canaryd_rollout_circuit_open"):
            self.assertFalse(count(name), f"{name}\n{self.daemon.metrics()}")
        self.assertEqual(count("canaryd_upstream_retries_total", result="failed"), 0)
        rollout = self.daemon.rollout()
        errors = next(each for each in rollout["analysis"] if each["metric"] == "errors")
        self.assertEqual((errors["stable"], errors["canary"]), (0, 0), errors)
        self.assertEqual((rollout["state"], rollout["weight"]["target"]), ("progressing", 50))

    def test_a_canary_that_closes_early(self):
        self.check("v2")

    def test_both_close_early(self):
        self.check("v1", "v2")


if __name__ == "__main__":
    unittest.main()
