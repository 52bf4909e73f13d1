"""Which user gets which version: segments and rings, several rollouts on one route, and routes by templates."""

import json

from harness import IntegrationCase, base_config, run_side_by_side, wait_until

USERS = [f"user-{n}" for n in range(200)]
EMPLOYEE, GERMAN, ENTERPRISE = ("X-Employee", "1"), ("X-Country", "DE"), ("X-Plan", "enterprise")
SEGMENTS = [{"header": "X-Plan", "equals": "enterprise", "cohort": "stable"},
            {"header": "X-Employee", "equals": "1"},
            {"header": "X-Country", "in": ["DE", "AT"], "from_weight": 5}]


class UsersTest(IntegrationCase):
    def start_with_segments(self):
        cohort = {"keys": [{"header": "X-User-Id"}], "force": {"header": "X-Canary", "trusted_only": False},
                  "segments": SEGMENTS}
        self.start_rollout(rollout={"cohort": cohort})
        self.asking = self.client()

    def served_by(self, user, *headers):
        response = self.asking.get("/", [("X-User-Id", user), *headers])
        self.assertEqual(response.status, 200)
        return response.body.decode().strip()

    def versions(self, *headers):
        return {self.served_by(user, *headers) for user in USERS[:30]}

    def explain(self, *arguments):
        done = self.daemon.ctl("explain-route", "GET", *arguments, "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_rings_grow_with_the_weight_and_safety_comes_first(self):
        self.start_with_segments()
        self.assertEqual(self.versions(EMPLOYEE), {"v1"}, "not begun")
        self.assertEqual(self.served_by("tom", ("X-Canary", "always")), "v2")

        on_canary = set()
        for weight, germans in ((1, False), (4.99, False), (5, True), (25, True)):
            self.daemon.set_weight(weight)
            self.assertEqual(self.versions(EMPLOYEE), {"v2"}, weight)
            self.assertEqual(self.versions(EMPLOYEE, ENTERPRISE), {"v1"}, "the first rule that fits wins")
            self.assertEqual(self.versions(GERMAN) == {"v2"}, germans, weight)
            # A ring or the weight: who has moved stays, as long as it grows.
            now = {(user, headers) for user in USERS[:30] for headers in ((), (EMPLOYEE,), (GERMAN,))
                   if self.served_by(user, *headers) == "v2"}
            self.assertLessEqual(on_canary, now)
            on_canary = now
        self.assertEqual(self.served_by("tom", EMPLOYEE, ("X-Canary", "never")), "v1", "force comes before")

        said = self.explain("/", "-H", "X-User-Id: tom", "-H", "X-Country: AT")
        self.assertEqual((said["rule"], said["segment"], said["segment_rule"], said["upstream"], said["counts"]),
                         ("segment", 3, "header X-Country in DE, AT", "v2", False))
        self.daemon.set_weight(100)
        self.assertEqual(self.versions(ENTERPRISE), {"v2"})
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.assertEqual(self.versions(EMPLOYEE), {"v1"})

    def test_they_are_no_evidence(self):
        self.start_with_segments()
        self.daemon.set_weight(1)
        self.versions(EMPLOYEE)
        self.versions(ENTERPRISE)
        self.await_requests(60)
        self.assertEqual(self.daemon.metric("canaryd_requests_total", cohort="canary"), 30)
        self.assertEqual(self.daemon.metric("canaryd_analysis_samples_total") or 0, 0)
        self.asking.get("/", [("X-User-Id", "tom")])
        self.await_requests(61)
        self.assertEqual(self.daemon.metric("canaryd_analysis_samples_total"), 1)

    def await_requests(self, count):
        """Figures come once a second, all at the same time."""
        wait_until(lambda: self.daemon.metric("canaryd_requests_total") == count, f"{count} requests in the metrics")

    # ---- Several versions

    def start_split(self):
        self.scripted = {name: self.upstream(name) for name in ("v1", "v2", "v3")}
        cohort = {"keys": [{"header": "X-User-Id"}]}
        steps = [{"weight": weight, "min_duration": "1h"} for weight in (20, 40, 100)]
        rollout = {"stable": "v1", "start": "manual", "cohort": cohort, "steps": steps}
        rollouts = {f"to-{canary}": {"canary": canary, **rollout} for canary in ("v2", "v3")}
        routes = [{"name": "all", "split": [{"rollout": "to-v2", "users": 50}, {"rollout": "to-v3", "users": 50}]}]
        self.start(self.scripted, rollouts=rollouts, routes=routes)
        self.asking = self.client()
        for name in rollouts:
            self.daemon.post(f"/api/v1/rollouts/{name}/start", {"reason": "test"})

    def everybody(self):
        return {user: self.served_by(user) for user in USERS}

    def moved(self, before, after, version):
        return [user for user in USERS if before[user] == version and after[user] != version]

    def test_growing_one_version_moves_nobody_of_another(self):
        self.start_split()
        begin = self.everybody()
        for version, low, high in (("v1", 135, 185), ("v2", 6, 36), ("v3", 6, 36)):
            self.assertTrue(low < list(begin.values()).count(version) < high, version)
        for name in ("to-v2", "to-v3"):
            self.daemon.set_weight(40, name)
        grown = self.everybody()
        self.assertEqual(self.moved(begin, grown, "v2") + self.moved(begin, grown, "v3"), [])

        self.daemon.post("/api/v1/rollouts/to-v3/promote", {"full": True, "reason": "test"})
        promoted = self.everybody()
        self.assertEqual({user for user in USERS if promoted[user] == "v2"},
                         {user for user in USERS if grown[user] == "v2"})
        self.daemon.post("/api/v1/rollouts/to-v3/abort", {"reason": "test"})
        aborted = self.everybody()
        self.assertNotIn("v3", aborted.values())
        self.assertEqual(self.moved(grown, aborted, "v2"), [])
        # After a restart as before it.
        self.daemon.stop()
        self.daemon.start()
        self.asking = self.client()
        self.assertEqual(self.everybody(), aborted)

    def test_a_broken_version_is_left_alone_and_the_other_is_not(self):
        self.start_split()
        begin = self.everybody()
        self.scripted["v3"].failing = True
        self.everybody()
        wait_until(lambda: self.daemon.rollout("to-v3")["state"] == "suspended", "the suspension")
        self.assertEqual(self.daemon.rollout("to-v2")["state"], "progressing")
        self.assertEqual(self.moved(begin, self.everybody(), "v2"), [])

    def test_who_is_known_by_a_cookie_stays_in_the_lane_of_an_aborted_version(self):
        scripted = {name: self.upstream(name) for name in ("v1", "v2", "v3")}
        cohort = {"keys": [{"cookie": "id"}], "issue_cookie": {"name": "id"}}
        rollout = {"stable": "v1", "start": "manual", "cohort": cohort, "steps": [{"weight": 50, "min_duration": "1h"}],
                   "bake": {"holdback": 50}}
        rollouts = {f"to-{canary}": {"canary": canary, **rollout} for canary in ("v2", "v3")}
        routes = [{"name": "all", "split": [{"rollout": "to-v2", "users": 90}, {"rollout": "to-v3", "users": 10}]}]
        self.start(scripted, rollouts=rollouts, routes=routes)
        for name in rollouts:
            self.daemon.post(f"/api/v1/rollouts/{name}/start", {"reason": "test"})
        self.daemon.post("/api/v1/rollouts/to-v2/abort", {"reason": "test"})
        asking, last = self.client(), []
        for _ in range(100):
            headers, seen = [], []
            for _ in range(10):
                response = asking.get("/", headers)
                seen.append(response.body)
                if response.get("set-cookie"):
                    headers = [("Cookie", response.get("set-cookie").split(";")[0])]
            self.assertEqual(len(set(seen)), 1)
            last.append(seen[-1])
        # 5 % of them, and not all who have drawn it once.
        self.assertLess(last.count(b"v3\n"), 20)

    def test_what_is_said_of_it(self):
        self.start_split()
        everybody = self.everybody()
        for user in USERS[:20]:
            said = self.daemon.post("/api/v1/explain", {"method": "GET", "url": "/", "headers": {"X-User-Id": user}})
            self.assertEqual(said["upstream"], everybody[user])
            self.assertEqual(said["rollout"], {1: "to-v2", 2: "to-v3"}[said["lane"]])
        self.await_requests(len(USERS))
        route = self.daemon.get("/api/v1/routes")["items"][0]
        self.assertEqual((route["rollout"], route["requests"]), (None, len(USERS)))
        self.assertEqual(route["split"], [{"rollout": "to-v2", "users": 50}, {"rollout": "to-v3", "users": 50}])
        for version in ("v2", "v3"):
            of_lane = {"route": "all", "rollout": f"to-{version}", "cohort": "canary"}
            self.assertEqual(self.daemon.metric("canaryd_requests_total", **of_lane),
                             list(everybody.values()).count(version))
        migration = self.daemon.get("/api/v1/migration")["items"][0]
        self.assertEqual((migration["split"], migration["weight"]), (["to-v2", "to-v3"], 20))

    # ---- Templates

    def test_a_route_by_a_template(self):
        scripted = {name: self.upstream(name) for name in ("whole", "order", "rest")}
        config = base_config(self.folder, scripted, routes=[
            {"name": "whole", "match": {"path_exact": "/orders/all"}, "upstream": "whole"},
            {"name": "order", "match": {"path_template": "/orders/{id}"}, "upstream": "order",
             "rewrite": {"path": "/v2/{id}/order"}},
            {"name": "rest", "match": {"path_prefix": "/orders"}, "upstream": "rest"}])
        self.daemon.start(config)
        for path, name in (("/orders/all", "whole"), ("/orders/7", "order"), ("/orders/7/lines", "rest"),
                           ("/orders/", "rest"), ("/orders", "rest")):
            self.assertEqual(self.get(path).body.decode().strip(), name, path)
        said = self.explain("/orders/7?a=b")
        self.assertEqual((said["match"], said["sent_as"]), ("path_template /orders/{id}", "/v2/7/order?a=b"))
        self.assertEqual(scripted["order"].heads[-1][0], "GET /v2/7/order HTTP/1.1")


if __name__ == "__main__":
    run_side_by_side()
