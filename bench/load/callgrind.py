"""Reads callgrind's output: what each function costs itself, and with all that it calls."""

import re
from collections import defaultdict

_POSITION = re.compile(r"^(?:\+|-|\*)?\d*\s")
_NAME = re.compile(r"^(fn|cfn|cfi|cfl|fl|fi|fe|ob|cob)=\((\d+)\)(?: (.*))?$")


class Profile:
    """Instructions by function. `own` is without callees; `all` is with them, each cycle's members counted once a
    call."""

    def __init__(self, total, own, whole):
        self.total, self.own, self.all = total, own, whole

    @classmethod
    def read(cls, path):
        names, own, called = {}, defaultdict(float), defaultdict(float)
        function, in_call, callee = None, False, None
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            named = _NAME.match(line)
            if named:
                kind, number, text = named.groups()
                if kind in ("fn", "cfn"):
                    if text is not None:
                        names[number] = text
                    if kind == "fn":
                        function = names[number]
                    else:
                        callee = names[number]
                continue
            if line.startswith("calls="):
                in_call = True
                continue
            if not _POSITION.match(line) or function is None:
                continue
            cost = float(line.split()[1]) if len(line.split()) > 1 else 0.0
            if in_call:
                # Recursion would count twice.
                if callee != function:
                    called[function] += cost
                in_call = False
            else:
                own[function] += cost
        whole = {name: own[name] + called[name] for name in set(own) | set(called)}
        return cls(sum(own.values()), dict(own), whole)

    def per_request(self, requests):
        def divided(costs):
            return {name: cost / requests for name, cost in costs.items()}

        return Profile(self.total / requests, divided(self.own), divided(self.all))


def short_name(name):
    """Without arguments and the namespaces that everything is in: "Exchange::relay"."""
    name = re.sub(r"\[clone[^\]]*\]|'\d+$", "", name)
    name = re.sub(r"\((?:[^()]|\([^()]*\))*\)(?: const)?", "", name)
    return name.replace("canaryd::", "").strip()


def differences(before, after, count):
    """[(name, before, after)] of the functions whose costs differ most."""
    names = set(before) | set(after)
    changed = sorted(names, key=lambda name: -abs(after.get(name, 0.0) - before.get(name, 0.0)))
    return [(name, before.get(name, 0.0), after.get(name, 0.0)) for name in changed[:count]]
