"""The dashboard, in a real browser."""

import itertools
import os
import re
import unittest
from pathlib import Path

from harness import IntegrationCase, wait_until
from harness.browser import CHROMIUM, Browser

STEPS = [{"weight": weight, "min_duration": "1h"} for weight in (20, 50, 100)]
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class DashboardTest(IntegrationCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def show(self, expected="live"):
        self.browser.open(self.daemon.admin_url("/"))
        self.browser.wait_for("#link", expected)

    def begin(self, **rollout):
        self.start_rollout(STEPS, "auto", rollout=rollout)

    def token(self, name, role, text):
        file = Path(self.folder, f"{name}.token")
        file.write_text(text + "\n")
        os.chmod(file, 0o600)
        return {"name": name, "role": role, "token_file": str(file)}

    def buttons(self):
        return self.browser.run("[...document.querySelectorAll('#actions button')].map((each) => "
                                "(each.disabled ? '-' : '+') + each.textContent)")

    def test_shows_a_rollout_as_it_goes_on(self):
        self.begin()
        self.start_load(rate=100)
        self.show()
        self.browser.wait_for("#title", "◌ Progressing")
        self.assertIn("v1 → v2", self.browser.text("#summary"))
        self.assertIn("revision 2", self.browser.text("#summary"))
        self.assertEqual(self.browser.text("#steps li[aria-current]").strip(), "20 ◌")
        self.assertIn("errors", self.browser.text("#figures"))
        self.browser.wait_for("#endpoints", f"✔ up {self.v2.address}")
        self.browser.wait_for("#charts", "Error rate", seconds=15)
        wait_until(lambda: self.browser.run("document.querySelectorAll('#charts path.canary[d]').length") == 4 and
                   self.browser.run("document.querySelector('#charts figure:nth-of-type(4) path.canary').getAttribute('d')"),
                   "points of the canary", 15)

        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "looks good"})
        self.browser.wait_for("#steps li[aria-current]", "50 ◌")
        self.browser.wait_for("#timeline", "looks good")
        self.browser.wait_for("#list", "50 %")
        self.assertRegex(self.browser.run("document.title"), "50 % shop")
        # At 20, along, up to 50, along, and not down again at its end.
        weight = "document.querySelector('#charts .weight:not(.area)').getAttribute('d')"
        wait_until(lambda: self.browser.run(weight).count("L") > 4, "two steps in the picture of the weight", 15)
        self.assertRegex(self.browser.run(weight), r"L([\d.]+),([\d.]+)L[\d.]+,\2$")
        self.assertEqual(self.browser.complaints, [])

    def test_asks_nobody_but_its_own_daemon(self):
        self.begin()
        self.show()
        own = self.daemon.admin_url("/")
        others = [url for url in self.browser.requested if not url.startswith((own, "data:"))]
        self.assertEqual(others, [])
        self.assertIn(own + "dashboard/style.css", self.browser.requested)
        self.assertEqual(self.browser.complaints, [])
        # And its policy keeps it so.
        self.browser.run("new Promise((done) => { const image = new Image(); image.onerror = done; "
                         "image.src = 'http://127.0.0.2:9/'; })")
        wait_until(lambda: self.browser.run("true") and
                   any("Content Security Policy" in text for text in self.browser.complaints), "the policy's complaint")

    def test_aborts_after_a_reason_was_given(self):
        self.begin()
        self.show()
        self.browser.wait_for("#actions", "Abort")
        self.assertEqual(self.buttons(), ["+Promote", "+Pause", "+Abort"])
        self.browser.click("#actions button", "Abort")
        self.browser.wait_for("#ask", "Everybody is on stable from the next request on.")
        self.browser.click("#ask-yes")
        self.assertTrue(self.browser.run("document.querySelector('#ask').open"), "it went without a reason")
        self.browser.type("#ask-reason", f"checkout fails {HOSTILE}")
        self.browser.click("#ask-yes")
        self.browser.wait_for("#title", "✖ Aborted")
        self.assertEqual(self.daemon.rollout()["state"], "aborted")
        self.assertIn("checkout fails", self.daemon.transition_to("aborted")["msg"])
        self.browser.wait_for("#timeline", HOSTILE)
        wait_until(lambda: not self.browser.run("document.querySelector('#ask').open"), "the end of the dialog")
        self.assertEqual(self.buttons(), ["+Retry"])
        self.assertNotEqual(self.browser.run("document.title"), "owned")

    def test_does_not_promote_what_has_moved_on(self):
        self.begin()
        self.show()
        self.browser.wait_for("#actions", "Promote")
        self.browser.click("#actions button", "Promote")
        self.browser.type("#ask-reason", "go on")
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": "somebody else"})
        self.browser.click("#ask-yes")
        self.browser.wait_for("#ask-error", "has moved on")
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 20)

    def test_shows_texts_of_others_as_text(self):
        self.begin(revision=HOSTILE)
        self.show()
        self.browser.wait_for("#summary", HOSTILE)
        self.assertNotEqual(self.browser.run("document.title"), "owned")
        self.assertEqual(self.browser.run("document.querySelectorAll('main img, main script').length"), 0)

    def test_lets_each_role_do_its_own(self):
        tokens = [self.token("eve", "viewer", "a-viewer-token-0123456789"),
                  self.token("ci", "operator", "an-operator-token-0123456789")]
        self.daemon.token = "an-operator-token-0123456789"
        self.start_rollout(STEPS, admin={"address": "127.0.0.1:0", "tokens": tokens})
        self.show("not live: a token is needed")
        self.assertEqual(self.browser.text("main").strip(), "")
        for text, shown in (("wrong-token-0123456789", ""), ("a-viewer-token-0123456789", "eve (viewer)"),
                            ("an-operator-token-0123456789", "ci (operator)")):
            self.browser.type("#token", text)
            self.browser.click("#sign-in button")
            if not shown:
                self.browser.wait_for("#notice", "this token is not, or no longer, one of admin.tokens")
                continue
            self.browser.wait_for("#caller", shown)
            self.browser.wait_for("#actions", "Start")
            self.assertEqual(self.browser.text("#notice"), "")
            self.assertEqual(self.buttons(), [f"{'+' if 'operator' in shown else '-'}{word}" for word in ("Start", "Abort")])
            self.browser.click("#sign-out")
            self.browser.wait_for("#notice", "a token is needed")
            wait_until(lambda: self.browser.text("main").strip() == "", "an empty page")
        self.assertNotIn("operator-token", self.browser.run("location.href"))

    def test_goes_on_after_a_restart(self):
        self.begin()
        self.show()
        self.browser.wait_for("#title", "Progressing")
        # Where it was: a port of its own choice would be another one.
        address = re.fullmatch(r"http://(.*)/", self.daemon.admin_url("/")).group(1)
        self.daemon.stop()
        self.browser.wait_for("#link", "not live: the daemon does not answer")
        config = self.rollout_config(STEPS, "auto")
        self.start({"v1": self.v1, "v2": self.v2}, **config, admin={"address": address})
        self.browser.wait_for("#link", "● live", seconds=20)
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": "after the restart"})
        self.browser.wait_for("#title", "‖ Paused")

    def test_offers_a_retry_after_a_bad_verdict(self):
        self.begin(on_failure="hold")
        # Never often enough in a row for the circuit.
        turns = itertools.count()
        self.v2.failing = lambda: next(turns) % 2 == 0
        self.start_load(rate=200)
        self.show()
        self.browser.wait_for("#title", "⚠ Held (verdict)", seconds=60)
        self.assertEqual(self.buttons(), ["+Retry", "+Pause", "+Abort"])
        self.v2.failing = False
        self.browser.click("#actions button", "Retry")
        self.browser.type("#ask-reason", "mended")
        self.browser.click("#ask-yes")
        self.browser.wait_for("#title", "◌ Progressing")

    def test_shows_the_rollout_and_the_time_that_are_chosen(self):
        config = self.rollout_config(STEPS, "auto")
        config["rollouts"]["other"] = {**config["rollouts"]["shop"], "revision": "other-7"}
        config["routes"].append({"name": "more", "match": {"path_prefix": "/more"}, "rollout": "other"})
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        self.start({"v1": self.v1, "v2": self.v2}, **config)
        self.show()
        self.browser.wait_for("#list", "other")
        self.browser.click("#list .row", "other")
        self.browser.wait_for("#summary", "revision other-7")
        self.browser.wait_for("#charts", "Latency p99", seconds=15)
        self.browser.click("#key button", "24h")
        a_day = ("(() => { const [from, , to] = [...document.querySelectorAll('#charts figure:first-of-type text')].slice(-3)"
                 ".map((each) => each.textContent); return from === to; })()")
        wait_until(lambda: self.browser.run(a_day), "a day from left to right", 15)
        self.assertEqual(self.browser.run("location.hash"), "#other")
        self.browser.click("#list .row", "shop")
        self.browser.wait_for("#summary", "revision 2")
        self.assertEqual(self.browser.complaints, [])

    def test_the_keyboard_keeps_its_place(self):
        """Whatever is drawn again, by a choice or by what happens."""
        config = self.rollout_config(STEPS, "auto")
        config["rollouts"]["other"] = {**config["rollouts"]["shop"], "revision": "other-7"}
        config["routes"].append({"name": "more", "match": {"path_prefix": "/more"}, "rollout": "other"})
        self.start({name: self.upstream(name) for name in ("v1", "v2")}, **config)
        self.show()
        self.browser.wait_for("#list", "other")

        def press(place, key):
            """As Enter does on a button that has the focus."""
            self.browser.run("(() => { const at = document.querySelector('%s [data-key=\"%s\"]'); at.focus(); at.click(); })()"
                             % (place, key))

        focused = "document.activeElement.dataset.key"
        press("#list", "other")
        self.browser.wait_for("#summary", "revision other-7")
        self.assertEqual(self.browser.run(focused), "other")
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": "lunch"})
        self.browser.wait_for("#list", "Paused (lunch)")
        self.assertEqual(self.browser.run(focused), "other")
        press("#key", "24h")
        self.browser.wait_for("#key [aria-pressed=true]", "24h")
        self.assertEqual(self.browser.run(focused), "24h")

    def test_of_many_rollouts_the_chosen_one_is_in_sight(self):
        config = self.rollout_config(STEPS)
        shop = config["rollouts"]["shop"]
        for number in range(40):
            config["rollouts"][f"r{number}"] = shop
            config["routes"].append({"name": f"r{number}", "match": {"path_prefix": f"/{number}/"}, "rollout": f"r{number}"})
        self.start({name: self.upstream(name) for name in ("v1", "v2")}, **config)
        self.browser.open(self.daemon.admin_url("/#r30"))
        self.browser.wait_for("#title", "r30")
        in_sight = ("(() => { const at = document.querySelector('%s').getBoundingClientRect(); "
                    "return at.top >= 0 && at.top < innerHeight; })()")
        for seen in ("#title", "#list .row[aria-current]"):
            self.assertTrue(self.browser.run(in_sight % seen), seen)

    def test_fits_a_narrow_window(self):
        self.begin(revision="a-revision-" + 100 * "x")
        self.daemon.post("/api/v1/rollouts/shop/pause", {"reason": 200 * "y"})
        self.show()
        self.browser.wait_for("#charts", "Latency p99")
        self.browser.command("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
        self.addCleanup(self.browser.command, "Emulation.clearDeviceMetricsOverride")
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 400)

    def test_shows_what_has_moved_away_from_the_monolith(self):
        self.start_rollout(STEPS, "auto", migration={"from": ["v1"]})
        self.get("/cart", [("X-User-Id", "anna")])
        self.show()
        self.browser.wait_for("#map", "Leaving v1")
        self.browser.wait_for("#map", "v1 → v2")


if __name__ == "__main__":
    unittest.main()
