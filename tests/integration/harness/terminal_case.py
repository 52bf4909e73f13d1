"""A daemon, and canaryctl in a terminal that watches it."""

from .case import IntegrationCase
from .daemon import CANARYCTL
from .terminal import Terminal

# Cursor up, erase the rest of the line, or of the screen, colours.
IN_PLACE = {"A", "K", "J", "m"}


class TerminalCase(IntegrationCase):
    def terminal_of(self, *command, **more):
        terminal = Terminal(command, **more)
        self.addCleanup(terminal.close)
        return terminal

    def terminal(self, *arguments, **more):
        """canaryctl in a terminal."""
        return self.terminal_of(CANARYCTL, *arguments, **more)

    def of_daemon(self, *arguments, **more):
        return self.terminal("--addr", self.daemon.admin_url(""), *arguments, **more)

    def watch(self, *arguments, **more):
        terminal = self.of_daemon("status", *arguments, "--watch", **more)
        terminal.wait_for_frames()
        return terminal

    def interrupt(self, terminal):
        """It ends as it should, and leaves the terminal as it was."""
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 0, terminal.screen.text())
        self.assertTrue(terminal.modes_are_as_before())

    def check_in_place(self, screen):
        self.assertLessEqual(screen.used, IN_PLACE)
        self.assertEqual((screen.clears, screen.flickers, screen.wraps), (0, 0, 0), screen.text())

    def resize(self, terminal, rows, columns):
        """Right behind a frame, as the next one is a second away: none is between two sizes. Until that is there."""
        before = terminal.screen.clears
        terminal.wait_for_frames()
        terminal.resize(rows, columns)
        frames = terminal.screen.frames
        # The terminal may have wrapped the old lines, so that nobody knows where they are.
        terminal.wait_for(lambda screen: screen.clears > before and screen.frames > frames, f"{columns} columns")
        self.assertEqual((terminal.screen.clears, terminal.screen.wraps), (before + 1, 0), terminal.screen.text())
