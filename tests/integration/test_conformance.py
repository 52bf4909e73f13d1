"""The conformance suite: conformance/__init__.py says what it is. One case: -k NAME."""

import importlib
import pkgutil
import sys
import tempfile
import unittest
from pathlib import Path

from conformance import topics
from conformance.case import CASES
from conformance.report import report
from conformance.rules import RULES
from conformance.run import Stage

for module in pkgutil.iter_modules(topics.__path__):
    importlib.import_module(f"conformance.topics.{module.name}")


class ConformanceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="canaryd-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.stage = Stage(folder.name)
        cls.addClassCleanup(cls.stage.close)


class RulesTest(unittest.TestCase):
    def test_every_case_names_rules_and_every_rule_has_cases(self):
        named = {rule for case in CASES.values() for rule in case.rules}
        self.assertEqual(named, set(RULES))

    def test_the_document_is_in_step(self):
        document = Path(__file__).resolve().parents[2] / "docs/conformance.md"
        self.assertEqual(document.read_text(encoding="utf-8"), report())


def _test(case):
    def play(self):
        self.stage.play(case)

    return play


for _case in CASES.values():
    setattr(ConformanceTest, "test_" + _case.name, _test(_case))


if __name__ == "__main__":
    if "--report" in sys.argv:
        print(report(), end="")
    else:
        unittest.main()
