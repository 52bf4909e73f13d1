"""Whether a file includes what it names of another room.

Presets that compile several files at a time, and the headers that a file happens to get from others, hide a missing
#include until somebody compiles the file by itself. Seen here is what is written ROOM::NAME: some header that the file
includes, itself or through others, must have that name.
"""

import re


def _alias(name):
    """As it stands among the words: another namespace has the name of a room here."""
    return name + " ="


def _aliases_in(text):
    return {_alias(name) for name in re.findall(r"\bnamespace (\w+) =", text)}


class IncludeRule:
    """Reads each header once. root: the top of the tree."""

    def __init__(self, root, rooms):
        self._folders = [root / "include", root / "src"]
        self._named = re.compile(rf"(?<![\w:])(?:canaryd::)?({'|'.join(sorted(rooms))})::(\w+)")
        self._known = {}

    def faults(self, source):
        """(line, rule, message) of each name for which nothing is included; the first place of each."""
        if not source.path.startswith(("src/", "include/")) or not source.is_cpp:
            return
        words = self._words_of(source.text)
        own = set(re.findall(r"(?<!::)\b\w+", source.code))
        words |= _aliases_in(source.text)
        told = set()
        for number, line in enumerate(source.code_lines, 1):
            for room, name in self._named.findall(line):
                is_known = name in words or name in own or _alias(room) in words
                if is_known or name in told or source.deviation(number):
                    continue
                told.add(name)
                yield number, "includes", f"{room}::{name} is in no header that is included"

    def _words_of(self, text):
        words = set()
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE):
            words |= self._words_behind(name)
        return words

    def _words_behind(self, name):
        """Of the header and all that it includes."""
        if name not in self._known:
            self._known[name] = set()  # Should headers include each other.
            for folder in self._folders:
                path = folder / name
                if path.is_file():
                    text = path.read_text(encoding="utf-8")
                    self._known[name] = set(re.findall(r"\w+", text)) | _aliases_in(text) | self._words_of(text)
                    break
        return self._known[name]
