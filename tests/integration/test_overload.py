"""Five times what an upstream takes at once: it never gets more, whoever is let in is answered, the rest hears 503 at once."""

import threading
import unittest

from harness import IntegrationCase, RawClient, ScriptedUpstream, wait_until


class NarrowUpstream(ScriptedUpstream):
    """Counts how many requests it has at a time; each is answered when the test says so, or after a moment."""

    def __init__(self, name, moment=None):
        self.moment = moment
        self.inside = self.most = 0
        self._turn = threading.Condition()
        self._answered = 0  # So many may be answered.
        super().__init__(name)

    def answer(self, count):
        with self._turn:
            self._answered += count
            self._turn.notify_all()

    def stop(self):
        self.answer(10**9)
        super().stop()

    def _answer(self, connection, method, path, first, headers, body):
        with self._turn:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.moment is None:
                self._turn.wait_for(lambda: self._answered > 0)
                self._answered -= 1
        if self.moment is not None:
            self._release.wait(self.moment)
        with self._turn:
            self.inside -= 1  # Before the answer: behind it comes the next request.
        return super()._answer(connection, method, path, first, headers, body)


class OverloadTest(IntegrationCase):
    def narrow(self, moment=None, **limit):
        upstream = NarrowUpstream("v1", moment)
        self.addCleanup(upstream.stop)
        versions = {"v1": {"endpoints": [upstream.address], "concurrency": limit, "timeouts": {"first_byte": "5m"}}}
        self.start({"v1": upstream}, upstreams=versions)
        return upstream

    def gauge(self, name):
        return self.daemon.metric(f"canaryd_upstream_requests_{name}", upstream="v1")

    def assert_overloaded(self, response):
        self.assertEqual((response.status, response.get("x-canaryd-error")), (503, "overloaded"))
        self.assertEqual(response.get("retry-after"), "1")

    def test_five_times_as_many_as_fit(self):
        limit, queue = 20, 20
        upstream = self.narrow(max=limit, queue=queue, queue_timeout="5m")
        clients = [self.client() for _ in range(5 * (limit + queue))]
        # One after the other is in or waits, so it is known who is too many.
        for number, client in enumerate(clients[:limit + queue]):
            client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            wait_until(lambda n=number: self.gauge("active") + self.gauge("queued") == n + 1, "its slot or place")
        wait_until(lambda: upstream.inside == limit, "a full upstream")
        # Nobody answers up there, and yet these need not wait.
        for client in clients[limit + queue:]:
            self.assert_overloaded(client.get())
        self.assertEqual(self.daemon.metric("canaryd_upstream_requests_rejected_total", reason="queue_full"), 4 * (limit + queue))
        self.assertEqual((self.gauge("limit"), self.gauge("active"), self.gauge("queued")), (limit, limit, queue))
        self.assertEqual(upstream.total, limit)
        # Whoever is let in waits for one round of answers at most: as many go in as come out.
        for answered in range(1, queue + 1):
            upstream.answer(1)
            wait_until(lambda n=answered: upstream.total == limit + n, "the next one in line")
            self.assertLessEqual(upstream.inside, limit)
        upstream.answer(limit)
        for client in clients[:limit + queue]:
            self.assertEqual(client.response().status, 200)
        self.assertEqual(upstream.most, limit)
        wait_until(lambda: self.gauge("active") == 0, "an empty upstream")
        self.assertEqual(self.gauge("queued"), 0)
        # Those who were turned away come back on the same connection.
        upstream.answer(1)
        self.assertEqual(clients[-1].get().status, 200)

    def test_a_crowd_that_keeps_coming(self):
        """The books agree: what was let in was answered, the rest was told, nothing is left over."""
        limit, each = 8, 40
        upstream = self.narrow(moment=0.002, max=limit, queue=limit, queue_timeout="50ms")
        answers, lock = [], threading.Lock()

        def ask():
            with RawClient(self.daemon.public) as client:
                for _ in range(each):
                    response = client.get()
                    with lock:
                        answers.append(response)

        askers = [threading.Thread(target=ask) for _ in range(5 * limit)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        good = [answer for answer in answers if answer.status == 200]
        bad = [answer for answer in answers if answer.status != 200]
        self.assertEqual(len(answers), 5 * limit * each)
        for answer in bad:
            self.assert_overloaded(answer)
        self.assertEqual(upstream.total, len(good))
        self.assertGreater(len(good), limit)
        self.assertLessEqual(upstream.most, limit)
        self.assertEqual(self.daemon.metric("canaryd_upstream_requests_rejected_total"), len(bad))
        wait_until(lambda: (self.gauge("active"), self.gauge("queued")) == (0, 0), "empty gauges")

    def test_a_reload_changes_the_limit_for_those_who_wait(self):
        upstream = self.narrow(max=1, queue=10, queue_timeout="5m")
        clients = [self.client() for _ in range(4)]
        for number, client in enumerate(clients):
            client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            wait_until(lambda n=number: self.gauge("active") + self.gauge("queued") == n + 1, "its slot or place")
        wait_until(lambda: upstream.inside == 1, "the first one")
        text = self.daemon.file.read_text(encoding="utf-8")
        self.daemon.write(text.replace('"max": 1,', '"max": 3,'))
        self.daemon.post("/api/v1/reload")
        wait_until(lambda: upstream.inside == 3, "two more")
        self.daemon.write(text.replace('"concurrency": {"max": 1, "queue": 10, "queue_timeout": "5m"}, ', ""))
        self.daemon.post("/api/v1/reload")
        wait_until(lambda: upstream.inside == 4, "all of them")
        upstream.answer(4)
        for client in clients:
            self.assertEqual(client.response().status, 200)
        self.assertIsNone(self.gauge("active"))

    def test_an_overloaded_canary_is_not_blamed(self):
        self.v2 = NarrowUpstream("v2")
        self.addCleanup(self.v2.stop)
        self.v1 = self.upstream("v1")
        versions = {"v1": {"endpoints": [self.v1.address]},
                    "v2": {"endpoints": [self.v2.address], "concurrency": {"max": 1, "queue": 0}}}
        self.start({"v1": self.v1, "v2": self.v2}, **self.rollout_config(upstreams=versions))
        self.daemon.set_weight(100)
        first = self.client()
        first.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: self.v2.inside == 1, "the first one")
        for _ in range(50):
            self.assert_overloaded(self.get())
        self.v2.answer(1)
        self.assertEqual(first.response().status, 200)
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="canary") == 51, "51 requests")
        self.assertEqual(self.daemon.metric("canaryd_rollout_user_failures_total", cohort="canary"), 0)
        self.assertEqual(self.v1.total, 0, "stable got what was too much for the canary")


if __name__ == "__main__":
    unittest.main()
