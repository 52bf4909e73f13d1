"""explain-route: what canaryd says of a request is what it does with it."""

import json
import unittest

from harness import IntegrationCase


class ExplainTest(IntegrationCase):
    def explain(self, *arguments):
        done = self.daemon.ctl("explain-route", *arguments, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_it_agrees_with_the_data_plane(self):
        self.start_rollout()
        self.daemon.set_weight(30)
        said = {}
        for n in range(100):
            answer = self.explain("GET", "/", "-H", f"X-User-Id: user-{n}") if n < 20 else self.daemon.post(
                "/api/v1/explain", {"method": "GET", "url": "/", "headers": {"X-User-Id": f"user-{n}"}})
            said[f"user-{n}"] = answer["upstream"]
        client = self.client()
        self.assertEqual(said, {user: self.version_of(user, client) for user in said})
        self.assertEqual(set(said.values()), {"v1", "v2"})

    def test_what_it_says(self):
        self.start_rollout()
        self.daemon.set_weight(30)
        done = self.daemon.ctl("explain-route", "GET", "http://shop/a/../b?c=d", "-H", "X-User-Id: tom")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(
            done.stdout,
            r"(?s)^  listener  public\n  client    127\.0\.0\.1\n  request   GET shop/b\n"
            r"  route     all \(path_prefix /\)\n  rollout   shop, paused, weight 30 %\n"
            r"  key       header X-User-Id, bucket \d+ of 10000\n  cohort    (canary|stable)\n"
            r"  upstream  v[12]: 127\.0\.0\.1:\d+\n  why       bucket \d+ of 10000 is (not )?below the weight of 30 %\n$")
        self.daemon.post("/api/v1/rollouts/shop/abort")
        answer = self.explain("GET", "/", "-H", "X-User-Id: tom")
        self.assertEqual((answer["rule"], answer["upstream"], answer["state"]), ("safety", "v1", "aborted"))

    def test_what_is_refused(self):
        self.start_rollout()
        answer = self.explain("GET", "/a/../../b")
        self.assertEqual((answer["refused"], answer["route"]), ("bad_request", None))
        self.assertEqual(self.get("/a/../../b").get("X-Canaryd-Error"), "bad_request")
        self.assertEqual(self.daemon.ctl("explain-route", "GET", "/", "-H", "nonsense").returncode, 2)
        self.assertEqual(self.daemon.ctl("explain-route", "GET", "/", "--listener", "none").returncode, 1)
        status, _ = self.daemon.request("POST", "/api/v1/explain", {"method": "GET"})
        self.assertEqual(status, 400)
        status, _ = self.daemon.request("POST", "/api/v1/explain", {"method": "GET", "url": "/", "heads": {}})
        self.assertEqual(status, 400)


if __name__ == "__main__":
    unittest.main()
