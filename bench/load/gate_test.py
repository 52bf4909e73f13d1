"""Proves that the gate closes when a request costs too much, says where, and stays open otherwise."""

import contextlib
import copy
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import gate

FUNCTIONS = {"Exchange::relay": [400.0, 900.0], "parse_head": [300.0, 300.0], "Pool::take": [100.0, 100.0]}
CASE = {"instructions": 1000, "syscalls": 4.0, "calls": {"read": 2.0, "writev": 2.0}, "functions": FUNCTIONS}


class CompareTest(unittest.TestCase):
    def compare(self, baseline, figures):
        """(number of cases that cost too much, what was said)"""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            failed = gate.compare(baseline, figures)
        return failed, said.getvalue()

    def after(self, **changes):
        """(number, what was said) when the only case has changed so."""
        figures = {"get-100": {**copy.deepcopy(CASE), **changes}}
        return self.compare({"get-100": CASE}, figures)

    def test_six_percent_more_instructions_fail_and_name_the_functions(self):
        dearer = {**FUNCTIONS, "Exchange::relay": [400.0, 960.0], "parse_head": [360.0, 360.0]}
        failed, said = self.after(instructions=1060, functions=dearer)
        self.assertEqual(failed, 1)
        self.assertIn("TOO DEAR", said)
        alone, _, whole = said.partition("by themselves")[2].partition("with what they call")
        self.assertRegex(alone, r"\+60 +300 +360  parse_head\n")
        self.assertRegex(whole, r"\+60 +900 +960  Exchange::relay\n")
        self.assertNotIn("Exchange::relay", alone)
        self.assertNotIn("Pool::take", said, "what costs what it did")

    def test_a_function_that_is_new_is_named(self):
        _, said = self.after(instructions=1060, functions={**FUNCTIONS, "Mirror::copy": [60.0, 60.0]})
        self.assertRegex(said, r"\+60 +0 +60  Mirror::copy\n")

    def test_six_percent_more_system_calls_fail_and_name_the_calls(self):
        failed, said = self.after(syscalls=4.24, calls={"read": 2.0, "writev": 2.0, "epoll_wait": 0.24})
        self.assertEqual(failed, 1)
        self.assertIn("TOO DEAR", said)
        self.assertRegex(said, r"\+0\.24 +0\.00 +0\.24  epoll_wait\n")

    def test_what_is_within_five_percent_passes(self):
        for instructions, syscalls in ((1000, 4.0), (1049, 4.19), (1050, 4.0), (951, 3.81)):
            failed, said = self.after(instructions=instructions, syscalls=syscalls)
            self.assertEqual(failed, 0, said)
            self.assertTrue(said.endswith("   ok\n"), said)
            self.assertEqual(said.count("\n"), 1, "a line a case, and no functions")

    def test_what_is_cheaper_passes_and_asks_for_a_new_baseline(self):
        failed, said = self.after(instructions=940)
        self.assertEqual(failed, 0)
        self.assertIn("cheaper: run with --update", said)

    def test_one_figure_cannot_pay_for_the_other(self):
        self.assertEqual(self.after(instructions=500, syscalls=4.24)[0], 1)

    def test_a_case_that_is_not_in_the_baseline_is_an_error(self):
        failed, said = self.compare({"get-100": CASE}, {"get-100": CASE, "get-16k": CASE})
        self.assertEqual(failed, 1)
        self.assertIn("get-16k     not in the baseline", said)
        self.assertEqual(self.compare({}, {"get-100": CASE})[0], 1)

    def test_each_case_counts(self):
        dear = {**CASE, "instructions": 1060}
        failed, said = self.compare({"a": CASE, "b": CASE, "c": CASE}, {"a": dear, "b": CASE, "c": dear})
        self.assertEqual(failed, 2)
        self.assertEqual(said.count("TOO DEAR"), 2)


class MainTest(unittest.TestCase):
    """The whole program, but for the measuring."""

    def run_gate(self, figures, *arguments):
        """(what it exits with, the baseline afterwards)"""
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as replaced:
            baseline = Path(folder) / "baseline.json"
            baseline.write_text(gate.to_text({"get-100": CASE}), encoding="utf-8")
            for name, value in (("BASELINE", baseline), ("ROOT", Path(folder)), ("measure", lambda *_: figures),
                                ("Peer", mock.MagicMock()), ("Canaryd", mock.MagicMock()), ("shutil", mock.MagicMock())):
                replaced.enter_context(mock.patch.object(gate, name, value))
            replaced.enter_context(mock.patch("sys.argv", ["gate.py", *arguments]))
            replaced.enter_context(contextlib.redirect_stdout(io.StringIO()))
            code = None
            try:
                gate.main()
            except SystemExit as ended:
                code = ended.code
            return code, json.loads(baseline.read_text(encoding="utf-8"))

    def test_the_exit_code(self):
        dear = {"get-100": {**CASE, "instructions": 1060}}
        self.assertEqual(self.run_gate({"get-100": CASE}), (None, {"get-100": CASE}))
        code, baseline = self.run_gate(dear)
        self.assertEqual(code, "1 of 1 cases cost more than 5% above bench/baseline.json")
        self.assertEqual(baseline, {"get-100": CASE}, "only --update writes it")
        self.assertIn("1 of 1", self.run_gate({"get-16k": CASE})[0])

    def test_update_writes_what_was_measured(self):
        dear = {"get-100": {**CASE, "instructions": 1060}}
        self.assertEqual(self.run_gate(dear, "--update"), (None, dear))


class BaselineTest(unittest.TestCase):
    def test_what_is_written_is_read_again(self):
        figures = {"get-100": CASE, "connect": CASE}
        self.assertEqual(json.loads(gate.to_text(figures)), figures)

    def test_the_baseline_has_each_case_and_each_figure(self):
        baseline = json.loads(gate.BASELINE.read_text(encoding="utf-8"))
        self.assertEqual(set(baseline), set(gate.CASES))
        for case, figure in baseline.items():
            self.assertGreater(figure["instructions"], 0, case)
            self.assertGreater(figure["syscalls"], 0, case)
            self.assertTrue(figure["calls"] and figure["functions"], case)
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(gate.compare(baseline, baseline), 0)


def run():
    suite = unittest.defaultTestLoader.loadTestsFromName(__name__)
    return 0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1
