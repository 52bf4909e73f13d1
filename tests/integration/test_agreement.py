"""What /metrics says of each version, computed again from the access log: requests by class, durations, bytes, failures,
resets and timeouts. The requests end in every way there is, at the version or at the client.
"""

import collections
import json
import os
import threading
import unittest

from harness import IntegrationCase, RawClient, wait_until

COHORTS = ("stable", "canary")
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BOUND_SLACK = 0.025  # A duration so close to a bound may be on either side of it.
MICROSECOND = 1e-6  # What the log tells durations by.
# Of the version, beside a status of 5xx.
FAILURES = {"connect_failed", "upstream_reset", "upstream_protocol", "no_healthy_endpoint", "timeout"}
# Those of the last line fail at the canary only; of a GET stable answers then.
REQUESTS = [(method, path) for method, paths in (
    ("GET", ("/", "/bytes/3000", "/status/404", "/status/304", "/slow/3", "/slow/12", "/slow/40", "/slow/90")),
    ("POST", ("/echo", "/status/500", "/status/503", "/close", "/reset", "/cut", "/cut-chunked", "/hang")),
    ("GET", ("/broken", "/torn", "/stuck")),
) for path in paths]
THREADS, ROUNDS, GONE = 8, 3, 4


class Reference:
    """Of the lines of one version."""

    def __init__(self, lines):
        self.lines = lines
        self.durations = [line["t_total"] for line in lines]
        self.classes = collections.Counter(map(self._class, lines))
        self.errors = collections.Counter(line.get("error") for line in lines)  # Those that stable answered too.
        self.saved = sum(line.get("fallback") == "saved" for line in lines)
        self.failures = sum(map(self._reached_user, lines))

    @staticmethod
    def _class(line):
        """What the version did is what counts, where another one has answered."""
        status = line.get("status") if "fallback" not in line else line.get("upstream_status", 502)
        return f"{status // 100}xx" if status else "none"

    @staticmethod
    def _reached_user(line):
        return "fallback" not in line and (line.get("upstream_status", 0) >= 500 or line.get("error") in FAILURES)

    def sum_of(self, field):
        return sum(line[field] for line in self.lines)

    def within(self, bound):
        """At least and at most so many durations."""
        return tuple(sum(duration <= bound * (1 + slack) for duration in self.durations)
                     for slack in (-BOUND_SLACK, BOUND_SLACK))


class AgreementTest(IntegrationCase):
    def begin(self):
        self.file = os.path.join(self.folder, "access.log")
        route = {"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop", "timeouts": {"first_byte": "300ms"}}
        self.start_rollout(routes=[route], analysis={"mode": "observe"}, log={"access": {"file": self.file}}, rollout={
            "circuit": {"consecutive_failures": 0}, "fallback": {"methods": ["GET"]}})
        self.v2._do_broken = lambda connection, method, _: self.v2._do_status(connection, method, "500")
        self.v2._do_torn, self.v2._do_stuck = self.v2._do_reset, self.v2._do_hang
        self.daemon.set_weight(50)

    def send(self, client, method, path, user):
        client.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\nX-User-Id: {user}\r\nConnection: close\r\n"
                    "Content-Length: 5\r\n\r\nhello")

    def ask_for_everything(self, worker):
        for number in range(ROUNDS):
            for method, path in REQUESTS:
                with RawClient(self.daemon.public) as client:
                    self.send(client, method, path, f"user-{worker}-{number}")
                    client.ended()

    def leave(self, user):
        """A client that does not wait for its answer."""
        hits = self.v1.hits["/hang"] + self.v2.hits["/hang"]
        with RawClient(self.daemon.public) as client:
            self.send(client, "POST", "/hang", user)
            wait_until(lambda: self.v1.hits["/hang"] + self.v2.hits["/hang"] > hits, "the request at an upstream")

    def requests(self):
        threads = [threading.Thread(target=self.ask_for_everything, args=(worker,)) for worker in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(GONE):
            self.leave(f"gone-{number}")
        return THREADS * ROUNDS * len(REQUESTS) + GONE

    def lines(self, count):
        def read():
            with open(self.file, encoding="utf-8") as log:
                lines = [json.loads(line) for line in log if line.endswith("\n")]
            return len(lines) >= count and lines

        return wait_until(read, f"{count} lines")

    def metric(self, name, cohort, **labels):
        return self.daemon.metric(f"canaryd_{name}", rollout="shop", cohort=cohort, **labels) or 0

    def test_the_metrics_of_each_version_are_those_of_its_lines(self):
        self.begin()
        count = self.requests()
        lines = self.lines(count)
        self.assertEqual(len({line["id"] for line in lines}), count)
        self.assertEqual(len(lines), count)
        wait_until(lambda: sum(self.metric("requests_total", cohort) for cohort in COHORTS) == count, "the collector")
        self.assertEqual(self.daemon.metric("canaryd_requests_total"), count)
        self.assertEqual(self.daemon.metric("canaryd_log_dropped_total"), 0)
        for cohort, upstream in zip(COHORTS, ("v1", "v2")):
            of_cohort = [line for line in lines if line["cohort"] == cohort]
            self.assertEqual({line["upstream"] for line in of_cohort}, {upstream})
            with self.subTest(cohort=cohort):
                self.check(cohort, Reference(of_cohort))
        self.check_errors(lines)

    def check(self, cohort, reference):
        self.assertEqual({each: self.metric("requests_total", cohort, code_class=each) for each in CLASSES},
                         {each: reference.classes[each] for each in CLASSES})
        self.assertEqual(self.metric("rollout_user_failures_total", cohort), reference.failures)
        self.assertEqual({each: self.metric("rollout_upstream_errors_total", cohort, error=each) for each in FAILURES},
                         {each: reference.errors[each] for each in FAILURES})
        self.assertEqual(self.metric("request_body_bytes_total", cohort), reference.sum_of("bytes_in"))
        self.assertEqual(self.metric("response_body_bytes_total", cohort), reference.sum_of("bytes_out"))
        self.check_durations(cohort, reference)

    def check_durations(self, cohort, reference):
        name, count = "request_duration_seconds", len(reference.lines)
        self.assertEqual(self.metric(f"{name}_count", cohort), count)
        self.assertAlmostEqual(
            self.metric(f"{name}_sum", cohort), sum(reference.durations), delta=count * MICROSECOND)
        self.assertEqual(self.metric(f"{name}_bucket", cohort, le="+Inf"), count)
        for bound in BOUNDS:
            least, most = reference.within(bound)
            found = self.daemon.metric(f"canaryd_{name}_bucket", rollout="shop", cohort=cohort, le=f"{bound:g}")
            self.assertTrue(least <= found <= most, f"{found} within {bound} s, of {least} to {most}")

    def check_errors(self, lines):
        """Of the listener, for both versions. What another version answered is no error of canaryd."""
        errors = collections.Counter(line["error"] for line in lines if "error" in line and "fallback" not in line)
        self.assertLessEqual({"timeout", "upstream_reset", "client_gone"}, set(errors))
        for error, count in errors.items():
            self.assertEqual(self.daemon.metric("canaryd_proxy_errors_total", error=error), count, error)
        self.assertEqual(self.daemon.metric("canaryd_proxy_errors_total"), sum(errors.values()))
        saved = Reference(lines).saved
        self.assertGreater(saved, 0)
        self.assertEqual(self.daemon.metric("canaryd_rollout_fallbacks_total", result="saved"), saved)


if __name__ == "__main__":
    unittest.main()
