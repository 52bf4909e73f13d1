"""A canary that fails altogether, at 20 requests a second and with the defaults: how soon it has no users any more, and
how soon it is rolled back. Both are measured by the times that the daemon itself has written down.
"""

import datetime
import json
import os
import unittest

from harness import IntegrationCase, wait_until

WEIGHT, RATE = 50, 40  # Half of it comes to the canary.
OFF_USERS_WITHIN, ROLLED_BACK_WITHIN = 1.0, 10.0
PROBES_FAILED = 3


class GrossFailureTest(IntegrationCase):
    def begin(self):
        self.file = os.path.join(self.folder, "access.log")
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (WEIGHT, 100)]
        self.start_rollout(steps, "auto", log={"access": {"file": self.file}})
        self.load = self.start_load(RATE)
        wait_until(lambda: len(self.of_canary()) > 30, "requests on the canary", 30)

    def records(self):
        """The lines so far; of the last one there may only be a part."""
        with open(self.file, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.endswith("\n")]

    def of_canary(self):
        return [record for record in self.records() if record["cohort"] == "canary"]

    def rolled_back_at(self):
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "the rollback", 30)
        last = self.daemon.get("/api/v1/rollouts/shop/history")["items"][-1]
        self.assertEqual(last["to"], "rolled_back")
        return datetime.datetime.fromisoformat(last["time"].replace("Z", "+00:00")).timestamp()

    def check(self, failed):
        """failed tells of a record whether the canary has failed there."""
        rolled_back_at = self.rolled_back_at()
        before = len(self.records())
        wait_until(lambda: len(self.records()) > before + RATE, "requests after the rollback", 30)
        canary = self.of_canary()
        # A request of a suspended canary, with no weight, is a probe.
        users = [record for record in canary if record["rule"] == "weight"]
        probes = [record for record in canary if record["rule"] == "safety"]
        self.assertEqual(len(users) + len(probes), len(canary))
        self.assertLessEqual(len(probes), PROBES_FAILED)
        self.assertTrue(all(map(failed, probes)), probes)
        begin = min(record["t_end"] - record["t_total"] for record in users if failed(record))
        off_users = max(record["t_end"] for record in users) - begin
        rolled_back = rolled_back_at - begin
        print(f"{self.id().split('.')[-1]}: last user request {off_users:.2f} s after the first failure, "
              f"rolled back after {rolled_back:.1f} s")
        self.assertLess(off_users, OFF_USERS_WITHIN)
        self.assertLess(rolled_back, ROLLED_BACK_WITHIN)
        # Stable has answered them all.
        self.assertEqual(self.totals(self.load)["failed"], 0)

    def test_a_canary_that_answers_500(self):
        self.begin()
        self.v2.failing = True
        self.check(lambda record: record.get("upstream_status") == 500)

    def test_a_canary_that_refuses_connections(self):
        self.begin()
        self.v2.close()
        self.check(lambda record: record.get("error") in ("connect_failed", "upstream_reset"))


if __name__ == "__main__":
    unittest.main()
