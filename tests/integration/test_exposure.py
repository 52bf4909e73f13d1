"""The exposure budget through the real binary: the last failure, the journal, and kill -9."""

import os
import shutil
import sqlite3
import tempfile
import unittest

from harness import IntegrationCase, RawClient, wait_until

CAP = 20
AHEAD = CAP // 10  # What is stored before it is used.


class ExposureTest(IntegrationCase):
    def begin(self, cap=CAP):
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]
        self.start_rollout(steps, "auto", rollout={
            "exposure": {"max_failed_requests": cap}, "circuit": {"consecutive_failures": 0}})
        self.user = next(f"user-{n}" for n in range(1000) if self.version_of(f"user-{n}") == "v2")
        self.v2.failing = True

    def post(self):
        """A request that may not be repeated; the user is the canary's."""
        with RawClient(self.daemon.public) as client:
            client.send("POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                        f"X-User-Id: {self.user}\r\nContent-Length: 0\r\n\r\n")
            return client.response().status

    def exposure(self):
        return self.daemon.rollout()["exposure"]

    def stored(self):
        with tempfile.TemporaryDirectory() as copy:
            for name in os.listdir(os.path.join(self.folder, "state")):
                if name.startswith("state.db") and not name.endswith("-shm"):
                    shutil.copy(os.path.join(self.folder, "state", name), copy)
            database = sqlite3.connect(os.path.join(copy, "state.db"))
            try:
                rows = database.execute("SELECT used FROM exposure").fetchall()
            except sqlite3.Error:
                rows = []  # Copied in the middle of a write.
            finally:
                database.close()
        return max((used for used, in rows), default=0)

    def test_the_failure_over_the_cap_is_the_last(self):
        self.begin(cap=3)
        self.assertEqual([self.post() for _ in range(4)], [500] * 4)
        self.assertEqual([self.post() for _ in range(20)], [200] * 20)
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "the rollback")
        self.assertEqual(self.daemon.metric("canaryd_rollout_exposure_remaining"), 0)
        wait_until(lambda: self.daemon.metric("canaryd_rollout_user_failures_total", cohort="canary") == 4, "the count")
        self.daemon.transition_to("rolled_back")
        ends = [(record["to"], record["reason"]) for record in self.daemon.events("transition")][-2:]
        self.assertEqual(ends, [("suspended", "exposure"), ("rolled_back", "exposure")])
        self.assertIn("user-visible failures 4 of 3", self.daemon.ctl("status", "shop").stdout)

    def test_a_kill_forgets_none_of_them(self):
        self.begin()
        used = 0
        for _ in range(3):
            self.assertEqual([self.post() for _ in range(3)], [500] * 3)
            used += 3
            wait_until(lambda: self.stored() >= used, "the store")
            self.assertGreaterEqual(self.exposure()["failed"], used)
            self.daemon.kill()
            self.daemon.start()
            self.assertGreaterEqual(self.exposure()["failed"], used)
            used = self.exposure()["failed"]
        self.assertLessEqual(used, 9 + 3 * AHEAD)
        self.assertEqual(self.daemon.metric("canaryd_rollout_exposure_remaining"), CAP - used)
        left = CAP - used
        self.assertEqual([self.post() for _ in range(left + 2)], [500] * (left + 1) + [200])


if __name__ == "__main__":
    unittest.main()
