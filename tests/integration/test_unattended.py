"""Whole rollouts that nobody touches: every step of the plan in its turn, none before it is due, to the end.

What the history says of each step is held against the requests that were served: the access log of the same run."""

import re
import unittest
from datetime import datetime

from harness import IntegrationCase, run_side_by_side, wait_until

# A canary without a failure is accepted after a handful of requests: here the plan sets the pace.
LENIENT = {"tolerance": {"errors": {"relative": 50, "absolute": 50}}, "latency_quantiles": [], "burst_guard": 5}
# Its least duration keeps one half of these back, its least requests the other half.
PLAN = [
    {"weight": 1, "min_duration": "1s", "min_requests": 6},
    {"weight": 5, "min_duration": "1s", "min_requests": 20},
    {"weight": 10, "min_duration": "2s", "min_requests": 10},
    {"weight": 25, "min_duration": "2s", "min_requests": 10},
    {"weight": 100, "min_duration": "1s", "min_requests": 500},
]


def moment(record, key="time"):
    return datetime.fromisoformat(record[key].replace("Z", "+00:00")).timestamp()


class UnattendedTest(IntegrationCase):
    def run_to_the_end(self, steps, **rollout):
        """From the start of the daemon to promotion and the end of both; returns the history."""
        rollout = {"bake": {"duration": "1s"}, "circuit": {"consecutive_failures": 0}, **rollout}
        self.start_rollout(steps=steps, start="auto", analysis=LENIENT, rollout=rollout, log={"access": {}})
        load = self.start_load(rate=400)
        wait_until(lambda: self.daemon.rollout()["state"] == "promoted", "promotion", 60)
        history = self.daemon.get("/api/v1/rollouts/shop/history")["items"]
        self.assertEqual({row["actor"] for row in history}, {"canaryd"})
        self.assertEqual(self.daemon.events("change"), [])
        totals = self.totals(load)
        self.assertEqual(totals["failed"], 0, totals)
        self.daemon.stop()
        return history

    def begun(self, history):
        """The steps, in the order in which they were begun."""
        return [row for row in history if row["to"] == "progressing"]

    def served(self):
        """Requests that the canary had by chance, by the weight that was in force."""
        by_weight = {}
        for line in self.daemon.log():
            if line.get("cohort") == "canary" and line["rule"] == "weight":
                by_weight.setdefault(line["weight"], []).append(line)
        return by_weight

    def assert_no_step_came_early(self, history, served):
        """Nobody met a weight before the history has it, nor one that it does not have."""
        begun = self.begun(history)
        self.assertEqual(sorted(served), [row["weight"] for row in begun])
        for row in begun:
            # Whole milliseconds, both.
            self.assertGreaterEqual(min(moment(line, "ts") for line in served[row["weight"]]), moment(row))

    def test_five_steps_and_the_bake(self):
        history = self.run_to_the_end(PLAN)
        self.assertEqual([row["weight"] for row in self.begun(history)], [step["weight"] for step in PLAN])
        self.assertEqual([(row["to"], row["reason"]) for row in history],
                         [("progressing", "started"), *[("progressing", "accepted")] * 4, ("baking", "accepted"),
                          ("promoted", "baked")])
        served = self.served()
        self.assert_no_step_came_early(history, served)
        for step, begun, left in zip(PLAN, history, history[1:]):
            with self.subTest(weight=step["weight"]):
                lasted = moment(left) - moment(begun)
                self.assertGreaterEqual(lasted + 0.05, int(step["min_duration"][:-1]))
                told = int(re.search(r"after (\d+) canary requests", left["message"])[1])
                self.assertGreaterEqual(told, step["min_requests"])
                self.assertGreaterEqual(len(served[step["weight"]]), step["min_requests"])

    def assert_paced(self, pace, listed, expected):
        """expected: {weight: least seconds} of every step, in the order of the plan."""
        history = self.run_to_the_end(listed, pace=pace)
        self.assertEqual([row["weight"] for row in self.begun(history)], list(expected))
        self.assert_no_step_came_early(history, self.served())
        for begun, left, least in zip(history, history[1:], expected.values()):
            self.assertGreaterEqual(moment(left) - moment(begun) + 0.05, least, begun["message"])

    def test_linear_pace(self):
        """A step between is as the listed one before it: 20 waits as long as 10 does."""
        listed = [{"weight": 10, "min_duration": "2s"}, *({"weight": each, "min_duration": "0s"} for each in (30, 100))]
        self.assert_paced("linear", listed, {10: 2, 20: 2, 30: 0, 60: 0, 90: 0, 100: 0})

    def test_exponential_pace(self):
        listed = [{"weight": 5, "min_duration": "0s"}, {"weight": 30, "min_duration": "2s"},
                  {"weight": 100, "min_duration": "0s"}]
        self.assert_paced("exponential", listed, {5: 0, 10: 0, 20: 0, 30: 2, 60: 2, 100: 0})

    def test_paces_without_steps(self):
        v1, v2 = self.upstream("v1"), self.upstream("v2")
        paces = ("linear", "exponential")
        rollouts = {pace: {"stable": "v1", "canary": "v2", "start": "manual", "pace": pace} for pace in paces}
        routes = [{"name": pace, "match": {"path_prefix": f"/{pace}"}, "rollout": pace} for pace in paces]
        self.start({"v1": v1, "v2": v2}, rollouts=rollouts, routes=routes)
        steps = {pace: [step["weight"] for step in self.daemon.rollout(pace)["steps"]] for pace in paces}
        self.assertEqual(steps, {"linear": [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
                                 "exponential": [1, 2, 4, 8, 16, 32, 64, 100]})


if __name__ == "__main__":
    run_side_by_side()
