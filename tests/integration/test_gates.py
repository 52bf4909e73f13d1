"""What a step waits for besides evidence: people, the calendar, hooks, another rollout."""

import json
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

from harness import IntegrationCase, PATIENCE, run_side_by_side, wait_until
from harness.daemon import base_config

QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": []}
TWO_OF_THREE = {"name": "owner", "approvals": 2, "of": ["anna", "bob", "carol"], "expires": "2h"}


def weekday(offset):
    """mon to sun, of UTC, so many days from now."""
    return (datetime.now(timezone.utc) + timedelta(days=offset)).strftime("%a").lower()


class GatesTest(IntegrationCase):
    def begin(self, rollout, start="auto", steps=None):
        steps = steps or [{"weight": weight, "min_duration": "1s"} for weight in (20, 100)]
        self.start_rollout(steps=steps, start=start, analysis=QUICK, rollout=rollout)
        self.load = self.start_load()

    def until(self, state, what):
        wait_until(lambda: self.daemon.rollout()["state"] == state, what, 60)
        return self.daemon.rollout()

    def test_two_of_three_people_open_a_gate(self):
        steps = [{"weight": 20, "min_duration": "1s", "gate": TWO_OF_THREE}, {"weight": 100}]
        self.begin({}, steps=steps)
        rollout = self.until("waiting", "the gate")
        self.assertEqual(rollout["reason"], "gate")
        self.assertIn("0 of 2 approvals", rollout["next"])
        self.assertEqual(self.daemon.ctl("approve", "shop", "owner", "--as", "mallory").returncode, 6)
        self.assertEqual(self.daemon.ctl("approve", "shop", "owner").returncode, 6)
        approved = self.daemon.ctl("approve", "shop", "owner", "--as", "anna")
        self.assertEqual(approved.returncode, 0, approved.stderr)
        self.assertEqual(approved.stdout.splitlines()[0], "approved owner: 1 of 2")
        self.daemon.kill()
        self.daemon.start()
        step = self.daemon.rollout()["step"]["approvals"]
        self.assertEqual([step["needed"], step["of"]], [2, ["anna", "bob", "carol"]])
        self.assertEqual([each["by"] for each in step["given"]], ["anna"])
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 20)
        self.assertEqual(self.daemon.ctl("approve", "shop", "owner", "--as", "bob").returncode, 0)
        wait_until(lambda: self.daemon.rollout()["weight"]["target"] == 100, "the step", 60)
        actors = {row["actor"] for row in json.loads(self.daemon.ctl("history", "shop", "-o", "json").stdout)["items"]}
        self.assertLessEqual({"local as anna", "local as bob"}, actors)

    def test_a_group_rises_and_ends_together(self):
        steps = [{"weight": 20, "min_duration": "1s"}, {"weight": 60, "min_duration": "1h"}]
        config = self.rollout_config(steps, "auto", QUICK, rollout={"group": "release"})
        shop = config["rollouts"]["shop"]
        config["rollouts"] = {name: {**shop} for name in ("shop", "cart", "login")}
        config["routes"] = [{"name": name, "match": {"path_prefix": f"/{name if name != 'shop' else ''}"}, "rollout": name}
                            for name in config["rollouts"]]
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        self.start_load()

        def all_are(state, weight):
            rollouts = [self.daemon.rollout(name) for name in config["rollouts"]]
            return all((each["state"], each["weight"]["target"]) == (state, weight) for each in rollouts)

        # Two of them have no traffic: what the first one has shown takes nobody up.
        wait_until(lambda: all_are("progressing", 20), "the start of all", 60)
        wait_until(lambda: self.daemon.rollout()["analysis"][0]["verdict"] == "pass", "evidence for one of them", 60)
        self.assertTrue(all_are("progressing", 20))
        self.assertEqual(self.daemon.ctl("rollback", "cart").returncode, 0)
        wait_until(lambda: all_are("rolled_back", 0), "the end of all", 60)

        def reasons():
            return sorted(each["reason"] for each in self.daemon.events("transition") if each["to"] == "rolled_back")

        # The log comes after what it tells of.
        wait_until(lambda: len(reasons()) == 3, "the log of all ends")
        self.assertEqual(reasons(), ["group", "group", "operator"])

    def test_nothing_rises_in_a_freeze(self):
        frozen = [{"days": [weekday(offset)], "time_zone": "UTC"} for offset in (-1, 0, 1)]
        # Long enough for the file to change before the step is over.
        steps = [{"weight": 20, "min_duration": f"{2 * PATIENCE:.0f}s"}, {"weight": 100}]
        self.begin({"freeze": frozen}, start="manual", steps=steps)
        rollout = self.daemon.rollout()
        self.assertIsNotNone(rollout["frozen_until"])
        self.assertEqual(self.daemon.metric("canaryd_rollout_frozen"), 1)
        refused = self.daemon.ctl("start", "shop")
        self.assertEqual(refused.returncode, 6)
        self.assertIn("frozen until", refused.stdout + refused.stderr)
        # Taken out of the file, and put back when the canary has its first users.
        config = self.rollout_config(steps, "manual", QUICK)
        self.rewrite(config, freeze=[])
        self.assertEqual(self.daemon.ctl("start", "shop").returncode, 0)
        self.rewrite(config, freeze=frozen)
        rollout = self.until("waiting", "the end of the step")
        self.assertEqual(rollout["reason"], "freeze")
        self.assertIn(rollout["frozen_until"], rollout["next"])
        self.assertEqual(rollout["weight"]["target"], 20)
        self.assertEqual(self.daemon.ctl("abort", "shop").returncode, 0)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)

    def rewrite(self, config, freeze):
        config["rollouts"]["shop"]["freeze"] = freeze
        self.daemon.write(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **config))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)

    def test_a_hook_has_to_agree(self):
        gate = self.upstream("gate")
        gate.failing = True
        hooks = [{"on": ["before_step"], "http": {"url": f"http://{gate.address}/ask"}},
                 {"on": ["held", "aborted"], "http": {"url": f"http://{gate.address}/tell"}}]
        self.begin({"hooks": hooks}, start="manual")
        self.daemon.ctl("start", "shop")
        rollout = self.until("held", "the hold")
        self.assertEqual(rollout["reason"], "hook")
        self.assertIn("hook_failed", {record.get("event") for record in self.daemon.log()})
        self.assertEqual(rollout["weight"]["target"], 20)
        gate.failing = False
        wait_until(lambda: self.daemon.rollout()["weight"]["target"] == 100, "the step", 60)
        question = json.loads(next(body for line, _, body in gate.heads if line.startswith("POST /ask")))
        self.assertEqual([question["weight"], question["next_weight"]], [20, 100])

        def told():
            bodies = [json.loads(body) for line, _, body in gate.heads if line.startswith("POST /tell")]
            return {message["state"] for message in bodies}

        wait_until(lambda: "held" in told(), "the message of the hold", 60)
        gate.close()
        self.daemon.ctl("abort", "shop")
        wait_until(lambda: (self.daemon.metric("canaryd_hook_calls_total", result="failed") or 0) > 1, "a failed call", 60)
        self.daemon.kill()
        gate.open()
        self.daemon.start()
        wait_until(lambda: "aborted" in told(), "the message that the crash did not lose", 60)

    def test_a_hook_that_hangs_keeps_nobody_from_going_back(self):
        gate = self.upstream("gate")
        hooks = [{"on": ["before_step"], "http": {"url": f"http://{gate.address}/hang", "timeout": "60s"}}]
        self.begin({"hooks": hooks}, start="manual")
        self.daemon.ctl("start", "shop")
        wait_until(lambda: gate.total > 0, "the question", 60)
        self.assertEqual(self.daemon.ctl("abort", "shop").returncode, 0)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)

    def test_a_program_is_told(self):
        script = Path(self.folder) / "tell.sh"
        script.write_text("#!/bin/sh\ncat > told.json\necho heard of $1\n", encoding="utf-8")
        script.chmod(0o755)
        self.begin({"hooks": [{"on": ["aborted"], "exec": ["./tell.sh", "it"]}]}, start="manual")
        self.assertEqual(self.daemon.ctl("abort", "shop").returncode, 0)
        wait_until(lambda: self.daemon.events("hook_ran"), "the program", 60)
        ran = self.daemon.events("hook_ran")[0]
        self.assertEqual([ran["exit_code"], ran["output"], ran["rollout"]], [0, "heard of it\n", "shop"])
        message = json.loads((Path(self.folder) / "told.json").read_text(encoding="utf-8"))
        self.assertEqual([message["state"], message["rollout"]], ["aborted", "shop"])

    def test_one_rollout_after_another(self):
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        config = self.rollout_config([{"weight": 100, "min_duration": "0s"}], "manual", QUICK,
                                     {"bake": {"duration": "0s"}})
        config["rollouts"]["later"] = {"stable": "v1", "canary": "v2", "start": "after", "after": "shop"}
        config["routes"].append({"name": "later", "match": {"path_prefix": "/later"}, "rollout": "later"})
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        later = self.daemon.rollout("later")
        self.assertEqual(later["state"], "idle")
        self.assertIn("when shop is promoted", later["next"])
        self.daemon.ctl("start", "shop")
        self.daemon.ctl("promote", "shop", "--full", "--yes")
        wait_until(lambda: self.daemon.rollout("later")["state"] == "progressing", "the start of the other one", 60)


if __name__ == "__main__":
    run_side_by_side()
