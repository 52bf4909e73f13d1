"""check, diff, convert, manual pages and the variables of the environment of the real binaries."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD, PATIENCE, IntegrationCase, base_config, to_yaml, wait_until

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


class WaitTest(IntegrationCase):
    def test_a_daemon_that_hangs_takes_no_longer_than_the_time_given(self):
        self.start_rollout()
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(self.daemon.signal, signal.SIGCONT)
        begin = time.monotonic()
        done = self.daemon.ctl("wait", "shop", "--for", "promoted", "--timeout", "2s", timeout=300)
        took = time.monotonic() - begin
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn("not promoted after 2s: no answer from 127.0.0.1", done.stderr)
        # One exchange alone may take 40 s.
        self.assertLess(took, 12 * PATIENCE)


# The options that a variable stands for, and where.
VARIABLES = {
    "CANARYD_CONFIG": ["run", "validate", "config-dump", "simulate", "replay"],
    "CANARYD_SET": ["run", "validate", "config-dump", "simulate", "replay"],
    "CANARYD_STATE_DIR": ["run", "quick", "verify"],
}
MORE = {"replay": ["/dev/null"]}  # Arguments that a command needs.


def run_with(variables, *arguments, **more):
    """With these variables and no others of canaryd's."""
    ours = ("NO_COLOR", "COLUMNS")
    others = {name: value for name, value in os.environ.items() if not name.startswith("CANARYD_") and name not in ours}
    return run(*arguments, env={**others, **variables}, **more)


class MistypedTest(unittest.TestCase):
    def test_what_was_meant_is_said(self):
        for words, expected in ((["vaildate"], 'There is no command "vaildate": did you mean "validate"?\n'),
                                (["validate", "--cnofig", "x"], ': did you mean "--config"?\n')):
            done = run_with({}, CANARYD, *words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(expected, done.stderr)


class DaemonVariablesTest(IntegrationCase):
    def canaryd(self, command, *arguments, **variables):
        return run_with(variables, CANARYD, command, *arguments, *MORE.get(command, ()), cwd=self.folder)

    def write(self, name="canaryd.yaml", **more):
        file = Path(self.folder) / name
        file.write_text(to_yaml(base_config(self.folder, {"v1": self.upstream("v1")}, **more)), encoding="utf-8")
        return str(file)

    def test_which_there_are(self):
        """Of each command, in the manual: its options begin with a dash, its other arguments with a capital."""
        part = run(CANARYD, "man").stdout.split('.SH "COMMANDS"')[1].split("\n.SH")[0]
        found = {}
        for text in re.split(r'^\.B "(?=[a-z])', part, flags=re.MULTILINE)[1:]:
            for variable in re.findall(r"Environment: (\w+)\.", text):
                found.setdefault(variable, []).append(re.match(r"[\w\\-]+", text)[0].replace("\\", ""))
        self.assertEqual(found, VARIABLES)

    def check_config(self, command, named, *arguments, **variables):
        """It says of the file `named` that it is not there."""
        done = self.canaryd(command, *arguments, **variables)
        self.assertEqual(done.returncode, 3, command)
        self.assertIn(f"{named}: error: cannot be read", done.stderr, command)

    def test_canaryd_config(self):
        for command in VARIABLES["CANARYD_CONFIG"]:
            self.check_config(command, "variable.yaml", CANARYD_CONFIG="variable.yaml")
        self.write("variable.yaml")
        done = self.canaryd("validate", CANARYD_CONFIG="variable.yaml")
        self.assertEqual((done.returncode, done.stdout), (0, "variable.yaml is valid\n"), done.stderr)
        # One that is empty counts as unset.
        done = self.canaryd("validate", CANARYD_CONFIG="")
        self.assertIn("/etc/canaryd/canaryd.yaml", done.stdout + done.stderr)

    def test_the_option_comes_before_canaryd_config(self):
        for command in VARIABLES["CANARYD_CONFIG"]:
            self.check_config(command, "option.yaml", "-c", "option.yaml", CANARYD_CONFIG="variable.yaml")

    def test_the_option_comes_before_canaryd_set(self):
        """All of the variable: it adds nothing to the option."""
        file = self.write()
        for command in VARIABLES["CANARYD_SET"]:
            done = self.canaryd(command, "-c", file, "--set", "workers=option", CANARYD_SET="workers=variable")
            self.assertEqual(done.returncode, 3, command)
            self.assertIn('"option"', done.stderr, command)
        dump = self.canaryd("config-dump", "-c", file, "--set", "workers=2", CANARYD_SET="admin.dashboard=false").stdout
        self.assertRegex(dump, r"(?m)^workers: 2$")
        self.assertRegex(dump, r"(?m)^  dashboard: true$")

    def test_a_variable_is_for_its_commands_alone(self):
        file = self.write()
        for command in ("schema", "man"):
            self.assertEqual(self.canaryd(command, CANARYD_SET="nonsense").returncode, 0, command)
        self.assertEqual(self.canaryd("validate", "-c", file, CANARYD_STATE_DIR="/").returncode, 0)
        dump = self.canaryd("config-dump", "-c", file, CANARYD_STATE_DIR=f"{self.folder}/other").stdout
        self.assertIn(f"{self.folder}/state", dump)

    def test_the_option_comes_before_canaryd_state_dir(self):
        given, named = Path(self.folder) / "given", Path(self.folder) / "named"
        self.daemon.command += ["--state-dir", str(given)]
        self.daemon.environment = {"CANARYD_STATE_DIR": str(named)}
        self.start({"v1": self.upstream("v1")})
        self.assertTrue(given.exists())
        self.assertFalse(named.exists())

    def test_canaryd_set(self):
        file = self.write()
        for command in VARIABLES["CANARYD_SET"]:
            done = self.canaryd(command, "-c", file, CANARYD_SET="workers=few")
            self.assertEqual(done.returncode, 3, command)
            self.assertRegex(done.stderr, r"error: .*\bworkers\b", command)
        self.assertEqual(self.canaryd("validate", "-c", file, CANARYD_SET="workers").returncode, 2)
        # All of it is one override.
        tokens = "admin.tokens=[{name: a, role: viewer, token_file: b=c d}]"
        done = self.canaryd("config-dump", "-c", file, CANARYD_SET=tokens)
        self.assertIn("b=c d: error: cannot be used, for admin.tokens.a", done.stderr)

    def test_a_daemon_with_all_of_them(self):
        """They outlive a reload, and come before what the file says."""
        self.daemon.command = ["run"]
        self.daemon.environment = {"CANARYD_CONFIG": str(self.daemon.file), "CANARYD_SET": "workers=3",
                                   "CANARYD_STATE_DIR": str(Path(self.folder) / "other")}
        self.start({"v1": self.upstream("v1")})
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertRegex(self.daemon.ctl("config").stdout, r"(?m)^workers: 3$")
        self.assertTrue(list((Path(self.folder) / "other").iterdir()))
        self.assertEqual(list((Path(self.folder) / "state").iterdir()), [])

    def test_canaryd_state_dir_of_verify(self):
        self.start_rollout()
        self.daemon.post("/api/v1/rollouts/shop/start")
        self.daemon.stop()
        state, none = str(Path(self.folder) / "state"), str(Path(self.folder) / "none")
        done = self.canaryd("verify", CANARYD_STATE_DIR=state)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.canaryd("verify", CANARYD_STATE_DIR=none).returncode, 1)
        self.assertEqual(self.canaryd("verify", "--state-dir", state, CANARYD_STATE_DIR=none).stdout, done.stdout)
        self.assertEqual(self.canaryd("verify", "--state-dir", none, CANARYD_STATE_DIR=state).returncode, 1)


class ClientVariablesTest(IntegrationCase):
    def canaryctl(self, *arguments, **variables):
        return run_with(variables, CANARYCTL, *arguments)

    def test_the_manual_names_them(self):
        part = run(CANARYCTL, "man").stdout.split('.SH "ENVIRONMENT"')[1].split(".SH")[0]
        found = re.findall(r'^\.B "(\w+)"', part, re.MULTILINE)
        self.assertEqual(found, ["CANARYD_ADDR", "CANARYD_TOKEN_FILE", "NO_COLOR"])

    def test_canaryd_addr(self):
        self.start_rollout()
        here, nowhere = self.daemon.admin_url(""), f"unix:{self.folder}/none.sock"
        done = self.canaryctl("status", "shop", CANARYD_ADDR=here)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("shop", done.stdout)
        self.assertEqual(self.canaryctl("status", CANARYD_ADDR=nowhere).returncode, 5)
        self.assertEqual(self.canaryctl("status", CANARYD_ADDR="nonsense").returncode, 2)
        self.assertEqual(self.canaryctl("--addr", here, "status", CANARYD_ADDR=nowhere).returncode, 0)
        self.assertEqual(self.canaryctl("status", "--addr", nowhere, CANARYD_ADDR=here).returncode, 5)

    def test_canaryd_token_file(self):
        good, bad = Path(self.folder) / "good.token", Path(self.folder) / "bad.token"
        for file, letter in ((good, "g"), (bad, "b")):
            file.write_text(letter * 16 + "\n", encoding="utf-8")
            file.chmod(0o600)
        tokens = [{"name": "ci", "role": "viewer", "token_file": "good.token"}]
        self.daemon.token = "g" * 16
        self.start_rollout(admin={"address": "127.0.0.1:0", "tokens": tokens})

        def exit_code(*arguments, **variables):
            return self.canaryctl("--addr", self.daemon.admin_url(""), *arguments, "status", **variables).returncode

        self.assertEqual(exit_code(), 7)
        self.assertEqual(exit_code(CANARYD_TOKEN_FILE=""), 7)
        self.assertEqual(exit_code(CANARYD_TOKEN_FILE=str(good)), 0)
        self.assertEqual(exit_code(CANARYD_TOKEN_FILE=str(bad)), 7)
        self.assertEqual(exit_code(CANARYD_TOKEN_FILE=f"{self.folder}/none.token"), 2)
        self.assertEqual(exit_code("--token-file", str(good), CANARYD_TOKEN_FILE=str(bad)), 0)
        self.assertEqual(exit_code("--token-file", str(bad), CANARYD_TOKEN_FILE=str(good)), 7)

    def test_columns_where_there_is_no_terminal(self):
        """What a terminal shows, and NO_COLOR, are in test_watch.py."""
        self.start_rollout()

        def lines(**variables):
            done = self.canaryctl("--addr", self.daemon.admin_url(""), "status", **variables)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.splitlines()

        self.assertIn("FOR", lines()[0])
        self.assertLessEqual(max(map(len, lines(COLUMNS="40"))), 40)
        self.assertEqual(lines(COLUMNS="40")[0].split(), ["NAME", "STATE", "STEP", "WEIGHT", "CANARY"])
        for nonsense in ("", "0", "19", "-40", "forty", "40 ", "10001"):
            self.assertEqual(lines(COLUMNS=nonsense)[0], lines()[0], nonsense)
        wide = self.canaryctl("--addr", self.daemon.admin_url(""), "status", "-o", "wide").stdout.splitlines()
        self.assertEqual(wide[0].split()[-1], "REASON", "a program has all of it")

    def test_variables_of_a_file(self):
        file = Path(self.folder) / "canaryd.yaml"
        config = base_config(self.folder, {"v1": self.upstream("v1")})
        config["state"]["dir"] = "${SOME_FOLDER}"
        file.write_text(to_yaml(config), encoding="utf-8")
        self.assertEqual(self.canaryctl("check", str(file)).returncode, 3)
        done = self.canaryctl("check", str(file), SOME_FOLDER=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class FullDiskTest(IntegrationCase):
    def check(self, *arguments):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, arguments)
        self.assertIn(f"{Path(arguments[0]).name}: standard output cannot be written\n", done.stderr, arguments)

    def test_output_that_does_not_arrive_is_no_success(self):
        self.start_rollout()
        file = str(self.daemon.file)
        for command in (["config-dump", "-c", file], ["schema"], ["man"], ["completion", "bash"], ["--version"],
                        ["validate", "-c", file, "--format", "json"], ["fmt", file]):
            self.check(CANARYD, *command)
        for command in (["status"], ["status", "shop", "-o", "json"], ["config"], ["history", "-o", "json"],
                        ["check"], ["man"], ["--help"]):
            self.check(CANARYCTL, "--addr", self.daemon.admin_url(""), *command)

    def test_what_has_failed_anyway_keeps_its_exit_code(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([CANARYD, "validate", "-c", "/nonexistent", "--format", "json"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)


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
