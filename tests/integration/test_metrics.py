"""/metrics as Prometheus sees it: promtool's judgement, and a real server that scrapes it."""

import random
import shutil
import string
import subprocess
import unittest

from harness import EverythingCase, Prometheus, RawClient, wait_until


class MetricsTest(EverythingCase):
    def test_the_series_of_the_contract(self):
        self.start_rollout()
        self.daemon.set_weight(50)
        for user in range(40):
            self.version_of(f"u{user}")
        # Counters are collected once a second.
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", code_class="2xx") == 40, "40 requests")
        self.assertEqual(self.daemon.metric("canaryd_requests_total", cohort="canary"), self.v2.total)
        self.assertEqual(self.daemon.metric("canaryd_rollout_weight_ratio", rollout="shop", cohort="canary"), 0.5)
        self.assertEqual(self.daemon.metric("canaryd_rollout_state", state="paused"), 1)
        for name in ("canaryd_build_info", "canaryd_rollout_steps", "canaryd_listener_connections_active",
                     "canaryd_config_last_reload_successful", "process_cpu_seconds_total",
                     "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
            self.assertIsNotNone(self.daemon.metric(name), name)
        self.assertEqual(self.daemon.metric("canaryd_request_duration_seconds_count", rollout="shop"), 40)
        for name, upstream in (("v1", self.v1), ("v2", self.v2)):
            self.assertEqual(self.daemon.metric("canaryd_upstream_response_seconds_count", upstream=name), upstream.total)
        wait_until(lambda: self.daemon.metric("canaryd_event_loop_lag_seconds_count") > 0, "a sign of life of a worker")

    def test_labels_hold_no_user_data(self):
        self.start_rollout()
        self.get("/secret-path?token=hush", [("X-User-Id", "jane")])
        text = self.daemon.metrics()
        for word in ("secret-path", "hush", "jane"):
            self.assertNotIn(word, text)

    def test_odd_requests_add_no_series(self):
        self.start_rollout()
        chance = random.Random(20)

        def word():
            return "".join(chance.choices(string.ascii_letters + string.digits + "-._~%!\"\\{}", k=chance.randint(1, 30)))

        def request():
            head = (f"{chance.choice(('GET', 'HEAD', 'PURGE', word()))} /{word()}/{word()}?{word()} HTTP/1.1\r\n"
                    f"Host: {chance.choice(('test', word()))}\r\nX-User-Id: {word()}\r\nUser-Agent: {word()}\r\n"
                    f"X-{chance.randrange(10**6)}: {word()}\r\nConnection: close\r\n\r\n")
            with RawClient(self.daemon.public) as client:
                client.send(head)
                client.ended()

        def series(count):
            """After so many more requests: names with their labels, without their values."""
            before = self.accepted()
            for _ in range(count):
                request()
            wait_until(lambda: self.accepted() == before + count, "the collector")
            return {line.rsplit(" ", 1)[0] for line in self.daemon.metrics().splitlines() if not line.startswith("#")}

        # What each kind of answer adds is there after the first ones.
        first = series(100)
        self.assertEqual(series(300) - first, set())

    def accepted(self):
        return self.daemon.metric("canaryd_listener_connections_total", result="accepted") or 0

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_nothing(self):
        self.start_everything()
        self.show_everything()
        self.lint()
        self.daemon.post("/api/v1/rollouts/shop/rollback")
        wait_until(lambda: self.daemon.metric("canaryd_rollout_rollbacks_total", reason="operator") == 1, "the rollback counted")
        self.lint()

    def lint(self):
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=self.daemon.metrics(), capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
    def test_a_real_prometheus_scrapes_it(self):
        self.start_rollout()
        for user in range(10):
            self.version_of(f"u{user}")
        host, port = self.daemon.admin
        prometheus = Prometheus(self.folder, f"{host}:{port}")
        self.addCleanup(prometheus.stop)

        def value():
            result = prometheus.query('sum(canaryd_requests_total{rollout="shop"})')
            return float(result[0]["value"][1]) if result else None

        wait_until(lambda: value() == 10, "the count in Prometheus", 30, pause=0.2)


if __name__ == "__main__":
    unittest.main()
