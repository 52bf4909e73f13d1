"""The bake: everybody is on the canary, stable is kept warm, and a canary that fails now sends everybody back at once.

By the times that the daemon itself recorded; what came of them is printed."""

import unittest
from datetime import datetime

from harness import IntegrationCase, PATIENCE, run_side_by_side, wait_until

# Seconds: the promise. A sanitized build on a busy machine has more time.
BACK_WITHIN = 1 if PATIENCE <= 3 else PATIENCE


def moment(record):
    return datetime.fromisoformat(record["ts"].replace("Z", "+00:00")).timestamp()


class BakeTest(IntegrationCase):
    def bake(self):
        """Under load, everybody on the canary."""
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (25, 100)]
        self.start_rollout(steps=steps, start="auto", rollout={"bake": {"duration": "1h"}}, log={"access": {}})
        self.load = self.start_load()
        self.assertEqual(self.daemon.ctl("promote", "shop", "--full", "--yes").returncode, 0)
        self.assertEqual(self.daemon.rollout()["state"], "baking")
        baked = self.v2.total
        wait_until(lambda: self.v2.total > baked + 100, "traffic in the bake")

    def assert_back_at_once(self, what):
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "rollback", 60)
        back = self.v1.total
        wait_until(lambda: self.v1.total > back + 50, "traffic on stable")
        totals = self.totals(self.load)
        self.assertEqual(totals["failed"], 0, totals)
        self.daemon.transition_to("rolled_back")
        self.daemon.stop()
        self.assert_times(what)

    def assert_times(self, what):
        canary = [line for line in self.daemon.log() if line.get("cohort") == "canary"]
        failed = [line for line in canary if line.get("upstream_status") == 500 or "error" in line]
        first = min(line["t_end"] for line in failed)
        # What came later with a weight of 0 is a probe; and all may have come before the first failure was one.
        took = max(0.0, max(moment(line) for line in canary if line["weight"] > 0) - first)
        transitions = self.daemon.events("transition")
        self.assertEqual([record["to"] for record in transitions[-3:]], ["baking", "suspended", "rolled_back"])
        rolled_back = moment(transitions[-1]) - first
        print(f"{what} in the bake: the last request on it {took * 1000:.0f} ms after the first failure, "
              f"rolled back after {rolled_back:.1f} s", flush=True)
        self.assertLess(took, BACK_WITHIN)

    def test_a_canary_that_fails(self):
        self.bake()
        self.v2.failing = True
        self.assert_back_at_once("a canary that fails")

    def test_a_canary_that_is_gone(self):
        self.bake()
        self.v2.close()
        self.assert_back_at_once("a canary that is gone")


if __name__ == "__main__":
    run_side_by_side()
