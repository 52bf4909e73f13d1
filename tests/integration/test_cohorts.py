"""Who is in the canary: sticky, growing only, empty after an abort."""

import json
import unittest

from harness import IntegrationCase, RawClient, wait_until

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

    def test_who_meets_an_error_first_keeps_his_version_too(self):
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        cohort = {"keys": [{"cookie": "canaryd_id"}], "issue_cookie": {"name": "canaryd_id"}}
        listeners = [{"name": "public", "address": "127.0.0.1:0", "expose_cohort": True}]
        self.start({"v1": self.v1, "v2": self.v2}, listeners=listeners, **self.rollout_config(
            analysis={"mode": "observe"},
            rollout={"cohort": cohort, "fallback": {"methods": []}, "circuit": {"consecutive_failures": 10000}}))
        self.assertIsNone(self.get("/reset").get("set-cookie"), "nobody is split")
        self.daemon.set_weight(50)
        cohorts = set()
        for _ in range(30):
            first = self.get("/reset")
            self.assertEqual((first.status, first.get("x-canaryd-error")), (502, "upstream_reset"))
            cohort, cookie = first.get("x-canaryd-cohort"), first.get("set-cookie")
            self.assertTrue(cookie.startswith("canaryd_id="), cookie)
            headers = [("Cookie", cookie.split(";")[0])]
            second = self.get("/reset", headers)
            self.assertEqual((second.get("x-canaryd-cohort"), second.get("set-cookie")), (cohort, None))
            self.assertEqual(self.get("/", headers).get("x-canaryd-cohort"), cohort)
            cohorts.add(cohort)
        self.assertEqual(cohorts, {"stable", "canary"})

    def test_who_is_not_given_a_cookie_stays_at_an_endpoint(self):
        endpoints = [self.upstream(f"e{n}") for n in range(4)]
        self.v2 = self.upstream("v2")
        cohort = {"keys": [{"cookie": "canaryd_id"}], "issue_cookie": {"name": "canaryd_id"}}
        config = self.rollout_config(rollout={"cohort": cohort})
        upstreams = {"v1": {"endpoints": [each.address for each in endpoints], "load_balancer": "consistent_hash"},
                     "v2": {"endpoints": [self.v2.address]}}
        self.start({}, upstreams=upstreams, **config)
        self.assertEqual(len({self.get("/").body for _ in range(20)}), 1, "one address, one endpoint")
        self.daemon.set_weight(1)
        self.assertGreater(len({self.get("/").body for _ in range(40)}), 1, "many users")
        self.daemon.set_weight(0)
        self.assertEqual(len({self.get("/").body for _ in range(20)}), 1)


class SideBySideTest(IntegrationCase):
    """Two routes with a rollout each, at different weights, and the same users on both."""

    NAMES = ("shop", "cart")
    USERS = USERS[:500]

    def setUp(self):
        super().setUp()
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (10, 50, 100)]
        # Without failures there is no evidence for a rollback then, however slow the machine is.
        plan = {"start": "manual", "steps": steps, "cohort": {"keys": [{"header": "X-User-Id"}]},
                "analysis": {"latency_quantiles": []}}
        rollouts = {name: {**plan, "stable": f"{name}-v1", "canary": f"{name}-v2"} for name in self.NAMES}
        routes = [{"name": name, "match": {"path_prefix": f"/{name}/"}, "rollout": name} for name in self.NAMES]
        upstreams = {f"{name}-{version}": self.upstream(f"{name}-{version}")
                     for name in self.NAMES for version in ("v1", "v2")}
        self.start(upstreams, rollouts=rollouts, routes=routes)
        for command in (("start", "shop"), ("start", "cart"), ("promote", "cart")):
            self.command(*command)

    def command(self, name, rollout):
        done = self.daemon.ctl(name, rollout, "--yes", "--reason", "test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def canary_users(self):
        """{rollout: who is in its canary}; everybody asks both routes, one after the other."""
        canary = {name: set() for name in self.NAMES}
        with RawClient(self.daemon.public) as client:
            for user in self.USERS:
                for name, users in canary.items():
                    upstream = client.get(f"/{name}/", [("X-User-Id", user)]).body.decode().strip()
                    self.assertIn(upstream, (f"{name}-v1", f"{name}-v2"), "an upstream of the other rollout")
                    if upstream.endswith("-v2"):
                        users.add(user)
        return canary

    def assert_share(self, users, share):
        """As above, within four standard deviations."""
        count = len(self.USERS)
        slack = 4 * (count * share * (1 - share)) ** 0.5
        self.assertAlmostEqual(len(users), count * share, delta=slack + 1)

    def weights(self):
        return {name: self.daemon.rollout(name)["weight"]["target"] for name in self.NAMES}

    def test_each_route_has_its_own_share_its_own_users_and_its_own_end(self):
        self.assertEqual(self.weights(), {"shop": 10, "cart": 50})
        canary = self.canary_users()
        self.assert_share(canary["shop"], 0.1)
        self.assert_share(canary["cart"], 0.5)
        # Drawn apart: who is in the one is no more likely in the other.
        self.assert_share(canary["shop"] & canary["cart"], 0.05)
        self.assertEqual(self.canary_users(), canary, "somebody has changed sides")

        wait_until(lambda: self.evidence() == 2 * len(canary["shop"]), "the evidence of both rounds")
        before = self.daemon.rollout("shop")
        self.command("abort", "cart")
        self.assertEqual(self.weights(), {"shop": 10, "cart": 0})
        self.assertEqual(self.canary_users(), {"shop": canary["shop"], "cart": set()})
        after = self.daemon.rollout("shop")
        self.assertEqual([after[key] for key in ("state", "generation", "since")],
                         [before[key] for key in ("state", "generation", "since")])
        wait_until(lambda: self.evidence() == 3 * len(canary["shop"]), "the evidence of all rounds")
        rows = json.loads(self.daemon.ctl("history", "shop", "-o", "json").stdout)["items"]
        self.assertEqual([row["event"] for row in rows], ["start"])

    def evidence(self):
        return self.daemon.rollout("shop")["step"]["requests"]


if __name__ == "__main__":
    unittest.main()
