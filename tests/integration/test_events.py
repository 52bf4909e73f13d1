"""/api/v1/events: what happens to the rollouts as it happens, and after an absence."""

import unittest

from harness import EventStream, IntegrationCase


class EventsTest(IntegrationCase):
    def follow(self, last_id=None):
        stream = EventStream(self.daemon.admin, "/api/v1/events", last_id=last_id)
        self.addCleanup(stream.close)
        return stream

    def until_state(self, stream, state):
        """Transitions up to the one into that state."""
        events = stream.until(lambda kind, data: kind == "transition" and data["to"] == state)
        return [data for kind, data in events if kind == "transition"]

    def act(self, action):
        return self.daemon.post(f"/api/v1/rollouts/shop/{action}", {"reason": "test"})

    def test_what_happens_is_told(self):
        self.start_rollout()
        stream = self.follow()
        self.act("start")
        self.act("pause")
        last = self.until_state(stream, "paused")[-1]
        self.assertEqual((last["rollout"], last["from"], last["actor"]), ("shop", "progressing", "local"))
        self.assertEqual(last["generation"], self.daemon.rollout()["generation"])
        self.assertTrue(last["durable"])
        self.assertEqual(last["message"], self.daemon.transition_to("paused")["msg"])
        sample = stream.until(lambda kind, _: kind == "sample")[-1][1]
        self.assertEqual((sample["name"], sample["state"]), ("shop", "paused"))
        self.daemon.post("/api/v1/reload")
        self.assertTrue(stream.until(lambda kind, _: kind == "reload")[-1][1]["ok"])
        self.daemon.write("version: 2\n")
        self.daemon.request("POST", "/api/v1/reload", {})
        self.assertFalse(stream.until(lambda kind, _: kind == "reload")[-1][1]["ok"])

    def test_who_was_away_hears_what_was_missed(self):
        self.start_rollout()
        stream = self.follow()
        self.act("start")
        self.until_state(stream, "progressing")
        stream.close()
        self.act("pause")
        self.act("resume")
        again = self.follow(stream.last_id)
        self.act("abort")
        self.assertEqual([data["to"] for data in self.until_state(again, "aborted")],
                         ["paused", "progressing", "aborted"])
        self.assertGreater(int(again.last_id), int(stream.last_id))

    def test_a_restart_is_a_gap(self):
        self.start_rollout()
        stream = self.follow()
        self.act("start")
        self.until_state(stream, "progressing")
        self.daemon.stop()
        self.daemon.start()
        again = self.follow(stream.last_id)
        self.assertEqual(again.next(), ("missed", {"after": int(stream.last_id)}))
        self.assertGreater(int(again.last_id), int(stream.last_id))
        again.close()
        again = self.follow(again.last_id)
        self.assertNotEqual(again.next()[0], "missed", "who has been told is not told again")
        self.act("abort")
        self.until_state(again, "aborted")
        self.assertGreater(int(again.last_id), int(stream.last_id))

    def test_an_odd_id_is_refused(self):
        self.start_rollout()
        self.assertEqual(self.follow("yesterday").status, 400)


if __name__ == "__main__":
    unittest.main()
