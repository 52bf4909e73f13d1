"""A C++ file as tidy sees it: comments and literals blanked, statements and functions found by braces.

A heuristic, not a parser: it knows enough of the language to count lines and to look at one statement.
"""

import re

_TOKEN = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | (?:u8|[uUL])?R"(?P<fence>[^()\\\s]{0,16})\(.*?\)(?P=fence)"
      | (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
      | (?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'
    """,
    re.DOTALL | re.VERBOSE,
)
_DEVIATION = re.compile(r"(?://|#)\s*DEVIATION:(?P<reason>.*)")
_NOT_A_FUNCTION = re.compile(r"^(?:export\s+|inline\s+|typedef\s+)*(?:namespace|class|struct|union|enum|extern)\b")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
_BLOCK_BEFORE = re.compile(r"(?:[){};]|\b(?:else|do|try|const|noexcept|override|mutable)|->[\w\s:<>,&*]+)\s*$")
_TEMPLATE_HEAD = re.compile(r"^template\s*<[^{}()]*>\s*(?:requires[^{}]*?\)\s*)?")


def _blank(match):
    text = match.group(0)
    lines = "\n" * text.count("\n")
    if text.startswith(("//", "/*")):
        return " " + lines
    return '""' + lines


def is_comment(line):
    return line.lstrip().startswith(("//", "#", "*"))


class Source:
    """One text file. `code` has the same line numbers as `text` but neither comments nor literals."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.is_cpp = path.endswith((".cpp", ".hpp"))
        self.code = _TOKEN.sub(_blank, text) if self.is_cpp else text
        self.code_lines = self.code.split("\n")

    @property
    def room(self):
        """The room that owns the file, or None: include/canaryd/ROOM, src/ROOM, tests/unit/ROOM."""
        parts = self.path.split("/")
        if self.path.startswith("include/canaryd/") and len(parts) > 3:
            return parts[2]
        if self.path.startswith("src/") and len(parts) > 2:
            return parts[1]
        if self.path.startswith("tests/unit/") and len(parts) > 3:
            return parts[2]
        return None

    def deviation(self, line):
        """The reason given for breaking a rule at this line (1-based): on it, or in the comment right above."""
        candidates = [line]
        above = line - 1
        while above >= 1 and is_comment(self.lines[above - 1]):
            candidates.append(above)
            above -= 1
        for number in candidates:
            found = _DEVIATION.search(self.lines[number - 1])
            if found:
                return found["reason"].strip()
        return None

    def file_deviation(self):
        """The reason given in the comment that opens the file."""
        for line in self.lines:
            if not is_comment(line) or line.startswith("#include") or line.startswith("#pragma"):
                return None
            found = _DEVIATION.search(line)
            if found:
                return found["reason"].strip()
        return None

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if found:
                yield number, found[2], found[1] == '"'

    def functions(self):
        """(first line, last line, head) of each function body that is not inside another one."""
        found = []
        kinds = []  # What each open brace is: "scope", "function" or "other".
        start = 0
        line = 1
        opened_at = 0
        head = ""
        code = _DIRECTIVE.sub(lambda match: "\n" * match.group(0).count("\n"), self.code)
        for position, char in enumerate(code):
            if char == "\n":
                line += 1
            elif char == ";":
                start = position + 1
            elif char == "{":
                statement = " ".join(code[start:position].split())
                inside = "function" in kinds or "other" in kinds
                kind = "other" if inside else _brace_kind(statement)
                if kind == "function":
                    opened_at, head = line, statement
                kinds.append(kind)
                start = position + 1
            elif char == "}":
                if kinds and kinds.pop() == "function":
                    found.append((opened_at, line, head))
                start = position + 1
        return found

    def statements_with(self, word):
        """(line, text) of each statement that holds the word; text runs from its start to its end."""
        for match in re.finditer(r"\b%s\b" % word, self.code):
            line_start = self.code.rfind("\n", 0, match.start()) + 1
            if self.code[line_start:match.start()].lstrip().startswith("#"):
                continue  # A name in an #include is not a statement.
            begin = _statement_start(self.code, match.start())
            end = _statement_end(self.code, match.end())
            line = self.code.count("\n", 0, match.start()) + 1
            yield line, " ".join(self.code[begin:end].split()), " ".join(self.code[match.start():end].split())


def _brace_kind(statement):
    statement = _TEMPLATE_HEAD.sub("", statement)
    statement = re.sub(r"^(?:public|private|protected)\s*:\s*", "", statement)
    if not statement or _NOT_A_FUNCTION.match(statement):
        return "scope"
    if re.search(r"(?:=|\breturn|,|\()\s*$", statement) or "(" not in statement:
        return "other"
    return "function"


def _statement_start(code, position):
    """Walks back to the ; or the brace of the block that begins the statement, over balanced brackets."""
    depth = 0
    while position > 0:
        char = code[position - 1]
        if char in ")]":
            depth += 1
        elif char in "([":
            depth -= 1
        elif char in ";}" and depth <= 0:
            break
        elif char == "{" and depth <= 0:
            if position == 1 or _BLOCK_BEFORE.search(code[max(0, position - 120):position - 1]):
                break
            depth -= 1  # The brace of an initialiser: the statement began before it.
        position -= 1
    return position


def _statement_end(code, position):
    depth = 0
    while position < len(code):
        char = code[position]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == ";" and depth <= 0:
            break
        position += 1
    return position
