"""`canaryctl explain --verify`: a verdict is what its rows of evidence come to, and what was changed since is found."""

import json
import sqlite3
import struct
import unittest
from pathlib import Path

from harness import IntegrationCase, wait_until
from harness.evidence import BLOCK, number, numbers

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
CANARY_BAD = 7  # Of the values of a block; twice the number, as signed ones are packed.
MASK = (1 << 64) - 1


def siphash(text):
    """SipHash-2-4 under the key 0 (Aumasson, Bernstein 2012)."""
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]

    def left(value, by):
        return (value << by | value >> (64 - by)) & MASK

    def turn():
        v[0] = (v[0] + v[1]) & MASK
        v[1] = left(v[1], 13) ^ v[0]
        v[0] = left(v[0], 32)
        v[2] = (v[2] + v[3]) & MASK
        v[3] = left(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & MASK
        v[3] = left(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & MASK
        v[1] = left(v[1], 17) ^ v[2]
        v[2] = left(v[2], 32)

    padded = text + b"\0" * (7 - len(text) % 8) + bytes([len(text) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        turn()
        turn()
        v[0] ^= word
    v[2] ^= 255
    for _ in range(4):
        turn()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def check_value(rollout, run, place, kind, packed):
    text = rollout.encode() + b"\0" + number(run) + number(place) + number(kind) + packed
    return (siphash(text) & 0xFFFFFFFF).to_bytes(4, "little")


class VerifyTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]
        self.start_rollout(steps, "auto", analysis={"latency_quantiles": []}, rollout=BY_EVIDENCE)
        load = self.start_load(rate=100)
        wait_until(lambda: (self.daemon.metric("canaryd_requests_total", cohort="canary") or 0) > 50, "traffic")
        self.v2.failing = True
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "rollback", 30)
        self.totals(load)
        self.verdict = self.verify()

    def verify(self, *more, code=0):
        done = self.daemon.ctl("explain", "shop", "--verify", *more, "-o", "json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def change(self, work):
        """As somebody with the database of a stopped daemon."""
        self.daemon.stop()
        database = sqlite3.connect(Path(self.folder) / "state" / "state.db")
        with database:
            work(database)
        database.close()
        self.daemon.start()

    def a_block(self, database):
        """(run, place, values) of a block that the verdict is made of, in which the canary failed."""
        run, rows = self.verdict["run"], self.verdict["rows"]
        for place, data in database.execute(
                "SELECT place, data FROM evidence WHERE run = ? AND place < ? AND kind = ?", (run, rows, BLOCK)):
            values = numbers(data[:-4])
            if values[CANARY_BAD] > 10:
                return run, place, values
        raise AssertionError("no such block")

    def test_the_same_before_and_after_a_restart(self):
        before = self.verdict
        self.assertEqual((before["result"], before["decision"]), ("same", "rollback"))
        self.assertGreater(before["figures"][0]["value"], 4.6)
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.verify(), before)
        said = self.daemon.ctl("explain", "shop", "--verify", "--at", str(before["id"]))
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, rf"(?s)^{before['id']}  20.*rolled back shop .*\n  same: .*bit for bit\n  verdict rollback, of ")

    def test_every_transition(self):
        rows = self.daemon.get("/api/v1/rollouts/shop/history")["items"]
        self.assertIn("errors canary", rows[-1]["evidence"])
        results = [self.verify("--at", str(row["id"]), code=row["from"] == "idle")["result"] for row in rows]
        self.assertEqual(results, ["not_verifiable"] + ["same"] * (len(rows) - 1))
        self.assertEqual(self.daemon.ctl("explain", "shop", "--verify", "--at", "99").returncode, 1)
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/none/verification")[0], 404)

    def test_a_changed_block_is_found(self):
        def fewer_failures(database):
            run, place, values = self.a_block(database)
            values[CANARY_BAD] = 2
            packed = b"".join(map(number, values))
            database.execute("UPDATE evidence SET data = ? WHERE run = ? AND place = ?",
                             (packed + check_value("shop", run, place, BLOCK, packed), run, place))

        self.change(fewer_failures)
        found = self.verify(code=1)
        self.assertEqual(found["result"], "different")
        self.assertNotEqual(found["figures"][0]["recorded"], found["figures"][0]["recomputed"])

    def test_a_missing_block_is_found(self):
        def lose(database):
            run, place, _ = self.a_block(database)
            database.execute("DELETE FROM evidence WHERE run = ? AND place = ?", (run, place))

        self.change(lose)
        self.assertEqual(self.verify(code=1)["result"], "damaged")

    def test_a_changed_journal_is_found(self):
        def accuse(database):
            database.execute("DROP TRIGGER journal_stays")
            database.execute("UPDATE journal SET actor = 'mallory' WHERE id = 1")

        self.change(accuse)
        found = self.verify(code=1)
        self.assertEqual(found["result"], "damaged")
        self.assertIn("row 1", found["why"])


if __name__ == "__main__":
    unittest.main()
