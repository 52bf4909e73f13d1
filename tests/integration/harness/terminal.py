"""A program on a pseudo-terminal, and what somebody who sits before it sees."""

import codecs
import fcntl
import os
import re
import struct
import subprocess
import termios
import unicodedata

from .waiting import PATIENCE, wait_until

SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([@-~])")
UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*)?\Z")


def width_of(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Screen:
    """What xterm would show of the few sequences that canaryctl uses; any other is an error.

    As there, the cursor stays behind the last column until the next character, which then wraps; to erase the rest of
    the line takes that column's character.
    """

    def __init__(self, rows, columns, row=0):
        self.rows, self.columns = rows, columns
        self.row, self.column = row, 0
        self.cells = [[" "] * columns for _ in range(rows)]
        self.above = []  # What has left it at the top.
        self.used = set()  # The sequences, by their last character.
        self.clears = 0
        self.frames = 0  # That were drawn to their end.
        self.wraps = 0  # Characters that found no place in their line.
        self.flickers = 0  # Characters that were erased and then came again in the same frame.
        self._erased = set()
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._rest = ""

    def lines(self):
        text = ["".join(cells).rstrip() for cells in self.cells]
        while text and not text[-1]:
            text.pop()
        return text

    def text(self):
        return "\n".join(self.lines())

    def resize(self, rows, columns):
        """What has no place any more is cut off; at the top, if the cursor would else be outside."""
        while self.row >= rows:
            self._scroll()
            self.row -= 1
        kept = [cells[:columns] + [" "] * (columns - len(cells)) for cells in self.cells[:rows]]
        self.cells = kept + [[" "] * columns for _ in range(rows - len(kept))]
        self.rows, self.columns = rows, columns
        self.column = min(self.column, columns - 1)

    def feed(self, data):
        text = self._rest + self._decode(data)
        cut = UNFINISHED.search(text)
        self._rest = cut.group() if cut else ""
        text = text[:len(text) - len(self._rest)]
        place = 0
        while place < len(text):
            sequence = SEQUENCE.match(text, place)
            if sequence:
                self._command(sequence[1], sequence[2])
                place = sequence.end()
            else:
                self._character(text[place])
                place += 1

    def _character(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        elif character.isprintable():
            self._put(character)
        else:
            raise AssertionError(f"a terminal is told {character!r}")

    def _put(self, character):
        width = width_of(character)
        if self.column + width > self.columns:
            self.wraps += 1
            self.column = 0
            self._down()
        for column in range(self.column, self.column + width):
            if character != " " and (self.row, column) in self._erased:
                self.flickers += 1
            self.cells[self.row][column] = "" if column > self.column else character
        self.column += width

    def _down(self):
        if self.row + 1 < self.rows:
            self.row += 1
        else:
            self._scroll()

    def _scroll(self):
        self.above.append("".join(self.cells.pop(0)).rstrip())
        self.cells.append([" "] * len(self.cells[0]))

    def _command(self, parameter, letter):
        self.used.add(letter)
        if letter == "A":
            self.row = max(0, self.row - int(parameter or 1))
            self._erased.clear()
        elif letter == "H" and not parameter:
            self.row = self.column = 0
        elif letter == "K" and not parameter:
            self._erase(self.row, min(self.column, self.columns - 1))
        elif letter == "J" and not parameter:
            self._erase(self.row, min(self.column, self.columns - 1))
            for row in range(self.row + 1, self.rows):
                self._erase(row, 0)
            self.frames += 1
        elif letter == "J" and parameter == "2":
            for row in range(self.rows):
                self._erase(row, 0)
            self.clears += 1
            self.wraps = 0
        elif letter != "m":
            raise AssertionError(f"a terminal is told ESC [ {parameter} {letter}")

    def _erase(self, row, first):
        for column in range(first, self.columns):
            if self.cells[row][column] != " ":
                self._erased.add((row, column))
            self.cells[row][column] = " "


class Terminal:
    """The program is in the foreground of its own session, so that Ctrl-C and a resize reach it as they reach anything
    in a terminal. Both its outputs go to the screen."""

    def __init__(self, command, rows=30, columns=100, row=0, environment=(), tells_size=True):
        self.screen = Screen(rows, columns, row)
        self._tells_size = tells_size  # A serial line does not.
        self._ours, self._theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self._set_size()
        self.modes = termios.tcgetattr(self._theirs)
        known = {name: value for name, value in os.environ.items()
                 if not name.startswith(("CANARYD_", "LC_")) and name not in ("NO_COLOR", "COLUMNS")}
        self.process = subprocess.Popen(
            command, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**known, "TERM": "xterm", "LC_ALL": "C.UTF-8", **dict(environment)})

    def _set_size(self):
        known = (self.screen.rows, self.screen.columns) if self._tells_size else (0, 0)
        size = struct.pack("HHHH", *known, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def resize(self, rows, columns):
        self.look()
        self.screen.resize(rows, columns)
        self._set_size()

    def type(self, text):
        os.write(self._ours, text.encode())

    def look(self):
        """The screen, with all that was written until now."""
        while True:
            try:
                data = os.read(self._ours, 65536)
            except BlockingIOError:
                return self.screen
            self.screen.feed(data)

    def wait_for(self, condition, what):
        """Until condition(screen); the screen then."""
        try:
            wait_until(lambda: condition(self.look()), what)
        except AssertionError as error:
            raise AssertionError(f"{error}; on the screen is:\n{self.screen.text()}") from None
        return self.screen

    def wait_for_text(self, text):
        return self.wait_for(lambda screen: text in screen.text(), f"{text!r} on the screen")

    def wait_for_frames(self, count=1):
        """So many more that are drawn to their end."""
        wanted = self.look().frames + count
        return self.wait_for(lambda screen: screen.frames >= wanted, f"{count} frames")

    def end(self):
        """Its exit code, once it ends by itself; the screen then has all that it said."""
        self.wait_for(lambda _: self.process.poll() is not None, "the end of the program")
        self.look()
        return self.process.returncode

    def shows_typing(self):
        return bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)

    def modes_are_as_before(self):
        return termios.tcgetattr(self._theirs) == self.modes

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30 * PATIENCE)
        os.close(self._ours)
        os.close(self._theirs)
