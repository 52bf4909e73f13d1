"""Who is in the canary: sticky, growing only, empty after an abort."""

import unittest

from harness import IntegrationCase, wait_until

USERS = [f"user-{n}" for n in range(1000)]


class CohortsTest(IntegrationCase):
    def canary_users(self):
        client = self.client()
        return {user for user in USERS if self.version_of(user, client) == "v2"}

    def test_a_user_stays_in_one_cohort(self):
        self.start_rollout()
        self.daemon.set_weight(50)
        for user in USERS[:20]:
            self.assertEqual(len({self.version_of(user) for _ in range(10)}), 1, user)

    def test_the_share_follows_the_weight_and_only_grows(self):
        self.start_rollout()
        self.assertEqual(self.canary_users(), set())
        before = set()
        for weight in (1, 5, 25, 50, 100):
            self.daemon.set_weight(weight)
            canary = self.canary_users()
            # Four standard deviations of a binomial share over these users.
            slack = 4 * (len(USERS) * weight / 100 * (1 - weight / 100)) ** 0.5
            self.assertAlmostEqual(len(canary), len(USERS) * weight / 100, delta=slack + 1)
            self.assertLessEqual(before, canary, "a user went back to stable while the weight grew")
            before = canary

    def test_upstreams_are_told_the_cohort(self):
        self.start_rollout()
        self.daemon.set_weight(100)
        self.version_of("someone")
        seen = self.v2.last()
        self.assertEqual((seen["x-canaryd-cohort"], seen["x-canaryd-rollout"]), ("canary", "shop"))
        self.daemon.set_weight(0)
        self.version_of("someone")
        self.assertEqual(self.v1.last()["x-canaryd-cohort"], "stable")

    def test_a_client_cannot_claim_a_cohort(self):
        self.start_rollout()
        self.daemon.set_weight(0)
        response = self.get("/echo", [("X-Canaryd-Cohort", "canary"), ("X-User-Id", "a")])
        self.assertEqual(response.status, 200)
        self.assertEqual(self.v1.last()["x-canaryd-cohort"], "stable")
        self.assertIsNone(response.get("x-canaryd-cohort"))

    def test_the_cohort_is_shown_only_on_request(self):
        self.start_rollout(listeners=[{"name": "public", "address": "127.0.0.1:0", "expose_cohort": True}])
        self.assertEqual(self.get("/").get("x-canaryd-cohort"), "stable")

    def test_abort_moves_everybody(self):
        self.start_rollout()
        self.daemon.set_weight(100)
        client = self.client()
        self.assertEqual(self.version_of("a", client), "v2")
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.v2.reset_counters()
        # The same connection too, from the very next request.
        self.assertEqual(self.version_of("a", client), "v1")
        self.assertEqual(self.canary_users(), set())
        self.assertEqual(self.v2.total, 0)
        self.assertEqual(self.daemon.rollout()["state"], "aborted")

    def test_issued_cookie(self):
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        config = self.rollout_config()
        config["rollouts"]["shop"]["cohort"] = {
            "keys": [{"cookie": "canaryd_id"}, {"client_ip": True}],
            "issue_cookie": {"name": "canaryd_id", "max_age": "30d"},
        }
        # A key after an issued cookie can never be reached: that file is refused, this one is not.
        config["rollouts"]["shop"]["cohort"]["keys"] = [{"cookie": "canaryd_id"}]
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        self.daemon.set_weight(50)
        for _ in range(10):
            first = self.get("/")
            cookie = first.get("set-cookie")
            self.assertIsNotNone(cookie)
            self.assertTrue(cookie.startswith("canaryd_id="), cookie)
            again = self.get("/", [("Cookie", cookie.split(";")[0])])
            self.assertEqual(again.body, first.body, "the cohort changed with the second request")
            self.assertIsNone(again.get("set-cookie"))

        # What a shared cache may store brings nobody a cookie of somebody else.
        for _ in range(3):
            self.assertIsNone(self.get("/public").get("set-cookie"))
        wait_until(lambda: self.daemon.metric("canaryd_rollout_cookies_withheld_total") == 3, "three withheld cookies")
        self.daemon.await_events("cookie_withheld")
        self.get("/public")
        wait_until(lambda: self.daemon.metric("canaryd_rollout_cookies_withheld_total") == 4, "one more")
        self.assertEqual(len(self.daemon.events("cookie_withheld")), 1)


if __name__ == "__main__":
    unittest.main()
