"""canaryd replay: recorded traffic gives the verdict that the daemon gave, and bad files are told of, not crashed on."""

import json
import os
import random
import subprocess
import unittest

from harness import CANARYD, IntegrationCase, base_config, to_yaml, wait_until

HEADER = "timestamp_ms,cohort,status,latency_ms,client,weight\n"
START_MS = 1_767_607_320_000


class ReplayTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.config = os.path.join(self.folder, "replay.yaml")
        self.write_config()

    def write_config(self, **more):
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        config = base_config(
            self.folder, scripted, **self.rollout_config(steps=[{"weight": 5}, {"weight": 10}, {"weight": 100}], **more))
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(to_yaml(config))

    def file(self, text, name="recording.csv"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def replay(self, *arguments, config=None, **more):
        return subprocess.run(
            [CANARYD, "replay", "-c", config or self.config, "--rollout", "shop", *arguments],
            capture_output=True, text=True, timeout=120, check=False, **more)

    def outcome(self, *arguments, **more):
        done = self.replay("--format", "json", *arguments, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def assert_fails(self, message, *arguments, code=1):
        done = self.replay(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(message, done.stderr)

    @staticmethod
    def recording(seconds, canary_status, weight=5):
        lines = []
        for second in range(seconds):
            for n in range(20):
                cohort = "canary" if n < 2 else "stable"
                status = canary_status if n < 2 else 200
                lines.append(f"{START_MS + 1000 * second + 45 * n},{cohort},{status},12.5,u{second}-{n},{weight}\n")
        return lines

    def test_a_dead_canary_in_a_csv_file(self):
        path = self.file(HEADER + "".join(self.recording(60, 503)))
        outcome = self.outcome(path)
        self.assertEqual(outcome["verdict"], "rollback")
        self.assertEqual(outcome["reason"], "worse")
        self.assertEqual(outcome["metrics"][0]["metric"], "errors")
        self.assertEqual(outcome["metrics"][0]["evidence_rollback"], 1)
        self.assertLessEqual(outcome["at_ms"], START_MS + 15_000)
        self.assertEqual(outcome["canary_requests"], (outcome["at_ms"] - START_MS) // 1000 * 2)
        self.assertEqual([event["event"] for event in outcome["timeline"]], ["step", "rollback"])
        text = self.replay(path)
        self.assertEqual(text.returncode, 0)
        self.assertTrue(text.stdout.startswith("rollback at 2026-01-05T10:02:"), text.stdout)

    def test_a_good_canary_is_accepted_and_rotated_files_are_one_recording(self):
        lines = self.recording(1200, 200)
        whole = self.outcome(self.file(HEADER + "".join(lines)))
        self.assertEqual(whole["verdict"], "accept")
        first = self.file(HEADER + "".join(lines[:9_999]), "1.csv")
        second = self.file(HEADER + "".join(lines[9_999:]), "2.csv")
        halves = self.outcome(first, second)
        self.assertEqual(halves.pop("lines")["read"], whole.pop("lines")["read"] + 1)
        self.assertEqual(halves, whole)
        with open(first, "rb") as standard_input:
            self.assertEqual(self.outcome("-", second, stdin=standard_input)["at_ms"], whole["at_ms"])

    def test_lines_are_sorted_within_five_seconds(self):
        lines = self.recording(120, 503)
        chance = random.Random(1)
        shaken = sorted(lines, key=lambda line: int(line.split(",")[0]) + chance.uniform(0, 4_900))
        self.assertNotEqual(lines, shaken)
        self.assertEqual(self.outcome(self.file(HEADER + "".join(shaken))),
                         self.outcome(self.file(HEADER + "".join(lines), "sorted.csv")))

    def test_what_is_wrong_is_told_with_its_place(self):
        good = "".join(self.recording(3, 200))
        path = self.file(HEADER + good + "1,canary,200\n" + good)
        self.assert_fails(f"{path}:62: error: 3 fields where the header has 6", path)
        outcome = self.outcome(path, "--lenient")
        self.assertEqual(outcome["lines"], {"read": 122, "evidence": 120, "late": 0, "skipped": 1})
        path = self.file("no header\n" + good)
        self.assert_fails(f"{path}:1: error: the first line is neither JSON nor", path)
        self.assert_fails(f"{path}:1: error:", path, "--lenient")
        path = self.file(HEADER + good + f"{START_MS - 60_000},canary,200,1,a,5\n" + "x" * 1_000_000)
        self.assert_fails(f"{path}:62: error: ", path)
        self.assertEqual(self.outcome(path, "--lenient")["lines"]["skipped"], 2)
        missing = os.path.join(self.folder, "missing.csv")
        self.assert_fails(f"{missing}: error: No such file or directory", missing)
        self.assert_fails(f"{self.folder}: error: Is a directory", self.folder)

    def test_bytes_of_any_kind_end_in_an_error(self):
        chance = random.Random(2)
        for size in (0, 1, 3, 1000, 300_000):
            path = self.file(chance.randbytes(size))
            done = self.replay(path)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertEqual(self.replay("--lenient", path).returncode, done.returncode)
        done = self.replay(self.file(b'{"rollout":"shop",' + b"x" * 70_000 + b"}\n"))
        self.assertIn("the line is longer than 65536 bytes", done.stderr)
        self.assertEqual(self.outcome(self.file(""))["verdict"], "hold")

    def test_wrong_use(self):
        path = self.file(HEADER)
        done = subprocess.run([CANARYD, "replay", "-c", self.config, "--rollout", "shoe", path],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('has no rollout "shoe"; there is: shop', done.stderr)
        self.assertEqual(self.replay().returncode, 2)
        self.assertEqual(self.replay("--format", "xml", path).returncode, 2)
        broken = self.file("version: 1\n", "broken.yaml")
        self.assertEqual(self.replay(path, config=broken).returncode, 3)

    def test_of_several_rollouts_one_has_to_be_named(self):
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        config = base_config(self.folder, scripted, **self.rollout_config())
        config["rollouts"]["till"] = config["rollouts"]["shop"]
        file = self.file(to_yaml(config), "two.yaml")
        for command in (["replay", "-c", file, self.file(HEADER)], ["simulate", "-c", file]):
            done = subprocess.run([CANARYD, *command], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"canaryd {command[0]}: say which rollout: --rollout NAME of shop, till", done.stderr)

    def test_a_sampled_access_log_is_refused(self):
        self.write_config(log={"access": {"sample": 10}})
        combined = '::1 - - [05/Jan/2026:10:02:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 5 - other\n'
        for line in ('{"rollout": "other"}\n', combined):
            self.assert_fails("this access log is a sample", self.file(line, "access.log"))
        self.assertEqual(self.outcome(self.file(HEADER))["verdict"], "hold")

    def canary_requests(self):
        return self.daemon.metric("canaryd_requests_total", cohort="canary") or 0

    def wait_for_canary_requests(self, more):
        seen = self.canary_requests()
        wait_until(lambda: self.canary_requests() > seen + more, f"{more} canary requests")

    def live_and_replayed(self, failing, verdict, form="json"):
        """The outcome of the access log of a daemon that came to this verdict."""
        access = os.path.join(self.folder, "access.log")
        self.start_rollout(
            steps=[{"weight": weight, "min_duration": "1h"} for weight in (25, 100)], start="auto",
            analysis={"mode": "observe", "latency_quantiles": [], "tolerance": {"errors": {"absolute": 5}}},
            rollout={"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}},
            log={"access": {"file": access, "format": form}})
        self.v2.failing = failing
        load = self.start_load(rate=200)
        wait_until(lambda: self.daemon.rollout()["analysis"][0]["verdict"] == verdict, "the verdict", 60)
        # The seconds of a replay begin elsewhere, so its last block may lack what the daemon's had.
        self.wait_for_canary_requests(150)
        self.daemon.set_weight(50)
        self.wait_for_canary_requests(200)
        self.totals(load)
        self.daemon.stop()
        with open(self.daemon.file, encoding="utf-8") as file:
            config = file.read().replace('"1h"', '"1s"')
        return self.outcome(access, config=self.file(config, "live.yaml"))

    def test_the_daemons_own_access_log_rolls_back_as_the_daemon_did(self):
        outcome = self.live_and_replayed(True, "fail")
        self.assertEqual(outcome["verdict"], "rollback")
        self.assertEqual(outcome["timeline"][0]["weight"], 25)

    def test_the_combined_form_rolls_back_as_the_daemon_did(self):
        outcome = self.live_and_replayed(True, "fail", "combined")
        self.assertEqual(outcome["verdict"], "rollback")
        self.assertGreater(outcome["lines"]["evidence"], 300)

    def test_the_daemons_own_access_log_passes_as_in_the_daemon(self):
        outcome = self.live_and_replayed(False, "pass")
        self.assertEqual(outcome["verdict"], "accept")
        events = [(event["event"], event["weight"]) for event in outcome["timeline"]]
        # One raise, though the workers took it one after the other.
        self.assertEqual(events, [("step", 25), ("accept", 25), ("step", 50), ("accept", 50)])


if __name__ == "__main__":
    unittest.main()
