"""kill -9 at random moments of a running rollout: the journal is whole, and nothing acknowledged is lost.

Operators issue commands while a light load runs; the kill comes after a random number of answers and a random fraction
of a millisecond-scale commit. After each one the journal is read without the daemon, its hash chain recomputed here
(the daemon's own check at the start covers only its end), and then compared with what the daemon says on the same state.
"""

import hashlib
import http.client
import json
import math
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
import unittest

from harness import IntegrationCase, PATIENCE, RawClient, wait_until
from harness.evidence import BLOCK, numbers

KILLS = int(os.environ.get("CANARYD_TEST_KILLS") or 20)
SEED = int(os.environ.get("CANARYD_TEST_SEED") or random.SystemRandom().randrange(2**32))
TEXTS_BEFORE = ("actor", "event", "from_state", "to_state")
TEXTS_AFTER = ("cause", "reason", "evidence", "sentence", "state")
OVER = ("aborted", "rolled_back")
STABLE_COUNT, CANARY_COUNT = 4, 6  # Of the values of a block; twice the number, as signed ones are packed.
# What operators send, and how often in comparison. STAYING commands leave the run, and so its evidence, in place.
ANY = {"weight": 8, "promote": 5, "pause": 2, "resume": 2, "abort": 2, "rollback": 1, "retry": 4}
STAYING = {"weight": 8, "pause": 2, "resume": 2}


class State:
    """What is durable, read from a copy, so that looking changes nothing."""

    def __init__(self, folder):
        with tempfile.TemporaryDirectory() as copy:
            for name in os.listdir(folder):
                if name.startswith("state.db") and not name.endswith("-shm"):
                    shutil.copy(os.path.join(folder, name), copy)
            database = sqlite3.connect(os.path.join(copy, "state.db"))
            database.row_factory = sqlite3.Row
            self.intact = database.execute("PRAGMA integrity_check").fetchone()[0]
            self.rows = database.execute("SELECT * FROM journal ORDER BY id").fetchall()
            self.head = database.execute("SELECT id, hash FROM head").fetchone()
            self.evidence = [tuple(row) for row in database.execute(
                "SELECT run, place, kind, data FROM evidence ORDER BY run, place")]
            database.close()
        self.by_generation = {row["generation"]: row for row in self.rows}

    @property
    def last(self):
        return self.rows[-1]

    @property
    def run(self):
        return json.loads(self.last["state"])["run"]

    def evidence_of(self, run):
        return [row for row in self.evidence if row[0] == run]


def hash_of(before, row):
    def number(value):
        return struct.pack("<Q", value)

    def text(value):
        return number(len(value.encode())) + value.encode()

    message = b"canaryd journal 1" + before + number(row["id"]) + text(row["rollout"])
    message += number(row["generation"]) + number(row["at_ms"]) + b"".join(text(row[name]) for name in TEXTS_BEFORE)
    message += number(row["step"]) + number(row["weight_before"]) + number(row["weight_after"])
    return hashlib.sha256(message + b"".join(text(row[name]) for name in TEXTS_AFTER)).digest()


class Operator(threading.Thread):
    """Sends commands until the daemon is gone; keeps what was acknowledged as durable."""

    def __init__(self, daemon, seed, commands):
        super().__init__(daemon=True)
        self._daemon = daemon
        self._random = random.Random(seed)
        self._commands = commands
        self.acknowledged = []  # (command, generation, state, weight)
        self.surprises = []

    def run(self):
        try:
            while self._one():
                pass
        except (OSError, http.client.HTTPException, ValueError):
            pass  # Killed in the middle of an answer.

    def _one(self):
        command = self._random.choices(list(self._commands), list(self._commands.values()))[0]
        body = {"reason": "test"}
        if command == "weight":
            body["weight"] = self._random.choice((0, 0.5, 1, 5, 12.5, 25, 60, 100))
        status, text = self._daemon.request("POST", "/api/v1/rollouts/shop/" + command, body)
        if status == 409:
            return True
        answer = json.loads(text)
        if status != 200 or answer.get("durable") is not True:
            self.surprises.append((command, status, text))
            return False
        self.acknowledged.append((command, answer["generation"], answer["state"], answer["weight"]["target"]))
        return True


class Load(threading.Thread):
    """One user after the other, on whatever port the daemon has now; what a kill breaks is none of its business."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._daemon = daemon
        self._stopped = threading.Event()
        self.answers = 0

    def run(self):
        user = 0
        while not self._stopped.is_set():
            try:
                with RawClient(self._daemon.public, timeout=5) as client:
                    while not self._stopped.wait(0.002):
                        user += 1
                        if client.get("/", [("X-User-Id", str(user))]) is None:
                            break
                        self.answers += 1
            except (OSError, ValueError):
                self._stopped.wait(0.01)

    def stop(self):
        self._stopped.set()
        self.join()


class KillTest(IntegrationCase):
    def test_kills(self):
        print(f"seed {SEED} (CANARYD_TEST_SEED repeats the commands and the moments)", flush=True)
        self.random = random.Random(SEED)
        steps = [{"weight": weight, "min_duration": "0s"} for weight in (1, 5, 25, 50, 100)]
        wide = {"tolerance": {"errors": {"relative": 100, "absolute": 50}}, "latency_quantiles": []}
        self.start_rollout(steps=steps, start="auto", analysis=wide)
        load = Load(self.daemon)
        load.start()
        self.addCleanup(load.stop)
        self.acknowledged = self.ends_kept = self.evidence_kept = 0
        for kill in range(KILLS):
            with self.subTest(kill=kill, seed=SEED):
                self._kill_and_restart(patient=kill % 10 == 9)
        load.stop()
        print(f"{self.acknowledged} acknowledged, {self.ends_kept} ends and {self.evidence_kept} runs with evidence kept")
        self.assertGreater(load.answers, KILLS)
        self.assertGreater(self.acknowledged, KILLS)
        self.assertGreater(self.ends_kept, 0, "no kill met an ended rollout")
        self.assertGreater(self.evidence_kept, 0, "no kill met evidence")

    def _kill_and_restart(self, patient):
        commands = STAYING if patient else ANY
        operators = [Operator(self.daemon, self.random.getrandbits(64), commands) for _ in range(2)]
        if patient:
            self._let_evidence_grow()
        for operator in operators:
            operator.start()
        wanted = self.random.randrange(1, 15)
        wait_until(
            lambda: sum(len(o.acknowledged) for o in operators) >= wanted or not any(o.is_alive() for o in operators),
            "answers", pause=0.001)
        threading.Event().wait(self.random.uniform(0, 0.004))
        self.daemon.kill()
        for operator in operators:
            operator.join()
            self.assertEqual(operator.surprises, [])
        state = State(self.folder + "/state")
        self._check_journal(state)
        for operator in operators:
            self._check_acknowledged(state, operator.acknowledged)
        self.daemon.start()
        self._check_restart(state)

    def _let_evidence_grow(self):
        """Commands alone are too fast for the machine's ticks, and for what they write."""
        self.daemon.request("POST", "/api/v1/rollouts/shop/retry", {"reason": "test"})
        self.daemon.post("/api/v1/rollouts/shop/weight", {"weight": 50, "reason": "test"})
        blocks = sum(row[2] == BLOCK for row in State(self.folder + "/state").evidence)

        def grown():
            # What has been gathered is written with the next command.
            self.daemon.post("/api/v1/rollouts/shop/weight", {"weight": self.random.choice((40, 50))})
            return sum(row[2] == BLOCK for row in State(self.folder + "/state").evidence) > blocks

        wait_until(grown, "evidence in the file", pause=0.3)

    def _check_journal(self, state):
        self.assertEqual(state.intact, "ok")
        before, weight = bytes(32), 0
        for number, row in enumerate(state.rows, 1):
            self.assertEqual((row["id"], row["generation"], row["weight_before"]), (number, number, weight))
            before = hash_of(before, row)
            self.assertEqual(before, row["hash"], f"row {number}")
            weight = row["weight_after"]
        self.assertEqual((state.head["id"], state.head["hash"]), (len(state.rows), before))

    def _check_acknowledged(self, state, acknowledged):
        for command, generation, name, weight in acknowledged:
            self.acknowledged += 1
            row = state.by_generation.get(generation)
            self.assertIsNotNone(row, f"{command} of generation {generation} was acknowledged and is lost")
            self.assertEqual((row["to_state"], row["weight_after"]), (name, round(weight * 100)), command)

    def _check_restart(self, before):
        view = self.daemon.rollout()
        if before.last["to_state"] in OVER:
            self.ends_kept += 1
            self.assertEqual((view["state"], view["weight"]["target"]), (before.last["to_state"], 0))
            seen = self.v2.total
            for user in range(10):
                self.assertEqual(self.version_of(f"after-{user}"), "v1")
            self.assertEqual(self.v2.total, seen)
        # The daemon may have gone on by itself since; then that is durable, and began where the journal ended.
        wait_until(lambda: view["generation"] <= State(self.folder + "/state").last["generation"], "the journal")
        now = State(self.folder + "/state")
        self._check_journal(now)
        self.assertEqual([tuple(row) for row in now.rows[:len(before.rows)]], [tuple(row) for row in before.rows])
        self.assertEqual(round(view["weight"]["target"] * 100), now.by_generation[view["generation"]]["weight_after"])
        for row in now.rows[len(before.rows):]:
            if row["event"] == "restart":
                self.assertLessEqual(row["weight_after"], before.last["weight_after"])
        self._check_evidence(before, now)

    def _check_evidence(self, before, now):
        kept = before.evidence_of(before.run)
        self.assertEqual([row[1] for row in kept], list(range(len(kept))), "a gap in the evidence")
        if now.run == before.run:
            self.assertEqual(now.evidence_of(now.run)[:len(kept)], kept)
            self.evidence_kept += any(row[2] == BLOCK for row in kept)


class Pairs(threading.Thread):
    """A request of a user of each version, over and over, until the daemon is gone."""

    def __init__(self, daemon, users):
        super().__init__(daemon=True)
        self._daemon = daemon
        self._users = users
        self._stopped = threading.Event()
        self.ended = []  # When each pair was answered.

    def run(self):
        try:
            with RawClient(self._daemon.public, timeout=30) as client:
                while not self._stopped.wait(0.005):
                    for user in self._users:
                        if client.get("/", [("X-User-Id", user)]) is None:
                            return
                    self.ended.append(time.monotonic())
        except (OSError, ValueError):
            pass

    def stop(self):
        self._stopped.set()
        self.join()


class EvidenceTest(IntegrationCase):
    """What came last is all that a crash costs (docs/statistics.md, "After a restart")."""

    def blocks(self):
        """(stable's requests, the canary's) of each block that is in the file."""
        state = State(self.folder + "/state")
        rows = [numbers(row[3][:-4]) for row in state.evidence if row[2] == BLOCK]
        return [(row[STABLE_COUNT] // 2, row[CANARY_COUNT] // 2) for row in rows]

    def user_of(self, upstream):
        """By explain-route, so that no request is sent."""
        def goes_there(user):
            question = {"method": "GET", "url": "/", "headers": {"X-User-Id": user}}
            return self.daemon.post("/api/v1/explain", question)["upstream"] == upstream

        return next(user for user in map(str, range(100)) if goes_there(user))

    def test_a_crash_costs_the_last_seconds(self):
        self.start_rollout([{"weight": 50, "min_duration": "1h"}, {"weight": 100}], "auto", {"latency_quantiles": []})
        pairs = Pairs(self.daemon, [self.user_of(upstream) for upstream in ("v1", "v2")])
        pairs.start()
        self.addCleanup(pairs.stop)
        written = wait_until(self.blocks, "evidence in the file", 20, pause=0.1)
        waited = time.monotonic() - pairs.ended[0]
        # A block is a second: it is written at the latest when there are five of them.
        self.assertLessEqual(len(written), 5)
        sent = len(pairs.ended)
        wait_until(lambda: len(pairs.ended) > sent + 50, "requests after the write")
        killed = time.monotonic()
        self.daemon.kill()
        pairs.join()
        sent, kept = len(pairs.ended), tuple(map(sum, zip(*self.blocks())))
        waited = max([waited, *(killed - ended for ended in pairs.ended[min(kept):])])
        print(f"{sent} pairs sent, {kept} requests kept; one was not in the file {waited:.1f} s after its answer")
        # And the second that was under way; a slow machine is later.
        self.assertLess(waited, 5 + 1 + PATIENCE)
        # One pair may not have come to its end.
        self.assertLessEqual(max(kept), sent + 1)
        self.check_restart(kept)

    def check_restart(self, kept):
        """It goes on with what is in the file, no more and no less."""
        self.daemon.start()
        shown = self.daemon.rollout()["analysis"][0]["evidence"]["accept"]
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": "test"})
        verified = self.daemon.get("/api/v1/rollouts/shop/verification")
        self.assertEqual((verified["result"], verified["message"]), ("same", "paused shop at 50 %: test (by local)"))
        figures = {figure["name"]: figure["value"] for figure in verified["figures"]}
        self.assertEqual((figures["errors/stable_n"], figures["errors/canary_n"]), kept)
        self.assertGreater(shown, 0)
        self.assertAlmostEqual(shown, figures["errors/accept"] / math.log(1 / 0.05), places=9)


if __name__ == "__main__":
    unittest.main()
