"""check, diff, convert and manual pages of the real binaries."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD, IntegrationCase, base_config, to_yaml, wait_until

GOLDEN = Path(__file__).resolve().parents[1] / "golden/convert"


def run(*arguments, **more):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, **more)


class FilesTest(IntegrationCase):
    def write(self, config, name="new.yaml"):
        file = Path(self.folder) / name
        file.write_text(to_yaml(config), encoding="utf-8")
        return str(file)

    def changed(self, change, **more):
        """The daemon's configuration with a change, in another file."""
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **self.rollout_config(**more))
        change(config)
        return self.write(config)

    def test_a_plan_is_judged_by_what_the_daemon_has_seen(self):
        self.start_rollout()
        file = self.changed(lambda config: None)
        self.assertIn("shop: the daemon has not seen enough of its traffic\n", self.daemon.ctl("check", file, "--learned").stdout)
        load = self.start_load(rate=100)
        shown = wait_until(lambda: re.search(r"shop: at (\S+) requests/s and (\S+) % errors \(seen for \d+s\)",
                                             self.daemon.ctl("check", file, "--learned").stdout), "a forecast")
        self.totals(load)
        self.assertLess(float(shown[1]), 110)
        self.assertEqual(shown[2], "0")

    def test_diff_tells_what_the_reload_then_does(self):
        self.start_rollout()
        self.daemon.set_weight(5)
        same = self.changed(lambda config: None)
        done = self.daemon.ctl("diff", same)
        self.assertEqual((done.returncode, done.stdout), (0, "nothing changes\n"), done.stderr)

        def new_steps(config):
            config["rollouts"]["shop"]["steps"] = [{"weight": 50}, {"weight": 100}]
        file = self.changed(new_steps)
        done = self.daemon.ctl("diff", file)
        self.assertIn("shop: kept (Paused, 5 %) with other steps: the weight stays", done.stdout, done.stderr)
        self.daemon.write(Path(file).read_text(encoding="utf-8"))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 5)

        def new_revision(config):
            new_steps(config)
            config["rollouts"]["shop"]["revision"] = "3"
        file = self.changed(new_revision)
        found = json.loads(self.daemon.ctl("diff", file, "-o", "json").stdout)
        self.assertEqual([(row["name"], row["change"], row["weight"]) for row in found["rollouts"]],
                         [("shop", "renewed", 5)])
        self.daemon.write(Path(file).read_text(encoding="utf-8"))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 0)

    def test_check_says_what_is_wrong(self):
        self.start_rollout()
        wait_until(lambda: self.daemon.ctl("check").returncode == 0, "a daemon without a fault")
        file = self.changed(lambda config: config["rollouts"]["shop"].update(canary="v9"))
        done = self.daemon.ctl("check", file)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"new\.yaml:\d+:\d+: error: .*v9")
        self.assertEqual(self.daemon.ctl("diff", file).returncode, 3)
        self.daemon.write(Path(file).read_text(encoding="utf-8"))
        self.assertEqual(self.daemon.ctl("reload").returncode, 3)
        done = self.daemon.ctl("check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the last reload failed", done.stdout)


class FormatTest(unittest.TestCase):
    def test_it_writes_a_file_whole_and_once(self):
        with tempfile.TemporaryDirectory(prefix="canaryd-test-") as folder:
            file = Path(folder) / "canaryd.yaml"
            reference = GOLDEN.parents[2] / "config/canaryd.yaml"
            file.write_text(reference.read_text(encoding="utf-8"), encoding="utf-8")
            file.chmod(0o640)
            printed = run(CANARYD, "fmt", str(file))
            self.assertEqual(printed.returncode, 0, printed.stderr)
            self.assertEqual(run(CANARYD, "fmt", "-w", str(file)).returncode, 0)
            self.assertEqual(file.read_text(encoding="utf-8"), printed.stdout)
            self.assertEqual(file.stat().st_mode & 0o777, 0o640)
            self.assertEqual([entry.name for entry in Path(folder).iterdir()], ["canaryd.yaml"])
            dumps = [run(CANARYD, "config-dump", "-c", str(one)).stdout for one in (file, reference)]
            self.assertEqual(dumps[0], dumps[1])
            self.assertEqual(run(CANARYD, "fmt", str(file)).stdout, printed.stdout)
            file.write_text("a: [\n", encoding="utf-8")
            done = run(CANARYD, "fmt", "-w", str(file))
            self.assertEqual((done.returncode, file.read_text(encoding="utf-8")), (3, "a: [\n"))


class ConvertTest(unittest.TestCase):
    def test_what_it_prints_is_valid(self):
        for name in ("canary-steps.argo", "analysis.argo", "podinfo.flagger", "split.nginx"):
            with self.subTest(name):
                file = GOLDEN / name
                done = run(CANARYD, "convert", "--from", file.suffix[1:], str(file))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"{name}:", done.stderr)
                checked = run(CANARYD, "validate", "-c", "/dev/stdin", input=done.stdout)
                self.assertEqual(checked.returncode, 0, checked.stderr)
                piped = run(CANARYD, "convert", "--from", file.suffix[1:], "-",
                            input=file.read_text(encoding="utf-8"))
                self.assertEqual(piped.stdout.replace("<stdin>", str(file)), done.stdout)

    def test_what_it_refuses(self):
        done = run(CANARYD, "convert", "--from", "flagger", str(GOLDEN / "broken.flagger"))
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, r"broken\.flagger:\d+: error: ")
        self.assertEqual(run(CANARYD, "convert", "--from", "argo", "/nonexistent").returncode, 1)
        self.assertEqual(run(CANARYD, "convert", "--from", "envoy", "x").returncode, 2)


class ManualTest(unittest.TestCase):
    PROGRAMS = {"canaryd": CANARYD, "canaryctl": CANARYCTL}

    def commands(self, program):
        text = run(program, "--help").stdout.split("Subcommands:")[1]
        return re.findall(r"^  (\S+)", text, re.MULTILINE)

    def test_manual_pages(self):
        pages = {"canaryd": (CANARYD, "man"), "canaryd.yaml": (CANARYD, "man", "canaryd.yaml"),
                 "canaryctl": (CANARYCTL, "man")}
        for name, arguments in pages.items():
            page = run(*arguments)
            self.assertEqual(page.returncode, 0, page.stderr)
            self.assertTrue(page.stdout.isascii() or name == "canaryd.yaml")
            for command in self.commands(arguments[0]) if name != "canaryd.yaml" else ("min_duration", "false_rollback"):
                self.assertIn(command.replace("-", r"\-"), page.stdout, name)
            if shutil.which("groff"):
                done = run("groff", "-man", "-Tutf8", "-Kutf8", "-wmac", "-wescape", input=page.stdout)
                self.assertEqual(done.returncode, 0, done.stderr)
                # Long words are nobody's fault; an unknown request or escape is.
                self.assertEqual([line for line in done.stderr.splitlines() if "can't break line" not in line], [], name)
                self.assertIn("SEE ALSO", re.sub("\x1b\\[[0-9;]*m|.\x08", "", done.stdout))
            if shutil.which("mandoc"):
                done = run("mandoc", "-T", "lint", "-W", "error", input=page.stdout)
                self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
