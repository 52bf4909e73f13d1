"""`canaryd simulate` and what `validate` says of feasibility: the real program, no daemon."""

import json
import os
import pty
import re
import subprocess
import unittest
import xml.etree.ElementTree
from pathlib import Path

from harness import CANARYD, IntegrationCase

ROOT = Path(__file__).resolve().parents[2]
SHOP = {"stable": "v1", "canary": "v2", "expected_rps": 500, "expected_error_rate": 1}


class SimulateTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.config = Path(self.folder) / "canaryd.yaml"
        self.write({"shop": SHOP})

    def write(self, rollouts):
        self.config.write_text(json.dumps({
            "version": 1,
            "listeners": [{"name": "public", "address": "127.0.0.1:0"}],
            "upstreams": {"v1": {"endpoints": ["192.0.2.1:80"]}, "v2": {"endpoints": ["192.0.2.2:80"]}},
            "rollouts": rollouts,
            "routes": [{"name": name, "match": {"path_prefix": f"/{name}"}, "rollout": name} for name in rollouts],
        }), encoding="utf-8")

    def run_canaryd(self, command, *flags, code=0):
        done = subprocess.run([CANARYD, command, "-c", str(self.config), *flags],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_a_terminal_sees_how_far_it_is(self):
        """Where errors go there is a terminal; the result is as without one."""
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        done = subprocess.run([CANARYD, "simulate", "-c", str(self.config), "--runs", "40"], stdout=subprocess.PIPE,
                              stderr=terminal, text=True, timeout=120, check=False)
        os.close(terminal)
        self.assertEqual(done.returncode, 0)
        seen = b""
        while True:
            try:
                piece = os.read(screen, 65536)
            except OSError:  # The other end is closed, and nothing is left.
                break
            seen += piece
        percents = [int(each) for each in re.findall(rb"\rsimulating \[[#.]{40}\] (\d+) %", seen)]
        self.assertEqual(percents, sorted(set(percents)))
        self.assertEqual(percents[-1], 100)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-20:])  # And leaves nothing behind.
        self.assertEqual(done.stdout, self.simulate().stdout)

    def simulate(self, *flags, code=0):
        return self.run_canaryd("simulate", "--runs", "40", *flags, code=code)

    def study(self, *flags):
        return json.loads(self.simulate("--format", "json", *flags).stdout)

    def test_a_bad_canary_is_rolled_back(self):
        study = self.study("--canary-error-rate", "5x")
        self.assertEqual(study["rollout"], "shop")
        self.assertEqual(study["traffic"]["rps"], 500)
        self.assertAlmostEqual(study["traffic"]["canary_error_rate"], 0.05)
        self.assertEqual(study["outcomes"]["rolled_back"]["rollouts"], 40)
        self.assertEqual(study["outcomes"]["rolled_back"]["causes"], {"verdict": 40})
        self.assertLess(study["outcomes"]["rolled_back"]["seconds"]["median"], 90)
        self.assertIsNone(study["outcomes"]["promoted"]["seconds"])

    def test_a_good_one_is_promoted_and_nothing_is_written_to_stderr(self):
        done = self.simulate("--rollout", "shop", "--error-rate", "0.1%")
        self.assertEqual(done.stderr, "")
        self.assertRegex(done.stdout, r"promoted +40 +100\.0 %")
        self.assertRegex(done.stdout, r"5  100 % +40 +40")

    def test_threads_change_nothing(self):
        one = self.simulate("--threads", "1", "--canary-error-rate", "2").stdout
        self.assertEqual(self.simulate("--threads", "5", "--canary-error-rate", "2").stdout, one)
        self.assertNotEqual(self.simulate("--seed", "7", "--canary-error-rate", "2").stdout, one)

    def test_evidence_sets_the_pace(self):
        """With more traffic the same plan ends sooner, and in neither case is a good canary rolled back."""
        analysis = {"tolerance": {"errors": {"relative": 50, "absolute": 2}}, "latency_quantiles": []}
        self.write({"shop": {**SHOP, "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}], "analysis": analysis}})
        studies = [json.loads(self.run_canaryd("simulate", "--runs", "8", "--format", "json", "--rps", rps).stdout)
                   for rps in ("500", "5")]
        fast, slow = [study["outcomes"]["promoted"] for study in studies]
        self.assertEqual((fast["rollouts"], slow["rollouts"]), (8, 8))
        self.assertLess(fast["seconds"]["p90"], slow["seconds"]["p10"])
        # As fast as the least duration of the steps lets it.
        self.assertEqual(fast["seconds"]["median"], 30)

    def test_a_dead_canary_costs_what_the_circuit_lets_through(self):
        study = self.study("--canary-error-rate", "100")
        self.assertEqual(study["outcomes"]["rolled_back"]["causes"], {"circuit": 40})
        self.assertLess(study["user_failures"]["p90"], 20)
        self.assertEqual(self.study("--canary-error-rate", "100", "--covered", "100")["user_failures"]["p90"], 0)

    def test_a_slow_canary_is_rolled_back_and_a_cold_one_is_not(self):
        slow = self.study("--canary-latency", "1.5x", "--error-rate", "0.1")
        self.assertEqual(slow["outcomes"]["rolled_back"]["rollouts"], 40)
        self.assertEqual(slow["traffic"]["canary_latency"], {"median_ms": 75, "p99_ms": 300})
        cold = self.study("--cold-start", "25s:3x", "--error-rate", "0.1")
        self.assertEqual(cold["outcomes"]["rolled_back"]["rollouts"], 0)

    def test_trouble_of_both_is_nobodys(self):
        study = self.study("--error-rate", "0.1", "--outage", "30s+1m:60%", "--diurnal", "30")
        self.assertEqual(study["outcomes"]["promoted"]["rollouts"], 40)
        self.study("--bursts", "2:20s:30%", "--failures-per-user", "30", "--users", "500")

    def test_the_picture_is_xml_without_assets(self):
        svg = self.simulate("--format", "svg", "--canary-error-rate", "3x").stdout
        root = xml.etree.ElementTree.fromstring(svg)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertNotIn("href", svg)
        self.assertIn("prefers-color-scheme: dark", svg)

    def test_the_pictures_of_the_documentation_are_as_today(self):
        """One run each, by the seed that the picture names; whether that is still the typical one of a thousand
        is not looked at."""
        example = ROOT / "config" / "examples" / "sidecar.yaml"
        for name, flags in (("good", ()), ("bad", ("--canary-error-rate", "2x"))):
            with self.subTest(name=name):
                picture = (ROOT / "docs" / f"simulate-{name}.svg").read_text(encoding="utf-8")
                seed = re.search(r"simulated with seed (\d+), typical of 1000 runs", picture)[1]
                done = subprocess.run([CANARYD, "simulate", "-c", str(example), "--rps", "500", *flags, "--seed", seed,
                                       "--runs", "1", "--format", "svg"],
                                      capture_output=True, text=True, timeout=120, check=True)
                self.assertEqual(done.stdout, picture.replace(", typical of 1000 runs", ""),
                                 "make it anew: docs/statistics.md, \"Your own plan\"")

    def test_required_feedback_is_said_to_be_left_out(self):
        feedback = {"tolerance": {"feedback": {"required": True}}}
        self.write({"shop": {**SHOP, "analysis": feedback}})
        self.assertIn("nobody votes here", self.simulate("--error-rate", "0.1").stderr)
        self.assertIn("feedback is required: a step waits for votes besides", self.run_canaryd("validate").stdout)

    def test_wrong_flags_say_what_is_right(self):
        for flags, words in (
            (("--rollout", "shpo"), 'has no rollout "shpo"; there is: shop'),
            (("--error-rate", "101"), 'canaryd simulate: --error-rate "101": expected a percentage from 0 to 100'),
            (("--canary-error-rate", "x"), "expected a percentage, or a multiple"),
            (("--outage", "10m:50%"), "expected BEGIN+LENGTH:ERRORS"),
            (("--outage", "10m+1m:50%:canry"), "expected BEGIN+LENGTH:ERRORS"),
            (("--bursts", "2:20s"), "expected TIMES_AN_HOUR:LENGTH:ERRORS"),
            (("--broken-route", "all:2%"), "expected NAME:SHARE:ERRORS"),
            (("--broken-route", "all:2%:50%"), "expected one of several routes"),
            (("--latency", "50ms"), "expected median and 99th percentile"),
            (("--latency", "2x"), "expected median and 99th percentile"),
            (("--canary-latency", "50ms/20ms"), "or a multiple of stable's"),
            (("--cold-start", "30s"), "expected LENGTH:TIMES"),
            (("--max-time", "0s"), "expected a duration from 1s to 400d"),
            (("--rps", "0"), "--rps"),
            (("--rps", "nan"), "--rps"),
            (("--runs", "0"), "--runs"),
            (("--threads", "1000"), "--threads"),
            (("--format", "png"), "--format"),
        ):
            with self.subTest(flags=flags):
                done = self.simulate(*flags, code=2)
                self.assertEqual(done.stdout, "")
                self.assertIn(words, done.stderr)

    def test_what_the_file_leaves_open(self):
        self.write({"shop": {"stable": "v1", "canary": "v2"}})
        self.assertIn("say --rps N, or set rollouts.shop.expected_rps", self.simulate(code=2).stderr)
        self.write({"shop": SHOP, "pay": SHOP})
        self.assertIn("--rollout NAME of pay, shop".split(" of")[0], self.simulate(code=2).stderr)
        self.config.write_text("version: 2\n", encoding="utf-8")
        self.assertIn("error:", self.simulate(code=3).stderr)

    def test_feasibility_of_a_small_service(self):
        self.write({"shop": {**SHOP, "expected_rps": 3}})
        done = self.run_canaryd("validate")
        self.assertRegex(done.stderr, r"rollouts\.shop\.steps\[\d\]: at 3 requests/s and 1 % errors a canary as good "
                                      r"as stable needs about \d+h")
        self.assertRegex(done.stdout, r"shop: at 3 requests/s and 1 % errors, a canary as good as stable takes about")
        self.run_canaryd("validate", "--strict", code=3)
        report = json.loads(self.run_canaryd("validate", "--format", "json").stdout)
        steps = report["feasibility"][0]["steps"]
        self.assertEqual([step["weight"] for step in steps], [1, 5, 10, 25, 100])
        self.assertGreater(steps[3]["seconds"], 3600)
        self.write({"shop": {**SHOP, "analysis": {"limits": {"errors": 5}}}})
        self.assertEqual(self.run_canaryd("validate").stderr, "")


if __name__ == "__main__":
    unittest.main()
