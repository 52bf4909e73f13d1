"""`cmake --install` of the build that is tested: what goes where, and that it is of use there."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD

CONFIG = Path(__file__).resolve().parents[2] / "config"
BUILD = Path(CANARYD).parents[2]  # Of src/daemon/canaryd.
PROGRAMS = {"bin/canaryd": CANARYD, "bin/canaryctl": CANARYCTL}
# Where they are, and who prints them.
DOCUMENTS = {
    "share/man/man8/canaryd.8": ("canaryd", "man", "canaryd"),
    "share/man/man5/canaryd.yaml.5": ("canaryd", "man", "canaryd.yaml"),
    "share/man/man1/canaryctl.1": ("canaryctl", "man"),
    "share/canaryd/canaryd.schema.json": ("canaryd", "schema"),
    "share/bash-completion/completions/canaryd": ("canaryd", "completion", "bash"),
    "share/bash-completion/completions/canaryctl": ("canaryctl", "completion", "bash"),
    "share/zsh/site-functions/_canaryd": ("canaryd", "completion", "zsh"),
    "share/zsh/site-functions/_canaryctl": ("canaryctl", "completion", "zsh"),
    "share/fish/vendor_completions.d/canaryd.fish": ("canaryd", "completion", "fish"),
    "share/fish/vendor_completions.d/canaryctl.fish": ("canaryctl", "completion", "fish"),
}
UNITS = "lib/systemd/system"
EXAMPLES = "share/doc/canaryd/examples"


def examples():
    """{where it is: what it is}."""
    found = {f"{EXAMPLES}/canaryd.yaml": CONFIG / "canaryd.yaml"}
    for file in (CONFIG / "examples").rglob("*.yaml"):
        found[f"{EXAMPLES}/{file.relative_to(CONFIG / 'examples')}"] = file
    return found


def cached():
    """{name: value} of what the build was configured with."""
    text = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+):\w+=(.*)$", text, re.MULTILINE))


def run(*arguments, **more):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="canaryd-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        settings = cached()
        if settings.get("CANARYD_SYSTEMD_UNIT_DIR", UNITS) != UNITS:
            raise unittest.SkipTest("this build's units go somewhere else, which may be this machine's systemd")
        cls.has_documents = not settings["CANARYD_SANITIZE"] and settings["CANARYD_FUZZ"] == "OFF"
        run(settings["CMAKE_COMMAND"], "--install", str(BUILD), "--prefix", str(cls.prefix))

    def need_documents(self, program=None):
        if not self.has_documents:
            self.skipTest("a sanitized build prints no documents")
        if program and not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def shell(self, *arguments):
        """Of somebody who has no settings."""
        share = f"{self.prefix}/share:/usr/local/share:/usr/share"
        return run(*arguments, env={"PATH": f"{self.prefix}/bin:{os.environ['PATH']}", "HOME": str(self.folder),
                                    "XDG_DATA_DIRS": share, "LC_ALL": "C.UTF-8"}, cwd=self.folder)

    def test_what_is_installed(self):
        """And nothing else: no tests, no libraries of ours."""
        files = [file for file in self.prefix.rglob("*") if not file.is_dir()]
        beside = [*DOCUMENTS, f"{UNITS}/canaryd.service", f"{UNITS}/canaryd.socket", *examples()]
        self.assertEqual(sorted(str(file.relative_to(self.prefix)) for file in files),
                         sorted([*PROGRAMS, *(beside if self.has_documents else ())]))
        for file in files:
            is_program = str(file.relative_to(self.prefix)) in PROGRAMS
            self.assertEqual(file.stat().st_mode & 0o777, 0o755 if is_program else 0o644, file)

    def test_programs(self):
        for name, built in PROGRAMS.items():
            version = run(self.prefix / name, "--version", cwd="/", env={})
            self.assertRegex(version, rf"^{Path(name).name} \d+\.\d+\.\d+\n$")
            self.assertEqual(version, run(built, "--version"))

    def test_documents_are_of_these_programs(self):
        self.need_documents()
        for name, (program, *arguments) in DOCUMENTS.items():
            self.assertEqual((self.prefix / name).read_text(encoding="utf-8"),
                             run(self.prefix / "bin" / program, *arguments), name)

    def test_examples(self):
        self.need_documents()
        for name, source in examples().items():
            installed = self.prefix / name
            self.assertEqual(installed.read_bytes(), source.read_bytes(), name)
            if installed.parent.name == "examples":
                run(self.prefix / "bin/canaryd", "validate", "-c", installed)

    def unit(self):
        """{key: [value, ...]} of the installed service."""
        self.need_documents()
        found = {}
        for line in (self.prefix / UNITS / "canaryd.service").read_text(encoding="utf-8").splitlines():
            key, is_setting, value = line.partition("=")
            if is_setting and not line.startswith("#"):
                found.setdefault(key, []).append(value)
        return found

    def test_the_service_runs_what_is_installed(self):
        unit = self.unit()
        program, *arguments = unit["ExecStart"][0].split()
        self.assertEqual(program, str(self.prefix / "bin/canaryd"))
        self.assertTrue(os.access(program, os.X_OK))
        self.assertEqual(unit["ExecReload"], ["/bin/kill -HUP $MAINPID"])
        self.assertEqual(unit["Type"], ["notify"])
        page, section = re.fullmatch(r"man:(\w+)\((\d)\)", unit["Documentation"][0]).groups()
        self.assertIn(f"share/man/man{section}/{page}.{section}", DOCUMENTS)
        # Which says nothing of its state and of how it ends.
        config = run(program, "config-dump", "-c", self.prefix / EXAMPLES / "rings.yaml")
        self.assertIn(f"\nstate:\n  dir: /var/lib/{unit['StateDirectory'][0]}\n", config)
        self.assertEqual(arguments, ["run", "-c", f"/etc/{unit['ConfigurationDirectory'][0]}/canaryd.yaml"])
        self.assertIn(f"--config FILE={arguments[-1]} ", run(program, "run", "--help"))
        for example in ("rings.yaml", "edge.yaml", "staged.yaml"):
            config = run(program, "config-dump", "-c", self.prefix / EXAMPLES / example)
            drain = re.search(r"drain: {timeout: (\d+)(s|m), delay: (\d+)s}", config)
            seconds = int(drain[1]) * {"s": 1, "m": 60}[drain[2]] + int(drain[3])
            self.assertGreater(int(unit["TimeoutStopSec"][0]), seconds, example)

    def test_the_service_may_do_little(self):
        unit = self.unit()
        for key, value in (("DynamicUser", "yes"), ("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"),
                           ("ProtectHome", "yes"), ("PrivateTmp", "yes"), ("PrivateDevices", "yes"),
                           ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"), ("MemoryDenyWriteExecute", "yes"),
                           ("RestrictNamespaces", "yes"), ("SystemCallFilter", "@system-service"), ("UMask", "0077")):
            self.assertEqual(unit[key], [value], key)

    def test_systemd_takes_the_units(self):
        self.need_documents("systemd-analyze")
        units = [str(self.prefix / UNITS / name) for name in ("canaryd.service", "canaryd.socket")]
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60,
                              check=False)
        # What it does not understand it only tells.
        about_us = [line for line in (done.stdout + done.stderr).splitlines() if "canaryd." in line]
        self.assertEqual((done.returncode, about_us), (0, []))
        # Ten times its mark of exposure, which is 1.8.
        run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", units[0])

    def test_man(self):
        self.need_documents("man")
        for section, page in (("8", "canaryd"), ("5", "canaryd.yaml"), ("1", "canaryctl")):
            found = self.shell("man", "-M", f"{self.prefix}/share/man", "-w", section, page)
            self.assertEqual(found.strip(), str(self.prefix / f"share/man/man{section}/{page}.{section}"))

    def test_fish(self):
        self.need_documents("fish")
        for line, offer in (("canaryctl set-", "set-weight"), ("canaryd conf", "config-dump")):
            self.assertIn(offer, self.shell("fish", "-c", f"complete -C '{line}'"))

    def test_zsh(self):
        self.need_documents("zsh")
        asked = f"fpath=({self.prefix}/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; " \
                "autoload +X $_comps[canaryd] $_comps[canaryctl] && print $_comps[canaryd] $_comps[canaryctl]"
        self.assertEqual(self.shell("zsh", "-f", "-c", asked), "_canaryd _canaryctl\n")


if __name__ == "__main__":
    unittest.main()
