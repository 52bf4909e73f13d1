"""`cmake --install` of the build that is tested: what goes where, and that it is of use there."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD

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
        self.assertEqual(sorted(str(file.relative_to(self.prefix)) for file in files),
                         sorted([*PROGRAMS, *(DOCUMENTS if self.has_documents else ())]))
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
