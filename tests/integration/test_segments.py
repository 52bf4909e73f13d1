"""A canary that fails for one tenant only: 3 % of the requests, which the sum of all traffic may well fail."""

import itertools
import unittest

from harness import IntegrationCase, RawClient, wait_until

BY_EVIDENCE = {"circuit": {"consecutive_failures": 0}, "fallback": {"methods": []}}
STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (50, 100)]
# 5 percentage points more failures are tolerated, of all traffic as of a segment.
LOOSE = {"latency_quantiles": [], "tolerance": {"errors": {"absolute": 5}}}
WATCH = [{"header": "X-Tenant", "values": ["globex", "acme"]}, {"header": "User-Agent", "values": ["*firefox/*"]}]


class SegmentsTest(IntegrationCase):
    def state(self):
        return self.daemon.rollout()["state"]

    def ask_as(self, tenant, path):
        """Of a new user; where the canary fails, it is for the path, and all paths are one route."""
        with RawClient(self.daemon.public) as client:
            client.get(path, [("X-User-Id", f"{tenant}-{next(self.users)}"), ("X-Tenant", tenant)])

    def asked(self):
        """About ten requests a second of each tenant, of more than 300."""
        self.ask_as("globex", "/")
        self.ask_as("acme", "/pay")
        return self.state() == "rolled_back"

    def test_the_tenant_that_is_hurt_is_named(self):
        self.start_rollout(STEPS, "auto", analysis={**LOOSE, "watch": WATCH}, rollout=BY_EVIDENCE)
        self.start_load(rate=300)
        self.users = itertools.count()
        self.v2._do_pay = lambda connection, method, _: self.v2._do_status(connection, method, "500")
        wait_until(self.asked, "rollback", 60, pause=0.1)
        message = self.daemon.transition_to("rolled_back")["msg"]
        self.assertRegex(message, "segment X-Tenant=acme: errors canary 100 % vs stable 0 %, tolerated 5 %")
        errors = self.daemon.rollout()["analysis"][0]
        self.assertLess(errors["canary"], errors["tolerated"])
        verified = self.daemon.ctl("explain", "shop", "--verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.assertNotIn("acme", self.daemon.metrics(), "values of clients are no labels")


if __name__ == "__main__":
    unittest.main()
