"""What the documents show must work: files are valid, commands exist, links lead somewhere."""

import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, EverythingCase, ctl, wait_until

ROOT = Path(__file__).resolve().parents[2]


class DocumentsTest(EverythingCase):
    def validate(self, file):
        done = subprocess.run(
            [CANARYD, "validate", "-c", str(file)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_files_of_the_readme(self):
        blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        self.assertTrue(blocks)
        for number, block in enumerate(blocks):
            file = Path(self.folder) / f"readme{number}.yaml"
            file.write_text(block, encoding="utf-8")
            self.validate(file)

    def test_file_of_the_image(self):
        self.validate(ROOT / "docker/canaryd.yaml")

    def test_no_warning_stops_a_user(self):
        for name in ("demo.sh", "build-optimised.sh"):
            lines = re.findall(r"cmake --preset .*", (ROOT / "scripts" / name).read_text(encoding="utf-8"))
            self.assertTrue(lines)
            for line in lines:
                self.assertIn("-DCANARYD_WERROR=OFF", line, name)

    def test_the_programs_of_the_readme_can_be_installed(self):
        """Pages and completions are no part of the programs' own targets."""
        lines = re.findall(r"cmake --build .*", (ROOT / "scripts/build-optimised.sh").read_text(encoding="utf-8"))
        self.assertIn(" documents ", lines[-1])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_units_of_systemd(self):
        units = []
        for name in ("canaryd.service", "canaryd.socket"):
            text = (ROOT / "config/systemd" / name).read_text(encoding="utf-8")
            units.append(Path(self.folder) / name)
            units[-1].write_text(text.replace("/usr/bin/canaryd", CANARYD), encoding="utf-8")
        self.assertIn(f"ExecStart={CANARYD} run -c ", units[0].read_text(encoding="utf-8"))
        # What it does not understand it only tells.
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, units)], capture_output=True, text=True,
                              timeout=60, check=False)
        about_us = [line for line in (done.stdout + done.stderr).splitlines() if "canaryd." in line]
        self.assertEqual((done.returncode, about_us), (0, []))

    def test_commands_of_the_readme(self):
        text = ctl("--help").stdout
        for command in ("status", "start", "pause", "resume", "promote", "set-weight", "abort", "rollback", "history"):
            self.assertRegex(text, rf"\b{command}\b")

    def test_metrics_of_the_contract(self):
        self.start_everything()
        self.version_of("someone")
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="stable") is not None, "the first request counted")
        wait_until(lambda: self.daemon.metric("canaryd_mirror_requests_total"), "its copy counted")
        wait_until(lambda: self.daemon.metric("canaryd_analysis_reading") == 1, "the reading of the query")
        shown = set(re.findall(r"^# TYPE (\S+)", self.daemon.metrics(), re.MULTILINE))
        section = (ROOT / "docs/interfaces.md").read_text(encoding="utf-8").split("## 4. Metrics")[1].split("\n## ")[0]
        documented = set(re.findall(r"`((?:canaryd|process)_\w+)`", section))
        made = set()
        for file in (ROOT / "src/telemetry").glob("*.cpp"):
            made |= set(re.findall(r'(?:gauge|counter|histogram)\(\s*"(\w+)"', file.read_text(encoding="utf-8")))
        self.assertEqual(documented, made)
        # These come with enough traffic.
        later = {"canaryd_rollout_observed_ratio", "canaryd_analysis_observed_ratio",
                 "canaryd_analysis_tolerated_ratio"}
        self.assertEqual(documented - shown - later, set())
        self.assertEqual(shown - documented, set())

    def test_links(self):
        for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
            text = re.sub(r"`[^`\n]*`", "", document.read_text(encoding="utf-8"))
            for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
                self.assertTrue((document.parent / link).exists(), f"{document.relative_to(ROOT)}: {link}")


def source(path):
    return (ROOT / path).read_text(encoding="utf-8")


class OperationsTest(unittest.TestCase):
    """docs/operations.md has a line for everything that the code can say, and for nothing else."""

    def rows(self, section):
        text = source("docs/operations.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
        return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))

    @staticmethod
    def words_of(path, enumeration):
        """What to_string makes of it."""
        return set(re.findall(rf'case {enumeration}::\w+:\s+return "(\w+)"', source(path)))

    def test_states(self):
        states = self.words_of("src/rollout/state.cpp", "Phase")
        self.assertIn("rolled_back", states)
        self.assertEqual(self.rows("States"), states)

    def test_reasons(self):
        reasons = self.words_of("src/rollout/state.cpp", "HoldReason") - {"none"}
        self.assertIn("no_data", reasons)
        # Of waiting for a gate, of a spill, and of not having begun.
        self.assertEqual(self.rows("Reasons"), reasons | {"gate", "stable_down", "parity"})

    def many_rows(self, section):
        """The first cells, which may hold several words."""
        text = source("docs/operations.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
        return [word for cell in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE) for word in re.findall(r"`([^`]+)`", cell)]

    def test_causes(self):
        causes = set(re.findall(r'\{Cause::\w+, "(\w+)"\}', source("src/rollout/effect.cpp")))
        self.assertIn("exposure", causes)
        self.assertEqual(sorted(self.many_rows("Causes of a transition")), sorted(causes))

    def test_problems(self):
        problems = set()
        for file in (ROOT / "src/admin").glob("*.cpp"):
            problems |= set(re.findall(r'\{\s*[1-5]\d\d,\s*"([a-z-]+)"', file.read_text(encoding="utf-8")))
        self.assertIn("not-you", problems)
        self.assertEqual(sorted(self.many_rows("Errors of the admin API")), sorted(problems))

    def test_errors(self):
        errors = set(re.findall(r'\{"(\w+)", \d{3}\}', source("src/proxy/counters.cpp"))) - {"none"}
        self.assertIn("timeout", errors)
        self.assertEqual(self.rows("Errors in `X-Canaryd-Error`"), errors)

    def test_warnings(self):
        code = {file: file.read_text(encoding="utf-8")
                for room in ("src", "include") for file in (ROOT / room).rglob("*.[ch]pp")}
        names = dict(pair for text in code.values()
                     for pair in re.findall(r'LogEvent (k\w+)\{"\w+", "(\w+)"\}', text))
        told = {word for text in code.values()
                for word in re.findall(r"(?:\.|->)(?:warn|error)\(\s*(?:log_event::)?(k\w+)", text)}
        self.assertGreater(len(told), 10)
        self.assertEqual(self.rows("Warnings and errors in the log"), {names[word] for word in told})

    def test_alerts_have_their_line_and_metrics_that_exist(self):
        alerts = source("config/alerts.yaml")
        self.assertEqual(self.rows("Alerts"), set(re.findall(r"- alert: (\w+)", alerts)))
        contract = source("docs/interfaces.md").split("## 4. Metrics")[1].split("\n## ")[0]
        known = set(re.findall(r"`((?:canaryd|process)_\w+)`", contract))
        used = set(re.findall(r"\b((?:canaryd|process)_\w+)", alerts))
        self.assertTrue(used)
        self.assertLessEqual(used, known)


if __name__ == "__main__":
    unittest.main()
