"""W3C trace context: passed as it came, begun where it is wanted, and named in the access log."""

import json
import os
import re
import unittest

from harness import IntegrationCase, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
VALID = f"00-{TRACE}-b7ad6b7169203331-01"
INVALID = (
    VALID.upper(), VALID + "-x", f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01", "nonsense")


class TraceTest(IntegrationCase):
    def start_traced(self, **more):
        self.file = os.path.join(self.folder, "access.log")
        self.v1 = self.upstream("v1")
        self.start({"v1": self.v1}, log={"access": {"file": self.file}}, **more)

    def traced(self, *fields):
        """(traceparent fields, tracestate fields) at the upstream, and the line's trace_id."""
        count = len(self.records())
        self.assertEqual(self.get("/", list(fields)).status, 200)
        wait_until(lambda: len(self.records()) == count + 1, "the line")
        head = [(name.lower(), value) for name, value in self.v1.heads[-1][1]]
        return (
            [value for name, value in head if name == "traceparent"],
            [value for name, value in head if name == "tracestate"],
            self.records()[-1].get("trace_id"))

    def records(self):
        with open(self.file, encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def test_without_tracing_everything_passes(self):
        self.start_traced()
        self.assertEqual(self.traced(), ([], [], None))
        self.assertEqual(
            self.traced(("traceparent", VALID), ("tracestate", "a=1,b=2")), ([VALID], ["a=1,b=2"], TRACE))
        for value in INVALID:
            self.assertEqual(self.traced(("traceparent", value), ("tracestate", "a=1")), ([value], ["a=1"], None))

    def test_a_valid_trace_passes_unchanged(self):
        self.start_traced(tracing={"propagate": ["w3c"]})
        self.assertEqual(
            self.traced(("Traceparent", VALID), ("Tracestate", "a=1"), ("tracestate", "b=2")),
            ([VALID], ["a=1", "b=2"], TRACE))
        later = f"cc-{TRACE}-b7ad6b7169203331-00-what.the.future"
        self.assertEqual(self.traced(("traceparent", later)), ([later], [], TRACE))

    def test_what_is_invalid_or_missing_begins_a_trace(self):
        self.start_traced(tracing={})
        seen = set()
        cases = [(), *((("traceparent", value), ("tracestate", "a=1")) for value in INVALID),
                 (("traceparent", VALID), ("traceparent", VALID)), (("tracestate", "a=1"),)]
        for fields in cases:
            parents, states, logged = self.traced(*fields)
            self.assertEqual((len(parents), states), (1, []), fields)
            match = re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-01", parents[0])
            self.assertTrue(match, parents)
            self.assertEqual(match[1], logged)
            seen.add(logged)
        self.assertEqual(len(seen), len(cases))

    def test_sample_says_how_many_are_marked(self):
        self.start_traced(tracing={"sample": 0})
        self.assertTrue(self.traced()[0][0].endswith("-00"))

    def test_a_reload_turns_it_on(self):
        self.start_traced()
        self.assertEqual(self.traced()[0], [])
        text = self.daemon.file.read_text(encoding="utf-8")
        self.daemon.write(text + "tracing: {}\n")
        self.daemon.post("/api/v1/reload")
        wait_until(lambda: len(self.traced()[0]) == 1, "a trace")


if __name__ == "__main__":
    unittest.main()
