"""What users say, and who is not asked: votes by browser, API and canaryctl; requests that are no evidence."""

import json
import unittest

from harness import IntegrationCase, RawClient, wait_until

STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]
LISTENER = {"name": "public", "address": "127.0.0.1:0", "feedback": True, "trusted_proxies": ["127.0.0.0/8"]}


class FeedbackTest(IntegrationCase):
    def begin(self, analysis=None, **rollout):
        analysis = analysis or {"tolerance": {"feedback": {}}}
        self.start_rollout(STEPS, "auto", analysis, rollout=rollout, listeners=[LISTENER])
        self.clients = 0

    def users(self, version, count):
        found = [user for user in (f"user-{n}" for n in range(4 * count + 50)) if self.version_of(user) == version]
        self.assertGreaterEqual(len(found), count)
        return found[:count]

    def vote(self, user, score, client=None, **more):
        """As a browser does; each time from another address, unless one is given."""
        self.clients += 1
        address = client or f"10.{self.clients >> 16 & 255}.{self.clients >> 8 & 255}.{self.clients & 255}"
        body = json.dumps({"score": score, **more})
        with RawClient(self.daemon.public) as connection:
            connection.send("POST /.canaryd/feedback HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                            f"X-User-Id: {user}\r\nX-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            return connection.response().status

    def votes(self, cohort):
        return self.daemon.metric("canaryd_feedback_votes_total", cohort=cohort)

    def ignored(self, reason):
        return self.daemon.metric("canaryd_feedback_ignored_total", reason=reason)

    def test_worse_scores_roll_back(self):
        self.begin()
        bad, good = self.users("v2", 250), self.users("v1", 250)
        self.start_load(rate=50)

        def more_votes():
            for _ in range(5):
                self.assertEqual(self.vote(bad.pop(), 1), 202)
                self.assertEqual(self.vote(good.pop(), 5), 202)
            return self.daemon.rollout()["state"] == "rolled_back"

        wait_until(more_votes, "the rollback", pause=0.3)
        line = self.daemon.transition_to("rolled_back")
        self.assertEqual(line["reason"], "verdict")
        self.assertIn("feedback canary 1 of 5 vs stable 5 of 5", line["msg"])
        self.assertIn("feedback", self.daemon.ctl("status", "shop").stdout)

    def test_each_user_has_one_vote_and_each_client_a_few(self):
        self.begin()
        canary, other = self.users("v2", 2)
        self.assertEqual([self.vote(canary, 1) for _ in range(5)], [202] * 5)
        wait_until(lambda: self.ignored("duplicate") == 4, "the duplicates")
        self.assertEqual(self.votes("canary"), 1)
        # The same voter by the API, if it is named by the same key.
        path = "/api/v1/rollouts/shop/feedback"
        vote = {"cohort": "canary", "score": 1, "id": canary}
        self.assertEqual(self.daemon.post(path, vote), {"counted": False, "reason": "duplicate"})
        vote["id"] = other
        self.assertEqual(self.daemon.post(path, vote), {"counted": True})
        # Two workers, ten votes each at once: more come in only as time goes by.
        answers = [self.vote(f"forged-{n}", 1, client="10.99.0.1") for n in range(60)]
        self.assertLess(answers.count(202), 30)
        self.assertEqual(answers.count(202) + answers.count(429), 60)
        self.assertEqual(self.daemon.metric("canaryd_proxy_errors_total", error="rate_limited"), answers.count(429))
        self.assertEqual(self.v1.hits["/.canaryd/feedback"] + self.v2.hits["/.canaryd/feedback"], 0)

    def test_who_asks_whether_to_send_a_vote_is_told(self):
        self.begin()
        head = ("POST /.canaryd/feedback HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                "X-User-Id: somebody\r\nExpect: 100-continue\r\nContent-Length: ")
        client = self.client()
        client.send(f"{head}11\r\n\r\n")
        self.assertEqual(client.response().status, 100)
        client.send('{"score":4}')
        self.assertEqual(client.response().status, 202)
        # What is here already is not asked for, and the connection goes on.
        client.send(f'{head}11\r\n\r\n{{"score":4}}')
        self.assertEqual(client.response().status, 202)
        self.assertEqual(client.get("/").status, 200)
        client.send(f"{head}5000\r\n\r\n")
        self.assertEqual(client.response().status, 413)

    def test_what_they_say_is_in_the_history(self):
        self.begin()
        canary, = self.users("v2", 1)
        self.assertEqual(self.vote(canary, 2, comment="the basket\u001b[31m is empty", path="/basket"), 202)
        wait_until(lambda: self.votes("canary") == 1, "the vote")
        done = self.daemon.ctl("feedback", "shop", "--cohort", "stable", "--score", "5", "--comment", "as ever")
        self.assertEqual((done.returncode, done.stdout), (0, "counted\n"), done.stderr)
        self.assertEqual(self.daemon.metric("canaryd_feedback_score_total", cohort="stable"), 5)
        history = self.daemon.ctl("history", "shop").stdout
        self.assertRegex(history, r"feedback 2 of 5 \(canary\): the basket.\[31m is empty  by browser\n")
        self.assertNotIn("\u001b", history)
        self.assertRegex(history, r"feedback 5 of 5 \(stable\): as ever")
        self.assertIn("started shop", history)
        self.daemon.stop()
        self.daemon.start()
        comments = self.daemon.get("/api/v1/rollouts/shop/comments?limit=1")["items"]
        self.assertEqual([(c["score"], c["cohort"], c["comment"]) for c in comments], [(5, "stable", "as ever")])
        self.assertEqual(self.daemon.request("GET", "/api/v1/rollouts/nobody/comments")[0], 404)
        self.assertEqual(self.daemon.request("POST", "/api/v1/rollouts/shop/feedback", {"cohort": "x", "score": 1})[0], 400)

    def test_evidence_outlives_a_restart(self):
        self.begin()
        pairs = list(zip(self.users("v2", 40), self.users("v1", 40)))
        self.start_load(rate=50)

        def evidence():
            entry = next(m for m in self.daemon.rollout()["analysis"] if m["metric"] == "feedback")
            return entry["evidence"]["rollback"], entry["canary"]

        def more_votes():
            canary, stable = pairs.pop()
            self.vote(canary, 2)
            self.vote(stable, 4)
            return evidence()[1] is not None

        wait_until(more_votes, "evidence", pause=0.3)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(evidence()[1], 2)

    def test_health_checks_and_bots_are_no_evidence(self):
        self.begin({"exclude": [{"path_prefix": "/status"}, {"header": "User-Agent", "matches": "*probe*"}]},
                   exposure={"max_failed_requests": 0})
        canary, = self.users("v2", 1)
        headers = [("X-User-Id", canary)]
        self.assertEqual([self.get("/status/503", headers).status for _ in range(30)], [503] * 30)  # Of stable, by fallback.

        def post(path, agent):
            with RawClient(self.daemon.public) as client:
                client.send(f"POST {path} HTTP/1.1\r\nHost: test\r\nUser-Agent: {agent}\r\nX-User-Id: {canary}\r\n"
                            "Content-Length: 0\r\n\r\n")
                return client.response().status

        self.assertEqual([post("/status/503", "x") for _ in range(30)], [503] * 30)
        self.v2.failing = True
        self.assertEqual([post("/", "my-Probe/1") for _ in range(30)], [500] * 30)
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="canary", code_class="5xx") == 90, "the count")
        rollout = self.daemon.rollout()
        self.assertEqual((rollout["state"], rollout["exposure"]["failed"]), ("progressing", 0))
        self.assertEqual(self.daemon.metric("canaryd_rollout_circuit_open"), 0)
        explained = json.loads(self.daemon.ctl("explain-route", "GET", "/status/503", "-H", f"X-User-Id: {canary}", "-o", "json").stdout)
        self.assertEqual((explained["rule"], explained["counts"]), ("excluded", False))
        # One failure of a user is one too many.
        self.assertEqual(post("/", "firefox"), 500)
        wait_until(lambda: self.daemon.rollout()["state"] == "rolled_back", "the rollback")


if __name__ == "__main__":
    unittest.main()
