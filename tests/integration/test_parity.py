"""Read parity: a rollout does not begin by itself before both versions are seen to answer reads alike."""

import itertools
import json
import time
import unittest
import uuid

from harness import IntegrationCase, ScriptedUpstream, base_config, wait_until

# Few reads are enough for this: a fifth of them may differ.
PARITY = {"sample": 100, "max_diff": 20, "min_requests": 20}
STEPS = [{"weight": 10, "min_duration": "1h"}, {"weight": 100}]


class OrderService(ScriptedUpstream):
    """Answers with an order that is the same for the same path, but for an id, a time and hints that are new each time."""

    def __init__(self, name):
        super().__init__(name)
        self.change = lambda order: order  # A test plants a difference here.
        self.reads = itertools.count()

    def _answer(self, connection, method, path, first, headers, body):
        number = sum(path.encode())
        order = {
            "request_id": str(uuid.uuid4()), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "hints": [{"ad": next(self.reads)}] * (1 + next(self.reads) % 3),
            "customer": "secret-name", "total": number, "items": [{"sku": f"s{number}", "price": 5}],
        }
        text = json.dumps(self.change(order)).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(text) + (b"" if method == "HEAD" else text))
        return True


def dearer(order):
    return {**order, "items": [{**item, "price": 6} for item in order["items"]]}


class ParityTest(IntegrationCase):
    def begin(self, change=None, **parity):
        self.v1, self.v2 = OrderService("v1"), OrderService("v2")
        for service in (self.v1, self.v2):
            self.addCleanup(service.stop)
        if change is not None:
            self.v2.change = change
        self.rollout = {"parity": {**PARITY, **parity}}
        self.start({"v1": self.v1, "v2": self.v2}, **self.rollout_config(STEPS, "auto", rollout=self.rollout))
        self.reader = self.client()
        self.asked = 0

    def read_until(self, condition, what):
        """Reads go on until the condition holds."""
        def look():
            for _ in range(4):
                self.asked += 1
                self.assertEqual(self.reader.get(f"/orders/{self.asked % 40}").status, 200)
            return condition(self.daemon.rollout())

        return wait_until(look, what, 60)

    def concluded(self, state):
        return self.read_until(lambda rollout: rollout["parity"]["state"] == state and rollout, f"reads {state}")

    def test_it_begins_once_the_reads_agree(self):
        self.begin()
        waiting = self.daemon.rollout()
        self.assertEqual([waiting["state"], waiting["reason"]], ["idle", "parity"])
        self.assertIn("no read has been compared yet", waiting["next"])
        self.read_until(lambda rollout: rollout["state"] == "progressing", "the start")
        begun = self.daemon.rollout()
        self.assertEqual(begun["weight"]["target"], 10)
        self.assertEqual(begun["parity"]["state"], "shown")
        self.assertEqual(begun["parity"]["concluded"]["different"], 0)
        self.assertEqual(begun["parity"]["fields"], [])
        noise = {(field["kind"], field["field"]) for field in begun["parity"]["noise"]}
        self.assertLessEqual({("value", "/request_id"), ("value", "/at"), ("value", "/hints/*/ad")}, noise)
        self.assertIn("reads agree: 0 of", self.daemon.transition_to("progressing")["msg"])
        self.assertEqual([record["state"] for record in self.daemon.await_events("parity")], ["shown"])
        self.assertEqual(self.daemon.metric("canaryd_parity_state", rollout="shop"), 1)
        self.assertEqual(self.daemon.metric("canaryd_parity_reads_total", result="different"), 0)
        self.assertGreaterEqual(self.daemon.metric("canaryd_parity_reads_total", result="same"), 20)
        # What has begun is not compared any more: users are.
        for number in range(40):
            self.reader.get("/late", [("X-User-Id", f"u{number}")])
        late = [head for head in self.v2.heads if head[0].startswith("GET /late")]
        self.assertNotIn("shadow", {value for _, fields, _ in late for _, value in fields})

    def test_it_does_not_begin_while_a_field_differs(self):
        self.begin(dearer)
        held = self.concluded("different")
        self.assertEqual([held["state"], held["reason"]], ["idle", "parity"])
        self.assertEqual([(field["kind"], field["field"], field["path"]) for field in held["parity"]["fields"]],
                         [("value", "/items/*/price", "/orders/{id}")])
        self.assertIn("value /items/*/price", held["next"])
        told = self.daemon.await_events("parity")[0]
        self.assertEqual([told["level"], told["fields"]], ["warn", "value /items/*/price of /orders/{id}"])
        explained = self.daemon.ctl("explain", "shop")
        self.assertIn("differs: value /items/*/price", explained.stdout)
        self.assertIn("noise: value /request_id", explained.stdout)
        self.assertEqual(self.daemon.metric("canaryd_parity_state", rollout="shop"), -1)
        # Values are told to nobody.
        self.assertNotIn("secret-name", json.dumps(held) + self.daemon.log_text() + explained.stdout)
        # The operator's word is enough, and the journal has what was known.
        self.assertEqual(self.daemon.ctl("start", "shop", "--reason", "a new price").returncode, 0)
        message = self.daemon.transition_to("progressing")["msg"]
        self.assertIn("reads differ", message)
        self.assertIn("a new price", message)

    def test_it_begins_when_the_canary_has_been_mended(self):
        self.begin(dearer)
        self.concluded("different")
        self.v2.change = lambda order: order
        self.read_until(lambda rollout: rollout["state"] == "progressing", "the start")
        self.assertEqual([record["state"] for record in self.daemon.await_events("parity", 2)], ["different", "shown"])

    def test_a_canary_that_is_down_has_not_shown_anything(self):
        self.begin()
        self.v2.close()
        held = self.concluded("different")
        self.assertEqual([field["kind"] for field in held["parity"]["fields"]], ["answer"])
        self.assertEqual(held["state"], "idle")

    def test_without_reads_nothing_is_known(self):
        self.begin()
        client = self.client()
        for _ in range(20):
            client.send("POST /orders HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(client.response().status, 200)
        # Another rollout of the same daemon would have begun by now.
        config = self.rollout_config(STEPS, "auto", rollout=self.rollout)
        config["rollouts"]["other"] = {"stable": "v1", "canary": "v2", "steps": STEPS}
        config["routes"].append({"name": "other", "match": {"path_prefix": "/other"}, "rollout": "other"})
        self.daemon.write(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **config))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        wait_until(lambda: self.daemon.rollout("other")["state"] == "progressing", "the other one")
        held = self.daemon.rollout()
        self.assertEqual([held["state"], held["reason"]], ["idle", "parity"])
        self.assertEqual([held["parity"]["state"], held["parity"]["learnt_from"]], ["gathering", 0])

    def test_another_revision_begins_anew(self):
        self.begin(dearer, ignore=["/items/*/price"])
        self.read_until(lambda rollout: rollout["state"] == "progressing", "the start, the price ignored")
        config = self.rollout_config(STEPS, "auto", rollout={**self.rollout, "revision": "3"})
        self.daemon.write(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **config))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        renewed = wait_until(lambda: (r := self.daemon.rollout())["state"] == "idle" and r, "the new revision")
        self.assertEqual([renewed["reason"], renewed["parity"]["state"]], ["parity", "gathering"])
        self.read_until(lambda rollout: rollout["state"] == "progressing", "its start")


if __name__ == "__main__":
    unittest.main()
