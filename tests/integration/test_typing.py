"""What is typed into a watch moves nothing of it, and however it ends or is stopped, the terminal is as it was."""

import signal
import socket
from pathlib import Path

from harness import CANARYCTL, PATIENCE, ctl, run_side_by_side, wait_until
from harness.terminal_case import TerminalCase


def state_of(process):
    return Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


class TypingTest(TerminalCase):
    def setUp(self):
        super().setUp()
        self.start_rollout()

    def test_keys_move_nothing(self):
        terminal = self.watch("shop")
        self.assertFalse(terminal.shows_typing())
        terminal.type("what\r\rnow\r")
        screen = terminal.wait_for_frames(2)
        self.check_in_place(screen)
        self.assertEqual((screen.above, screen.text().count("weight")), ([], 1), screen.text())
        self.assertTrue(screen.lines()[0].startswith("shop   "), screen.text())
        self.assertNotIn("now", screen.text())
        self.interrupt(terminal)

    def test_what_ends_it(self):
        for name, code in (("SIGINT", 0), ("SIGTERM", 0), ("SIGQUIT", -signal.SIGQUIT), ("SIGHUP", -signal.SIGHUP)):
            with self.subTest(name):
                terminal = self.watch("shop")
                terminal.process.send_signal(getattr(signal, name))
                self.assertEqual(terminal.end(), code)
                self.assertTrue(terminal.modes_are_as_before())
                self.assertEqual(terminal.screen.row, len(terminal.screen.lines()), "the prompt comes behind the frame")

    def test_two_signals_at_once(self):
        """As a second Ctrl-C is, where the first one does not help: it ends by the signal."""
        terminal = self.watch("shop")
        terminal.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(terminal.process) == "T", "the stop")
        for name in ("SIGINT", "SIGTERM", "SIGCONT"):
            terminal.process.send_signal(getattr(signal, name))
        self.assertIn(terminal.end(), (-signal.SIGINT, -signal.SIGTERM))
        self.assertTrue(terminal.modes_are_as_before())

    def test_in_a_shell_that_stops_it(self):
        """A shell with job control and without a line editor leaves the terminal as it finds it."""
        command = f"{CANARYCTL} --addr {self.daemon.admin_url('')} status shop --watch"
        terminal = self.terminal_of("sh", "-mc", f"{command}; echo stopped; read -r line; fg; echo ended $?")
        terminal.wait_for_frames()
        self.assertFalse(terminal.shows_typing())
        terminal.type("\x1a")
        terminal.wait_for_text("stopped")
        self.assertTrue(terminal.modes_are_as_before())
        terminal.type("\r")
        wait_until(lambda: not terminal.shows_typing(), "that it goes on")
        terminal.wait_for_frames(2)
        terminal.type("\x03")
        terminal.wait_for_text("ended 0")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.modes_are_as_before())


class SilenceTest(TerminalCase):
    """However long it would be waited for, one Ctrl-C is enough."""

    def mute_daemon(self):
        """Takes what is asked, and answers nothing by itself."""
        mute = socket.socket(socket.AF_UNIX)
        self.addCleanup(mute.close)
        mute.bind(str(Path(self.folder) / "mute.sock"))
        mute.listen()
        mute.settimeout(10 * PATIENCE)
        return mute

    def next_question(self, mute):
        asked, _ = mute.accept()
        self.addCleanup(asked.close)
        self.assertIn(b"GET /api/v1/rollouts/shop ", asked.recv(4096))
        return asked

    def test_one_that_says_nothing(self):
        mute = self.mute_daemon()
        terminal = self.terminal("--addr", f"unix:{mute.getsockname()}", "status", "shop", "--watch")
        self.next_question(mute)
        self.interrupt(terminal)
        self.assertEqual(terminal.screen.used, set())

    def test_one_that_says_nothing_more(self):
        self.start_rollout()
        answer = ctl("--addr", self.daemon.admin_url(""), "status", "shop", "-o", "json").stdout.encode()
        mute = self.mute_daemon()
        terminal = self.terminal("--addr", f"unix:{mute.getsockname()}", "wait", "shop", "--for", "promoted")
        with self.next_question(mute) as asked:
            asked.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        self.next_question(mute)
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 1)
        self.assertIn("shop: Idle", terminal.screen.text())
        self.assertIn("canaryctl: interrupted", terminal.screen.text())


if __name__ == "__main__":
    run_side_by_side()
