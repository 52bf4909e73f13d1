"""Prints docs/conformance.md: python3 tests/integration/test_conformance.py --report > docs/conformance.md"""

from pathlib import Path

from .case import CASES
from .rules import RULES

_REQUIREMENTS = "docs/rfc-requirements.md"
_HEAD = """# Conformance

Which rules the conformance suite (`tests/integration/conformance`) checks with raw bytes through the real binary, and
by which cases. Printed by `python3 tests/integration/test_conformance.py --report`; a test compares.

`*`: we are stricter than the section asks, and refuse where it allows repair. Names stand for all cases that begin with
them; `python3 tests/integration/test_conformance.py -k NAME` runs them.

What the RFCs ask of a gateway, one requirement after the other, and which case or test shows it:
[{requirements}]({link}).
"""


def _titles():
    return (("9110-", "RFC 9110, HTTP semantics"), ("9112-", "RFC 9112, HTTP/1.1"),
            ("6455-", "RFC 6455, WebSocket"), ("attack-", "Published classes of attack"),
            ("canaryd-", "Promises of our own"))


def report():
    lines = [_HEAD.format(requirements=_REQUIREMENTS, link=Path(_REQUIREMENTS).name)]
    for prefix, title in _titles():
        lines += [f"## {title}", "", "| rule | what | cases | among them |", "| --- | --- | --- | --- |"]
        for key, text in RULES.items():
            if key.startswith(prefix):
                names = [case.name for case in CASES.values() if key in case.rules]
                shown = ", ".join(f"`{name}`" for name in names[:3])
                lines.append(f"| {key[len(prefix):]} | {text} | {len(names)} | {shown} |")
        lines.append("")
    lines.append(f"{len(CASES)} cases in all.")
    return "\n".join(lines) + "\n"
