"""Two hops: a service behind one canaryd calls a service behind another, and passes the cohort on."""

import unittest

from harness import Daemon, IntegrationCase, RawClient, ScriptedUpstream, base_config

PASSED_ON = ("x-canaryd-cohort", "x-canaryd-rollout", "x-user-id")
USERS = [f"user-{n}" for n in range(200)]


class Front(ScriptedUpstream):
    """Asks the next hop, and answers "NAME > what it said"."""

    next_hop = None

    def _answer(self, connection, method, path, first, headers, body):
        onward = [(name, value) for name, value in headers if name.lower() in PASSED_ON]
        with RawClient(self.next_hop) as client:
            said = client.get("/", onward).body
        text = self.name.encode() + b" > " + said
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        return True


class FollowTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.fronts = {name: Front(name) for name in ("v1", "v2")}
        for front in self.fronts.values():
            self.addCleanup(front.stop)
        self.back = Daemon(self.folder + "/back")
        self.back.folder.mkdir()
        self.addCleanup(self.back.stop)

    def start_hops(self, trusted):
        config = self.rollout_config()
        self.daemon.start(base_config(self.folder, self.fronts, **config))
        config["rollouts"]["shop"]["cohort"]["follow"] = "shop"
        config["rollouts"]["shop"]["cohort"]["salt"] = "other users"
        config["listeners"] = [{"name": "public", "address": "127.0.0.1:0", "trusted_proxies": trusted}]
        behind = {name: self.upstream(name) for name in ("v1", "v2")}
        self.back.start(base_config(self.back.folder, behind, **config))
        for front in self.fronts.values():
            front.next_hop = self.back.public

    def path_of(self, user):
        return tuple(self.version_of(user).split(" > "))

    def test_the_canary_of_the_first_hop_reaches_that_of_the_second(self):
        self.start_hops(["127.0.0.0/8"])
        self.daemon.set_weight(25)
        self.back.set_weight(1)
        paths = {user: self.path_of(user) for user in USERS}
        self.assertEqual(set(paths.values()), {("v1", "v1"), ("v2", "v2")})
        # None of them is evidence: the second hop has drawn nobody by lot.
        self.assertEqual(self.back.rollout()["step"]["requests"], 0)

        self.back.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.assertEqual({self.path_of(user)[1] for user in USERS}, {"v1"})

    def test_who_is_not_trusted_is_not_followed(self):
        self.start_hops([])
        self.daemon.set_weight(50)
        self.back.set_weight(50)
        paths = {self.path_of(user) for user in USERS}
        self.assertEqual(paths, {(front, back) for front in ("v1", "v2") for back in ("v1", "v2")})


if __name__ == "__main__":
    unittest.main()
