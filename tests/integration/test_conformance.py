"""The conformance suite: conformance/__init__.py says what it is. One case: -k NAME."""

import importlib
import pkgutil
import re
import sys
import tempfile
import unittest
from pathlib import Path

from conformance import topics
from conformance.case import CASES
from conformance.report import report
from conformance.rules import RULES
from conformance.run import Stage

ROOT = Path(__file__).resolve().parents[2]

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
        document = ROOT / "docs/conformance.md"
        self.assertEqual(document.read_text(encoding="utf-8"), report())


class RequirementsTest(unittest.TestCase):
    """docs/rfc-requirements.md: each row says where it is shown, and what it names exists."""

    def rows(self):
        lines = (ROOT / "docs/rfc-requirements.md").read_text(encoding="utf-8").splitlines()
        rows = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| (?:9110 )?[0-9]", line)]
        self.assertGreater(len(rows), 100)
        return rows

    def test_every_row_says_where_it_is_shown(self):
        for row in self.rows():
            self.assertEqual(len(row), 4, row)
            self.assertRegex(row[3], r"`[^`]+`|not tested", row)

    def test_every_case_exists(self):
        for row in self.rows():
            for name in re.findall(r"`([^`]+)`", row[3]):
                if "." in name and name[0].isupper():
                    continue
                found = [case for case in CASES if case.startswith(name[:-1])] if name.endswith("*") else name in CASES
                self.assertTrue(found, f"{name} in {row}")

    def test_every_unit_and_component_test_exists(self):
        code = "".join(file.read_text(encoding="utf-8") for room in ("unit", "component")
                       for file in (ROOT / "tests" / room).rglob("*_test.cpp"))
        known = {f"{suite}.{name}" for suite, name in re.findall(r"TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", code)}
        named = {name for row in self.rows() for name in re.findall(r"`([A-Z]\w+\.\w+)`", row[3])}
        self.assertTrue(named)
        self.assertEqual(named - known, set())


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
