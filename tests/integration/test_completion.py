"""The completions of both programs, in the shells that they are for."""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD, PATIENCE

GOLDEN = Path(__file__).resolve().parents[1] / "golden/convert"
PROGRAMS = {"canaryctl": CANARYCTL, "canaryd": CANARYD}


def run(*arguments, **more):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, **more)


def script_of(name, shell):
    done = run(PROGRAMS[name], "completion", shell)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(name):
    text = run(PROGRAMS[name], "--help").stdout.split("Subcommands:")[1]
    return re.findall(r"^  (\S+)", text, re.MULTILINE)


class ScriptsTest(unittest.TestCase):
    def test_they_know_every_command(self):
        for name in PROGRAMS:
            for shell in ("bash", "zsh", "fish"):
                script = script_of(name, shell)
                for command in commands(name):
                    self.assertIn(command, script, f"{name} {shell}")
                if shutil.which(shell):
                    done = run(shell, "-n", "/dev/stdin", input=script)
                    self.assertEqual((done.returncode, done.stderr), (0, ""), f"{name} {shell}")


class BashTest(unittest.TestCase):
    def complete(self, name, *words):
        """What is offered for the last word; the names of rollouts come from the program itself, replaced here."""
        line = " ".join(shlex.quote(word) for word in (name, *words))
        asked = f"{script_of(name, 'bash')}\n{name}() {{ echo shop; }}\n" \
                f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _{name}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = run("bash", "-c", asked)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_it_offers_what_fits(self):
        self.assertIn("set-weight", self.complete("canaryctl", "s"))
        self.assertNotIn("abort", self.complete("canaryctl", "s"))
        self.assertEqual(self.complete("canaryctl", "abort", ""), ["shop"])
        self.assertEqual(self.complete("canaryctl", "--addr", "x", "abort", "s"), ["shop"])
        self.assertIn("promoted", self.complete("canaryctl", "wait", "shop", "--for", "p"))
        self.assertEqual(self.complete("canaryctl", "status", "-o", "w"), ["wide"])
        self.assertIn("--verify", self.complete("canaryctl", "explain", "shop", "--v"))
        self.assertEqual(self.complete("canaryd", "convert", "--from", "f"), ["flagger"])
        self.assertEqual(sorted(self.complete("canaryd", "validate", "--config", str(GOLDEN / "split.n"))),
                         sorted(str(file) for file in GOLDEN.glob("split.n*")))

    def test_what_a_daemon_calls_its_rollouts_is_not_run(self):
        with tempfile.TemporaryDirectory() as folder:
            names = ["$(touch hit)", "`touch hit`", "*", "sh op"]
            says = "".join(f"echo {shlex.quote(name)}; " for name in names)
            asked = f"{script_of('canaryctl', 'bash')}\ncanaryctl() {{ {says}}}\n" \
                    "COMP_LINE='canaryctl abort '; COMP_WORDS=(canaryctl abort ''); COMP_CWORD=2; _canaryctl; " \
                    "printf '%s\\n' \"${COMPREPLY[@]}\""
            done = run("bash", "-c", asked, cwd=folder)
            self.assertEqual((done.stderr, done.stdout.splitlines()), ("", names))
            self.assertEqual(os.listdir(folder), [])

    def test_the_names_are_those_of_the_daemon_of_the_line(self):
        """Readline cuts an address at its colons."""
        def offered(line, *words):
            asked = f"{script_of('canaryctl', 'bash')}\ncanaryctl() {{ printf 'of-%s\\n' \"$2\" \"$4\"; }}\n" \
                    f"COMP_LINE={shlex.quote(line)}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); " \
                    f"COMP_CWORD={len(words) - 1}; _canaryctl; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            done = run("bash", "-c", asked, env={**os.environ, "HOME": "/srv/anna"})
            self.assertEqual(done.stderr, "")
            return done.stdout.split()

        self.assertEqual(offered("canaryctl abort ", "canaryctl", "abort", ""), ["of-rollouts", "of-"])
        self.assertEqual(
            offered("canaryctl --addr http://h:1 --token-file ~/t abort ",
                    "canaryctl", "--addr", "http", ":", "//h", ":", "1", "--token-file", "~/t", "abort", ""),
            ["of-http://h:1", "of-/srv/anna/t"])
        self.assertEqual(offered("canaryctl --addr http://h:1 abo",
                                 "canaryctl", "--addr", "http", ":", "//h", ":", "1", "abo"), ["abort"])
        self.assertEqual(offered("canaryctl --addr http://h", "canaryctl", "--addr", "http", ":", "//h"), [])


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class FishTest(unittest.TestCase):
    def complete(self, name, line, says="echo shop"):
        """{what is offered for the end of the line: its description}"""
        asked = f"{script_of(name, 'fish')}\nfunction {name}; {says}; end\ncomplete -C {shlex.quote(line)}"
        done = run("fish", "--no-config", "-c", asked)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(offer.partition("\t")[::2] for offer in done.stdout.splitlines())

    def test_it_offers_what_fits(self):
        self.assertEqual(self.complete("canaryctl", "canaryctl set-"),
                         {"set-weight": "Set the canary's share and pause there"})
        self.assertEqual(list(self.complete("canaryctl", "canaryctl abort ")), ["shop"])
        self.assertEqual(list(self.complete("canaryctl", "canaryctl --addr x abort s")), ["shop"])
        self.assertIn("promoted", self.complete("canaryctl", "canaryctl wait shop --for p"))
        self.assertEqual(list(self.complete("canaryctl", "canaryctl status -o w")), ["wide"])
        self.assertEqual(list(self.complete("canaryctl", "canaryctl explain shop --veri")), ["--verify"])
        self.assertEqual(list(self.complete("canaryd", "canaryd convert --from f")), ["flagger"])
        self.assertEqual(sorted(self.complete("canaryd", f"canaryd validate --config {GOLDEN}/split.n")),
                         sorted(str(file) for file in GOLDEN.glob("split.n*")))

    def test_a_rollout_is_offered_in_its_place_alone(self):
        self.assertEqual(self.complete("canaryctl", "canaryctl approve shop "), {})
        self.assertEqual(self.complete("canaryctl", "canaryctl abort shop "), {})
        self.assertEqual(list(self.complete("canaryctl", "canaryctl approve --expires 2h ")), ["shop"])

    def test_the_names_are_those_of_the_daemon_of_the_line(self):
        for line, name in (("canaryctl abort ", "of-rollouts"), ("canaryctl --addr http://h:1 abort ", "of-http://h:1"),
                           ("canaryctl abort --token-file ~/t ", f"of-{os.environ['HOME']}/t")):
            self.assertEqual(list(self.complete("canaryctl", line, "echo of-$argv[2]")), [name], line)


class Terminal:
    """An interactive zsh, as somebody sits before it."""

    def __init__(self):
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(GOLDEN)
            os.environ["TERM"] = "dumb"
            os.execvp("zsh", ["zsh", "-f", "-i"])

    def type(self, text):
        os.write(self._screen, text.encode())

    def shows(self, text, seconds=10):
        """Whether the screen shows the text from now on; what it has shown."""
        shown = ""
        end = time.monotonic() + seconds * PATIENCE
        while text not in shown:
            if not select.select([self._screen], [], [], max(0, end - time.monotonic()))[0]:
                return False, shown
            shown += os.read(self._screen, 4096).decode(errors="replace")
        return True, shown

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._screen)


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class ZshTest(unittest.TestCase):
    def setUp(self):
        self.terminal = Terminal()
        self.addCleanup(self.terminal.close)
        self.terminal.type("autoload -Uz compinit; compinit -D -u\n")
        for name, program in PROGRAMS.items():
            # In two words, or the line that is typed would be what is waited for.
            self.terminal.type(f"source <({shlex.quote(os.path.abspath(program))} completion zsh); "
                               f"{name}() {{ echo shop; }}; echo {name}-re''ady\n")
            self.expect(f"{name}-ready\r\n")

    def expect(self, text):
        shown, screen = self.terminal.shows(text)
        self.assertTrue(shown, f"{text!r} is not shown in {screen!r}")

    def completes(self, begun, whole):
        """A tab behind the first makes the second of it; then the line is thrown away."""
        self.terminal.type(begun + "\t")
        self.expect(whole)
        self.terminal.type("\x15")

    def test_it_completes_what_is_unambiguous(self):
        self.completes("canaryctl set-", "canaryctl set-weight ")
        self.completes("canaryctl abort ", "canaryctl abort shop")
        self.completes("canaryctl --addr x abo", "canaryctl --addr x abort ")
        self.completes("canaryctl wait shop --for promo", "canaryctl wait shop --for promoted")
        self.completes("canaryctl status -o w", "canaryctl status -o wide")
        self.completes("canaryctl explain shop --veri", "canaryctl explain shop --verify")
        self.completes("canaryd convert --from f", "canaryd convert --from flagger")
        self.completes("canaryd validate --config blu", "canaryd validate --config blue-green.argo")

    def test_the_names_are_those_of_the_daemon_of_the_line(self):
        self.terminal.type("canaryctl() { echo of-$2 }; echo asks''-back\n")
        self.expect("asks-back\r\n")
        self.completes("canaryctl abort ", "canaryctl abort of-rollouts")
        self.completes("canaryctl --addr 'h1' abort ", "canaryctl --addr 'h1' abort of-h1")
        self.completes("canaryctl --token-file ~/t approve ", f"of-{os.environ['HOME']}/t")


class InstalledZshTest(ZshTest):
    """By the files in fpath, as they are installed: each loads itself when it is asked first."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="canaryd-test-")
        self.addCleanup(folder.cleanup)
        for name in PROGRAMS:
            Path(folder.name, f"_{name}").write_text(script_of(name, "zsh"), encoding="utf-8")
        self.terminal = Terminal()
        self.addCleanup(self.terminal.close)
        calls = "; ".join(f"{name}() {{ echo shop; }}" for name in PROGRAMS)
        self.terminal.type(f"fpath=({folder.name} $fpath); autoload -Uz compinit; compinit -D -u; {calls}; "
                           "echo re''ady\n")
        self.expect("ready\r\n")


if __name__ == "__main__":
    unittest.main()
