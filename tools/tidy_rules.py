"""The rules of tidy. Each takes a Source and yields (line, rule, message); line 0 speaks of the whole file.

`// DEVIATION: reason`, on the line or in the comment right above it, excuses any rule; for the size of a file it
stands in the comment that opens the file.
"""

import ast
import re

FILE_WARN, FILE_FAIL = 400, 600
FUNCTION_FAIL = 70
SIZED = (".cpp", ".hpp", ".py", ".sh", ".js")

# (rule, pattern, where it is at home). A home is a path prefix.
_CLOCK_HOMES = ("src/base/clock.cpp", "bench/")  # A benchmark is about the clock itself.
_RANDOM_HOMES = ("src/base/random.cpp",)
BANNED_CPP = (
    ("clock", r"\b(?:steady|system|high_resolution)_clock::now\b", _CLOCK_HOMES),
    ("clock", r"\b(?:clock_gettime|gettimeofday)\s*\(|\bstd::time\s*\(", _CLOCK_HOMES),
    ("random", r"\bs?rand\s*\(|\brandom_device\b|\bmt19937", _RANDOM_HOMES),
    ("sleep", r"\bthis_thread::sleep_|(?<![\w.>])(?:u|nano)sleep\s*\(|::sleep\s*\(|^\s*sleep\s*\(", ()),
    ("detach", r"(?:\.|->)detach\s*\(|\basio::detached\b", ()),
    ("endl", r"\bstd::endl\b", ()),
    ("new_delete", r"\boperator\s+(?:new|delete)\b", ("include/canaryd/net/", "src/net/")),
    # Allowed: ::new (place) T, which allocates nothing, and unique_ptr<T>(new T(...)) for a private constructor.
    ("new_delete", r"(?<!operator )(?<!>\()(?<!::)\bnew\b|::new\b(?!\s*\()|(?<!operator )(?<!= )\bdelete\b", ()),
    ("fixed_port", r"\bhtons\s*\(\s*[1-9]", ("src/", "include/")),
)
BANNED_PY_TESTS = (
    ("sleep", r"\btime\.sleep\s*\(|\bfrom time import .*\bsleep\b", ("tests/integration/harness/waiting.py",)),
    ("fixed_port", r"\.bind\(\([^)]*,\s*[1-9]\d*\s*\)", ()),
    ("fixed_port", r"(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]):[1-9]\d+", ()),
)
# Written so that this file does not break its own rule.
_MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:work|tmp/wt|root|farm|home/\w+)/")


def _excused(source, line):
    return bool(source.deviation(line) if line else source.file_deviation())


def deviation_has_reason(source):
    for number, line in enumerate(source.lines, 1):
        if re.search(r"(?://|#) DEVIATION:\s*$", line):
            yield number, "deviation", "DEVIATION without a reason"


def layers(source, table):
    room = source.room
    if not source.is_cpp or room is None:
        return
    if room not in table["rooms"]:
        yield 0, "layers", f"room {room} is not in tools/layers.json"
        return
    is_test = source.path.startswith("tests/")
    for number, name, quoted in source.includes():
        for message in _include_faults(source, room, name, quoted, is_test, table):
            if not _excused(source, number):
                yield number, "layers", message


def _include_faults(source, room, name, quoted, is_test, table):
    allowed = table["rooms"][room]
    if quoted:
        other = name.split("/")[1] if name.startswith("canaryd/") else name.split("/")[0]
        private = not name.startswith("canaryd/")
        if other not in table["rooms"] or other == room:
            return
        if private and not (room == "daemon" and is_test):
            yield f"{name}: a private header of {other}; include canaryd/{other}/... instead"
        elif not is_test and "*" not in allowed and other not in allowed:
            yield f"{room} may not include {other} ({name})"
        return
    if is_test:
        return
    if room in table["pure"] and any(_is(name, prefix) for prefix in table["not_in_pure"]):
        yield f"{room} is pure: no <{name}>"
    for prefix, homes in table["libraries"].items():
        if _is(name, prefix) and room not in homes:
            yield f"<{name}> belongs to {', '.join(homes)}"
    if source.path.startswith("include/") and any(_is(name, p) for p in table["not_in_public_headers"]):
        yield f"<{name}> in a public header; put it behind plain types"


def _is(name, prefix):
    return name == prefix or name.startswith(prefix if prefix.endswith("/") else prefix + "/") or (
        prefix.startswith("boost/") and name.startswith(prefix))


def cmake_layers(path, text, table):
    """DEPS of canaryd_room(...) in src/ROOM/CMakeLists.txt must be allowed too."""
    room = path.split("/")[1]
    found = re.search(r"\bDEPS\s+([\w\s]+?)\s*(?:\)|SOURCES|HEADERS|LIBS|NAME)", text)
    allowed = table["rooms"].get(room)
    if allowed is None or found is None or "*" in allowed:
        return
    for other in found[1].split():
        if other in table["rooms"] and other not in allowed:
            line = text.count("\n", 0, found.start()) + 1
            yield line, "layers", f"{room} may not depend on {other}"


def design_table(text, table):
    """The table of docs/design.md section 2 and tools/layers.json say the same."""
    pure = [room for room in table["rooms"] if room in table["pure"]]
    seen = set()
    for row in re.finditer(r"^\|\s*[\d][^|]*\|([^|]*)\|[^|]*\|([^|]*)\|\s*$", text, re.MULTILINE):
        line = text.count("\n", 0, row.start()) + 1
        for room in re.findall(r"`(\w+)`", row[1]):
            seen.add(room)
            said = _expand(row[2], room, pure)
            if room not in table["rooms"] or set(table["rooms"][room]) - {"*"} != said - {"*"}:
                yield line, "layers", f"docs/design.md and tools/layers.json differ on {room}"
    for room in sorted(set(table["rooms"]) - seen):
        yield 0, "layers", f"docs/design.md section 2 has no row for {room}"


def _expand(cell, room, pure):
    for part in cell.split(";"):
        if ":" in part:
            name, part = part.split(":", 1)
            if name.strip() != room:
                continue
        if part.strip() == "all":
            return {"*"}
        words = set(part.replace("all of layer 1", " ".join(["base", *pure])).replace(",", " ").split())
        return words - {"-"}
    return set()


def sizes(source):
    if not source.path.endswith(SIZED):
        return
    count = source.text.count("\n")
    if count > FILE_FAIL and not _excused(source, 0):
        yield 0, "file_size", f"{count} lines, at most {FILE_FAIL}"
    elif count > FILE_WARN and not _excused(source, 0):
        yield 0, "warning", f"{count} lines, aim for {FILE_WARN}"
    for first, last, name in _functions(source):
        if last - first + 1 > FUNCTION_FAIL and not _excused(source, first):
            yield first, "function_size", f"{name}: {last - first + 1} lines, at most {FUNCTION_FAIL}"


def _functions(source):
    if source.is_cpp:
        for first, last, head in source.functions():
            yield first, last, head[:60]
    elif source.path.endswith(".py"):
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.lineno, node.end_lineno, node.name


def banned(source):
    rules = ()
    if source.is_cpp:
        rules = BANNED_CPP
    elif source.path.startswith("tests/") and source.path.endswith(".py"):
        rules = BANNED_PY_TESTS
    lines = source.code_lines
    for rule, pattern, homes in rules:
        if source.path.startswith(homes or ("\0",)):
            continue
        expression = re.compile(pattern)
        for number, line in enumerate(lines, 1):
            if source.is_cpp and line.lstrip().startswith("#"):
                continue
            found = expression.search(line)
            if found and not _excused(source, number):
                yield number, rule, f"'{found.group(0).strip()}' is banned here"


_DECLARATION = re.compile(r"^(?:\[\[\w+\]\]\s*)?[\w:<>,&*()\s]+?[\s&*](?:\w+|\[[\w\s,]+\])\s*=\s*$")
_TRY_MACRO = re.compile(r"^CANARYD_CO_\w+\((?:[\w:<>,&*\s]+,)?\s*$")


def co_await(source):
    """g++ 12.2 destroys temporaries twice; docs/design.md section 6 has the rule that avoids it."""
    if not source.is_cpp:
        return
    for line, statement, rest in source.statements_with("co_await"):
        if re.search(r"\boperator\s*$", statement[:len(statement) - len(rest)]):
            continue
        message = _co_await_fault(_strip_heads(statement[:len(statement) - len(rest)]), rest)
        if message and not _excused(source, line):
            yield line, "co_await", message
    for line, _, rest in source.statements_with("co_spawn"):
        message = _argument_fault(rest)
        if message and not _excused(source, line):
            yield line, "co_await", "co_spawn: " + message
    lambdas = r"\[[^\]\s][^\]]*\]\s*\([^()]*\)\s*(?:mutable\s*)?->\s*[\w:]*\b(?:Task|awaitable)\s*<"
    for match in re.finditer(lambdas, source.code):
        line = source.code.count("\n", 0, match.start()) + 1
        if not _excused(source, line):
            yield line, "co_await", "a coroutine lambda with captures: they live in the closure, not in the frame"


def _strip_heads(prefix):
    """Drops case labels, else, do, and closed if (...), for (...), while (...) heads before the statement."""
    while True:
        shorter = re.sub(r"^(?:else|do)\b\s*|^(?:case\b[^?]*?|default)\s*:(?!:)\s*", "", prefix)
        head = re.match(r"^(?:if|for|while)\s*(?:constexpr\s*)?\(", shorter)
        if head:
            depth, end = 1, head.end()
            while end < len(shorter) and depth:
                depth += {"(": 1, ")": -1}.get(shorter[end], 0)
                end += 1
            if depth == 0:
                shorter = shorter[end:].lstrip()
        if shorter == prefix:
            return prefix.rstrip()
        prefix = shorter


def _co_await_fault(prefix, rest):
    condition = re.match(r"^if\s*\(", prefix)
    if condition:
        # if (auto x = co_await f(); ...) initialises a local; anything else in a condition does not.
        prefix = prefix[condition.end():] if rest.count("(") == rest.count(")") else prefix
    stands = prefix in ("", "co_return") or _TRY_MACRO.match(prefix)
    if not stands and not (_DECLARATION.match(prefix) and not re.match(r"^(?:if|while|switch)\b", prefix)):
        return "co_await must stand alone, initialise a local or be returned"
    if re.search(r"\?[^:]*:", rest):
        return "co_await inside ?:"
    return _argument_fault(rest)


def _argument_fault(rest):
    opening = rest.find("(")
    arguments = rest[opening:] if opening >= 0 else ""
    if re.search(r"[(,]\s*\[[^\]]+\]\s*[({m]", arguments):
        return "a capturing lambda as an argument; name it and move it in"
    if "{" in arguments and not re.search(r"[(,]\s*\[\]", arguments):
        return "a braced argument; name it and move it in"
    return None


def header_shape(source):
    if not source.path.endswith(".hpp"):
        return
    if not source.text.startswith("//"):
        yield 1, "header", "a header opens with a comment that says what it is"
    if "#pragma once" not in source.text:
        yield 1, "header", "#pragma once is missing"


def machine_paths(source):
    for number, line in enumerate(source.lines, 1):
        if _MACHINE_PATH.search(line) and not _excused(source, number):
            yield number, "machine_path", f"a path of one machine: {line.strip()[:80]}"


def document_names(source, exists):
    """A document that a comment names must be in the tree: X.md, docs/x.md."""
    if source.path.endswith(".md") or source.path.startswith("tools/"):
        return
    for number, line in enumerate(source.lines, 1):
        for name in re.findall(r"[\w./-]*\w\.md\b", line):
            if not exists(name) and not _excused(source, number):
                yield number, "document", f"{name} is not in the tree"


def white_space(source):
    if source.path.endswith(".md"):  # Two spaces at the end mean something there.
        return
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip(" \t\r"):
            yield number, "white_space", "white space at the end of the line"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "white_space", "no newline at the end"


PER_FILE = (deviation_has_reason, sizes, banned, co_await, header_shape, machine_paths, white_space)
