"""The conformance suite: raw bytes through the real binary, each case naming the rule that it checks.

case.py      what a case is, and the words in which cases are written
wire.py      the two ends: a raw client, and an upstream that does what the case says
run.py       one daemon, and the cases played against it one by one
rules.py     the rules: RFC section or class of attack, in our own words
topics/      the cases, one file a topic
report.py    docs/conformance.md: which case checks which rule
"""
