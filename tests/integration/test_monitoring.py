"""config/grafana and config/alerts.yaml: Grafana can import the dashboard, and a real Prometheus that scrapes a real
canaryd has an answer to whatever either of them asks."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import EverythingCase, Prometheus, wait_until

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
PROMTOOL = shutil.which("promtool")
COLUMNS = 24  # Of Grafana's grid.
SELECTOR = re.compile(r"\b((?:canaryd|process)_\w+)(?:\{(.*?)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"(.*?)"')
GROUPED = re.compile(r"\b(?:by|on|group_left|ignoring|without) \((.*?)\)")


def board():
    return json.loads((CONFIG / "grafana/canaryd.json").read_text(encoding="utf-8"))


def panels():
    return [panel for panel in board()["panels"] if panel["type"] != "row"]


def questions():
    """(where it stands, expression, legend), with variables as when everything is chosen."""
    found = [(f"{panel['title']}, {target['refId']}", target["expr"], target["legendFormat"])
             for panel in panels() for target in panel["targets"]]
    found += [(each["name"], each["expr"], each["titleFormat"]) for each in board()["annotations"]["list"] if "expr" in each]
    return [(where, re.sub(r"\$(?!__)\w+", ".*", expression.replace("$__rate_interval", "10s")), legend)
            for where, expression, legend in found]


class ImportTest(unittest.TestCase):
    def test_panels_have_a_place_of_their_own(self):
        taken = {}
        for panel in board()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], COLUMNS, panel["title"])
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                self.assertNotIn(cell, taken, f"{panel['title']} lies on {taken.get(cell)}")
                taken[cell] = panel["title"]

    def test_panels_are_told_apart_and_explained(self):
        for key in ("id", "title"):
            values = [panel[key] for panel in board()["panels"]]
            self.assertEqual(len(values), len(set(values)), key)
        for panel in panels():
            self.assertRegex(panel["description"], r"\w.*[.?]$", panel["title"])
            letters = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(letters), len(set(letters)), panel["title"])

    def test_the_source_of_data_is_chosen(self):
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        asking = [*panels(), *(each for each in board()["annotations"]["list"] if not each.get("builtIn")),
                  *(each for each in board()["templating"]["list"] if each["type"] == "query")]
        for each in asking:
            self.assertEqual(each["datasource"], chosen, each)

    def test_each_variable_is_there_and_used(self):
        named = {each["name"] for each in board()["templating"]["list"]}
        self.assertEqual(set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board()))), named)

    def test_the_rows_are_documented(self):
        text = (ROOT / "docs/operations.md").read_text(encoding="utf-8").split("\n## Dashboard of Grafana\n")[1]
        documented = re.findall(r"^\| (\w[^|]*) \|", text.split("\n## ")[0], re.MULTILINE)
        rows = [panel["title"] for panel in board()["panels"] if panel["type"] == "row"]
        self.assertEqual(documented, ["Row", *rows])

    @unittest.skipUnless(PROMTOOL, "promtool is not installed")
    def test_promtool_reads_each_expression(self):
        rules = [{"record": f"asked:{number}", "expr": expression} for number, (_, expression, _) in enumerate(questions())]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules.yaml"
            file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
            done = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, text=True, timeout=60,
                                  check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"SUCCESS: {len(rules)} rules found", done.stdout)


class ScrapeTest(EverythingCase):
    def setUp(self):
        super().setUp()
        self.start_everything()
        self.show_everything()

    def exported(self):
        """{metric: {label: its values}}."""
        known = {}
        for line in self.daemon.metrics().splitlines():
            if line.startswith("#"):
                continue
            name, _, labels = line.rpartition(" ")[0].partition("{")
            # What every scrape adds.
            of_it = known.setdefault(name, {"job": set(), "instance": set()})
            for label, value in re.findall(r'(\w+)="(.*?)"', labels):
                of_it.setdefault(label, set()).add(value)
        return known

    def check(self, where, text, known):
        """Its metrics, labels and values of labels are there."""
        labels = set()
        for name, matchers in SELECTOR.findall(text):
            self.assertTrue(name in known, f"{where}: {name}")
            labels |= set(known[name])
            for label, _, value in MATCHER.findall(matchers):
                self.assertIn(label, known[name], f"{where}: {name}")
                if value != ".*":
                    self.assertLessEqual(set(value.split("|")), known[name][label], f"{where}: {name}")
        for names in GROUPED.findall(text):
            self.assertLessEqual(set(re.findall(r"\w+", names)), labels, where)

    def test_they_ask_for_what_is_exported(self):
        known = self.exported()
        for where, expression, _ in questions():
            self.check(where, expression, known)
        for variable in board()["templating"]["list"]:
            if variable["type"] == "query":
                name, label = re.fullmatch(r"label_values\((\w+).*, (\w+)\)", variable["definition"]).groups()
                self.assertIn(label, known[name], variable["name"])
        alerts = (CONFIG / "alerts.yaml").read_text(encoding="utf-8")
        for name, rule in re.findall(r"- alert: (\w+)\n(.*?)labels:", alerts, re.DOTALL):
            self.check(name, rule, known)

    def test_a_real_prometheus_answers(self):
        host, port = self.daemon.admin
        prometheus = Prometheus(self.folder, f"{host}:{port}", rule_files=[str(CONFIG / "alerts.yaml")])
        self.addCleanup(prometheus.stop)
        for where, expression, legend in questions():
            with self.subTest(where):
                samples = wait_until(lambda: prometheus.query(expression), where, 5)
                wanted = set(re.findall(r"\{\{(\w+)\}\}", legend))
                self.assertTrue(any(wanted <= set(each["metric"]) for each in samples), f"{wanted}: {samples[0]}")
        self.assert_rules_are_well(prometheus)

    def assert_rules_are_well(self, prometheus):
        def rules():
            found = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            return all(rule["health"] != "unknown" for rule in found) and found

        for rule in wait_until(rules, "the first evaluation of the alerts", 30):
            self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])


if __name__ == "__main__":
    unittest.main()
