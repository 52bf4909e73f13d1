"""100,000 users: every process draws the same cohorts, in the right shares, and nobody goes back as the weight grows."""

import math
import subprocess
import unittest

from harness import IntegrationCase, PATIENCE, program

PROGRAM = program("COHORT_DECISIONS_BIN", "cohort_decisions")
WEIGHTS = (0.1, 1, 5, 10, 25, 50, 75, 100)  # Percent; cohort_decisions.cpp has the same list.
KEYS = 100_000


def decisions(salt, count=KEYS):
    done = subprocess.run(
        [PROGRAM, salt, str(count)], capture_output=True, timeout=60 * PATIENCE, check=True)
    return done.stdout


class KeysTest(IntegrationCase):
    def test_processes_agree_and_shares_are_right(self):
        for salt in ("checkout", "shop"):
            first = decisions(salt)
            self.assertEqual(first == decisions(salt), True, "two processes differ")
            lines = first.decode().split()
            self.assertEqual(len(lines), KEYS)
            for place, weight in enumerate(WEIGHTS):
                share = weight / 100
                canary = sum(line[place] == "c" for line in lines)
                bound = 3 * math.sqrt(KEYS * share * (1 - share))
                self.assertLessEqual(abs(canary - KEYS * share), bound, f"{salt} at {weight} %: {canary}")
            self.assertEqual([line for line in lines if "cs" in line], [], "users who go back to stable")

    def test_another_salt_draws_anew(self):
        self.assertNotEqual(decisions("checkout", 1000), decisions("shop", 1000))

    def test_the_daemon_agrees(self):
        users = 400
        lines = decisions("shop", users).decode().split()
        self.start_rollout()
        for weight in (5, 25, 75):
            self.daemon.set_weight(weight)
            self._compare(lines, WEIGHTS.index(weight), users)
        self.daemon.stop()
        self.daemon.start()
        self._compare(lines, WEIGHTS.index(75), users)

    def _compare(self, lines, place, users):
        with self.client() as client:
            drawn = [self.version_of(f"user-{user}", client) for user in range(users)]
        self.assertEqual(drawn, ["v2" if line[place] == "c" else "v1" for line in lines[:users]])


if __name__ == "__main__":
    unittest.main()
