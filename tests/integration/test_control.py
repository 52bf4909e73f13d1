"""canaryctl and the admin API against a running daemon: what operators do, and what they are refused."""

import json
import threading
import unittest
from pathlib import Path

from harness import IntegrationCase, RawClient, ctl, wait_until

# Each command in turn, the state and weight that it leads to, and what it comes to when it is said again.
COMMANDS = [
    ("start", "progressing", 10, "the same"),
    ("promote", "progressing", 50, "another step"),
    ("pause", "paused", 50, "the same"),
    ("resume", "progressing", 50, "the same"),
    ("promote --full", "baking", 100, "the same"),
    ("abort", "aborted", 0, "the same"),
    ("retry", "progressing", 10, "refused"),
]


class ControlTest(IntegrationCase):
    def ok(self, *arguments):
        done = self.daemon.ctl(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def shop(self):
        return json.loads(self.ok("status", "shop", "-o", "json"))

    def test_status(self):
        self.start_rollout()
        self.assertIn("shop", self.ok("status"))
        shown = self.ok("status", "shop")
        for word in ("shop", "v1", "v2"):
            self.assertIn(word, shown)
        self.assertEqual(self.shop()["name"], "shop")
        self.assertNotEqual(self.daemon.ctl("status", "nothing").returncode, 0)

    def test_a_whole_rollout_by_hand(self):
        self.start_rollout(steps=[{"weight": w, "min_duration": "1h"} for w in (10, 50, 100)])
        self.assertEqual(self.shop()["state"], "idle")
        self.ok("start", "shop", "--reason", "release")
        self.assertEqual((self.shop()["state"], self.shop()["step"]["weight"]), ("progressing", 10))
        self.ok("promote", "shop", "--yes")
        self.assertEqual(self.shop()["step"]["weight"], 50)
        self.ok("pause", "shop")
        self.assertEqual((self.shop()["state"], self.shop()["weight"]["target"]), ("paused", 50))
        self.ok("resume", "shop")
        self.assertEqual(self.shop()["state"], "progressing")
        self.ok("promote", "shop", "--full", "--yes")
        self.assertEqual(self.shop()["weight"]["target"], 100)
        self.assertEqual(self.version_of("anyone"), "v2")
        self.ok("rollback", "shop", "--yes")
        self.assertEqual((self.shop()["state"], self.shop()["weight"]["target"]), ("rolled_back", 0))
        self.assertEqual(self.version_of("anyone"), "v1")

    def test_set_weight_and_abort(self):
        self.start_rollout()
        self.ok("start", "shop")
        self.ok("set-weight", "shop", "12.5", "--yes")
        self.assertEqual((self.shop()["weight"]["target"], self.shop()["state"]), (12.5, "paused"))
        self.ok("abort", "shop", "--yes")
        self.assertEqual((self.shop()["weight"]["target"], self.shop()["state"]), (0, "aborted"))

    def test_history_says_who_and_why(self):
        self.start_rollout()
        self.ok("start", "shop", "--reason", "release 2.4.0")
        self.ok("abort", "shop", "--yes", "--reason", "wrong build")
        history = self.ok("history", "shop")
        for words in ("release 2.4.0", "wrong build"):
            self.assertIn(words, history)

    def test_exit_codes(self):
        self.start_rollout()
        self.assertEqual(self.daemon.ctl("frobnicate").returncode, 2)
        self.assertEqual(self.daemon.ctl("set-weight", "shop", "120").returncode, 2)
        self.assertEqual(self.daemon.ctl("pause", "shop").returncode, 6)  # Idle: nothing to pause.
        self.ok("start", "shop")
        self.ok("abort", "shop", "--yes")
        self.assertEqual(self.daemon.ctl("resume", "shop").returncode, 6)
        waited = self.daemon.ctl("wait", "shop", "--for", "promoted", "--timeout", "20s")
        self.assertEqual(waited.returncode, 11, waited.stderr)

    def test_not_reachable(self):
        self.start_rollout()
        address = self.daemon.admin_url("")
        self.daemon.stop()
        self.assertEqual(ctl("--addr", address, "status").returncode, 5)

    def test_api_rules(self):
        self.start_rollout()
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/shop/abort")[0], 405)
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/nothing")[0], 404)
        status, text = self.daemon.request("POST", "/api/v1/rollouts/shop/weight", {"weight": 200})
        self.assertEqual(status // 100, 4)
        self.assertIn("title", json.loads(text))
        generation = self.daemon.rollout()["generation"]
        stale = [("If-Match", f'"{generation + 7}"')]
        self.assertEqual(self.daemon.request("POST", "/api/v1/rollouts/shop/start", {}, stale)[0], 412)
        self.assertEqual(self.daemon.rollout()["state"], "idle")

    def test_api_keeps_web_pages_out(self):
        self.start_rollout()
        for headers in ([("Host", "evil.example")], [("Origin", "http://evil.example")]):
            status, _ = self.daemon.request("POST", "/api/v1/rollouts/shop/start", {}, headers)
            self.assertEqual(status // 100, 4, headers)
        self.assertEqual(self.daemon.rollout()["state"], "idle")

    def test_lists(self):
        self.start_rollout()
        self.assertEqual(self.daemon.listeners()[0]["name"], "public")
        for path in ("/api/v1/rollouts", "/api/v1/upstreams", "/api/v1/routes", "/api/v1/build"):
            self.assertTrue(self.daemon.get(path), path)
        self.assertEqual(self.daemon.status_of("/livez"), 200)


class CommandsTest(IntegrationCase):
    """By the API and by canaryctl: once done, a command is one line of the history that says who and why."""

    def setUp(self):
        super().setUp()
        self.token_file = Path(self.folder) / "ci.token"
        self.daemon.token = "c" * 16
        self.token_file.write_text(self.daemon.token, encoding="utf-8")
        self.token_file.chmod(0o600)
        tokens = [{"name": "ci", "role": "operator", "token_file": "ci.token"}]
        self.start_rollout(steps=[{"weight": weight, "min_duration": "1h"} for weight in (10, 50, 100)],
                           admin={"address": "127.0.0.1:0", "tokens": tokens})
        self.rows = len(self.history())

    def history(self):
        return self.daemon.get("/api/v1/rollouts/shop/history")["items"]

    def assert_one_row(self, command, state, weight, reason):
        rollout, rows = self.daemon.rollout(), self.history()
        self.assertEqual((rollout["state"], rollout["weight"]["target"]), (state, weight))
        self.assertEqual(len(rows), self.rows + 1)
        self.assertEqual((rows[-1]["actor"], rows[-1]["event"]), ("ci", command.split()[0]))
        self.assertEqual((rows[-1]["to"], rows[-1]["weight"]), (state, weight))
        self.assertIn(reason, rows[-1]["message"])
        self.rows += 1

    def assert_nothing_more(self, state, weight):
        rollout = self.daemon.rollout()
        self.assertEqual((rollout["state"], rollout["weight"]["target"]), (state, weight))
        self.assertEqual(len(self.history()), self.rows)

    def say(self, command, reason, key=None):
        """By the API: (status, ETag, body)."""
        name, _, full = command.partition(" --")
        body = {"reason": reason, **({full: True} if full else {})}
        fields = [("Idempotency-Key", key)] if key else []
        status, headers, text = self.daemon.ask("POST", f"/api/v1/rollouts/shop/{name}", body, fields)
        return status, headers["ETag"], text

    def ctl(self, command, reason):
        name, *flags = command.split()
        return self.daemon.ctl(name, "shop", *flags, "--yes", "--reason", reason, "--token-file", str(self.token_file))

    def test_by_the_api(self):
        for number, (command, state, weight, again) in enumerate(COMMANDS):
            with self.subTest(command):
                reason, key = f"ticket {number}", f"key-{number}"
                first = self.say(command, reason, key)
                self.assertEqual(first[0], 200, first)
                self.assert_one_row(command, state, weight, reason)
                self.assertEqual(self.say(command, reason, key), first)
                self.assertEqual(self.say(command, "something else", key)[0], 422)
                self.assert_nothing_more(state, weight)
                if again != "another step":
                    self.assertEqual(self.say(command, reason)[0], 409 if again == "refused" else 200)
                    self.assert_nothing_more(state, weight)

    def test_promote_with_another_key_is_another_step(self):
        self.say("start", "release")
        weights = []
        for key in ("a", "a", "b", "b", "a"):
            self.assertEqual(self.say("promote", "well enough", key)[0], 200)
            weights.append(self.daemon.rollout()["weight"]["target"])
        self.assertEqual(weights, [50, 50, 100, 100, 100])
        self.assertEqual([row["weight"] for row in self.history() if row["event"] == "promote"], [50, 100])

    def test_by_canaryctl(self):
        for number, (command, state, weight, again) in enumerate(COMMANDS):
            with self.subTest(command):
                reason = f"ticket {number}"
                done = self.ctl(command, reason)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assert_one_row(command, state, weight, reason)
                if again != "another step":
                    self.assertEqual(self.ctl(command, reason).returncode, 6 if again == "refused" else 0)
                    self.assert_nothing_more(state, weight)
        shown = self.daemon.ctl("history", "shop", "--token-file", str(self.token_file)).stdout
        for number in range(len(COMMANDS)):
            self.assertRegex(shown, rf"ticket {number}\b.*by ci")

# Requests a second from which on one request more or less does not change who is busiest.
ENOUGH = 3


class TopTest(IntegrationCase):
    """What `canaryctl top` says of traffic whose figures are known."""

    HEAD = ["ROUTE", "ROLLOUT", "COHORT", "REQUESTS/S", "5XX", "ACTIVE", "REQUESTS"]

    def setUp(self):
        super().setUp()
        plain = [{"name": name, "match": {"path_prefix": f"/{name}/"}, "upstream": "v1"} for name in ("status", "quiet")]
        shop = {"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop"}
        # Nothing reacts to what fails here.
        still = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
        self.start_rollout([{"weight": weight, "min_duration": "1h"} for weight in (50, 100)], "auto",
                           {"mode": "observe"}, rollout=still, routes=[*plain, shop])
        with RawClient(self.daemon.public) as client:
            self.users = {self.version_of(f"user-{n}", client): f"user-{n}" for n in range(100)}
        self.assertEqual(set(self.users), {"v1", "v2"})

    def top(self, *arguments):
        done = self.daemon.ctl("top", *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def rows(self):
        """{(route, rollout, cohort): row} in the order in which they come."""
        items = json.loads(self.top("-o", "json"))["items"]
        return {(row["route"], row.get("rollout"), row.get("cohort")): row for row in items}

    def until_counted(self, requests):
        wait_until(lambda: self.daemon.metric("canaryd_requests_total") == requests, "the count of all requests")

    def test_rates_and_failures_of_traffic(self):
        """A canary and a route without a rollout that fail always, a stable that never does and is asked thrice as often."""
        self.v2.failing = True
        ended = threading.Event()

        def ask():
            with RawClient(self.daemon.public) as client:
                while not ended.wait(0.01):
                    for version in ("v1", "v1", "v1", "v2"):
                        client.get("/", [("X-User-Id", self.users[version])])
                    client.get("/status/503")

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            rows = wait_until(self.busy_rows, "rates of all three", 20)
            table = wait_until(self.busy_table, "the same as a table", 20)
        finally:
            ended.set()
            asking.join()
        stable, canary, plain = ("all", "shop", "stable"), ("all", "shop", "canary"), ("status", None, None)
        self.assertEqual(set(rows), {stable, canary, plain})
        self.assertEqual(next(iter(rows)), stable, "the busiest first")
        self.assertEqual([rows[key]["error_rate"] for key in (stable, canary, plain)], [0, 1, 1])
        self.assertGreater(rows[stable]["rps"], 2 * rows[canary]["rps"])
        self.assertEqual(table[0], self.HEAD)
        self.assertEqual(table[1][:3], list(stable))
        self.assertEqual({tuple(line[:3]) for line in table[1:]}, {stable, canary, ("status", "-", "-")})

    def busy_rows(self):
        """Those of three that are busy, without the canary's answers from before it failed."""
        rows = self.rows()
        busy = len(rows) == 3 and all(row["rps"] > ENOUGH for row in rows.values())
        return rows if busy and rows["all", "shop", "canary"]["error_rate"] == 1 else None

    def busy_table(self):
        table = [line.split() for line in self.top().splitlines()]
        return table if len(table) == 4 and all(float(line[3]) > ENOUGH for line in table[1:]) else None

    def test_requests_and_what_is_under_way(self):
        waiting = [self.client() for _ in range(3)]
        for client, version in zip(waiting, ("v1", "v2", "v2")):
            client.send(f"GET /hang HTTP/1.1\r\nHost: t\r\nX-User-Id: {self.users[version]}\r\n\r\n")
        for _ in range(7):
            self.get("/quiet/")
        self.until_counted(107)
        wait_until(lambda: self.daemon.metric("canaryd_requests_active", cohort="canary") == 2, "those that wait")
        rows = self.rows()
        stable, canary, quiet = rows["all", "shop", "stable"], rows["all", "shop", "canary"], rows["quiet", None, None]
        self.assertEqual((stable["active"], canary["active"], quiet["active"]), (1, 2, 0))
        self.assertEqual((stable["requests"] + canary["requests"], quiet["requests"]), (100, 7))
        for row in rows.values():
            # Nothing has come since the first of the two looks: there is no share of nothing.
            self.assertEqual((row["rps"], row["error_rate"]), (0, None), row)
        lines = {tuple(line[:3]): line[3:] for line in map(str.split, self.top().splitlines())}
        self.assertEqual(lines["quiet", "-", "-"], ["0.00", "-", "0", "7"])
        self.assertEqual(lines["all", "shop", "canary"], ["0.00", "-", "2", f"{canary['requests']:.0f}"])
        for upstream in (self.v1, self.v2):
            upstream.release()
        for client in waiting:
            self.assertEqual(client.response().status, 200)

    def test_without_a_daemon(self):
        address = self.daemon.admin_url("")
        self.daemon.stop()
        done = ctl("--addr", address, "top")
        self.assertEqual((done.returncode, done.stdout), (5, ""))
        self.assertIn("canaryctl: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
