"""`canaryctl status --watch` and `top` in a terminal: what is seen there, without a flicker."""

import re
from pathlib import Path

from harness import base_config, run_side_by_side, wait_until
from harness.terminal_case import IN_PLACE, TerminalCase

AWAY = "  not reachable, retrying"
ROLLOUTS = ("checkout", "search", "shop")
# Where a part of the table begins or ends, and between.
WIDTHS = (20, 34, 47, 48, 60, 63, 70, 71, 80, 89, 90, 100, 119, 120, 200)


class RolloutTest(TerminalCase):
    def setUp(self):
        super().setUp()
        self.start_rollout()

    def test_a_frame_is_drawn_over_the_last_one(self):
        terminal = self.watch("shop")
        screen = terminal.wait_for_frames(2)
        self.assertTrue(screen.lines()[0].startswith("shop   · Idle   weight 0 %"), screen.text())
        shown = len(screen.lines())
        # It is longer then: there is a history, for instance.
        self.daemon.set_weight(5)
        terminal.wait_for_text("weight 5 %")
        terminal.wait_for_text("from 1 % to 5 % and paused it: test")
        screen = terminal.wait_for_frames(2)
        self.assertRegex(screen.lines()[0], r"^shop   \S Paused   step 2/5   weight 5 %   for ")
        self.assertGreater(len(screen.lines()), shown)
        self.assertEqual(screen.text().count("weight"), 1, "nothing is left of a frame before")
        self.assertIn("next: paused; `canaryctl resume` goes on", screen.text())
        # And shorter again: the reason is gone.
        self.assertIn("reason: test", screen.text())
        self.daemon.post("/api/v1/rollouts/shop/resume")
        terminal.wait_for(lambda screen: not re.search("Paused|reason:", screen.text()), "the resumption")
        screen = terminal.wait_for_frames()
        self.check_in_place(screen)
        self.assertEqual((screen.above, screen.column), ([], 0))
        self.interrupt(terminal)

    def test_at_the_end_of_a_full_screen(self):
        """The first frame moves up what was there; the next ones only what they are longer."""
        terminal = self.watch("shop", rows=24, row=23)
        self.daemon.set_weight(25)
        terminal.wait_for_text("from 1 % to 25 % and paused it: test")
        screen = terminal.wait_for_frames(2)
        frame = [line for line in screen.lines() if line]
        self.assertEqual(screen.text().count("weight"), 1)
        self.assertEqual((screen.above, screen.row), ([""] * len(frame), 23))
        self.check_in_place(screen)
        self.interrupt(terminal)

    def test_with_traffic(self):
        self.daemon.set_weight(50)
        self.start_load(rate=100)
        terminal = self.watch("shop", rows=24, columns=80)
        terminal.wait_for(lambda screen: re.search(r"requests/s +[1-9]\S* +[1-9]", screen.text()), "the rates of both")
        terminal.wait_for(lambda screen: re.search(r"latency p50 +\S+ ms +\S+ ms", screen.text()), "both latencies")
        self.check_in_place(terminal.wait_for_frames(2))

    def test_another_size(self):
        self.daemon.set_weight(5)
        terminal = self.watch("shop", columns=120)
        self.assertIn("evidence: bad", terminal.screen.text())
        self.resize(terminal, 30, 60)
        self.assertNotIn("evidence: bad", terminal.screen.text())
        self.assertIn("tolerated", terminal.screen.text())
        self.resize(terminal, 30, 40)
        self.assertNotIn("tolerated", terminal.screen.text())
        self.resize(terminal, 24, 120)
        self.assertIn("evidence: bad", terminal.screen.text())
        screen = terminal.wait_for_frames(2)
        self.assertEqual((screen.clears, screen.wraps, screen.text().count("weight")), (3, 0, 1), "once for each size")
        # Fewer rows are no reason to begin anew.
        terminal.resize(6, 120)
        terminal.wait_for_frames(2)
        self.assertRegex(screen.lines()[0], "^shop   ")
        self.assertEqual((screen.clears, len(screen.lines())), (3, 5))
        self.interrupt(terminal)

    def test_a_terminal_of_few_rows(self):
        """What has no room is left out at the end, which is said, and a row is kept for the cursor."""
        terminal = self.watch("shop", rows=6)
        screen = terminal.wait_for_frames(2)
        self.check_in_place(screen)
        self.assertEqual((len(screen.lines()), screen.row, screen.above), (5, 5, []))
        self.assertRegex(screen.lines()[0], "^shop   ")
        self.assertRegex(screen.lines()[4], r"^  … \d+ more$")

    def test_it_fits_any_width(self):
        self.daemon.set_weight(5)
        for width in WIDTHS:
            with self.subTest(width):
                for arguments in (("shop",), (), ("-o", "wide")):
                    # The terminal's own width counts.
                    terminal = self.of_daemon("status", *arguments, columns=width, environment={"COLUMNS": "300"})
                    self.assertEqual(terminal.end(), 0)
                    self.assertEqual((terminal.screen.wraps, terminal.screen.above), (0, []), terminal.screen.text())
                    self.assertIn("shop", terminal.screen.text())

    def test_a_rollout_that_is_not_there(self):
        terminal = self.of_daemon("status", "no-such", "--watch")
        self.assertEqual(terminal.end(), 1)
        self.assertEqual(terminal.screen.text(), "canaryctl: there is no such rollout; there is shop")

    def test_a_terminal_without_a_cursor(self):
        terminal = self.of_daemon("status", "shop", "--watch", rows=100, environment={"TERM": "dumb"})
        terminal.wait_for_text("next: waits for `canaryctl start`")
        self.daemon.set_weight(5)
        screen = terminal.wait_for_text("next: paused; `canaryctl resume` goes on")
        firsts = [line for line in screen.lines() if line.startswith("shop ")]
        self.assertRegex(firsts[0], r"^shop   \S Idle   weight 0 %")
        self.assertRegex(firsts[-1], r"^shop   \S Paused   step 2/5   weight 5 %")
        self.assertEqual((screen.used, screen.wraps), (set(), 0))
        self.interrupt(terminal)

    def test_a_rollout_that_ends(self):
        terminal = self.watch("shop")
        plain = [{"name": "all", "match": {"path_prefix": "/"}, "upstream": "v1"}]
        self.daemon.write(base_config(self.folder, {"v1": self.v1, "v2": self.v2}, routes=plain))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        self.assertEqual(terminal.end(), 1)
        self.assertRegex(terminal.screen.lines()[0], "^shop   ")
        self.assertEqual(terminal.screen.lines()[-1], "canaryctl: there is no such rollout")

    def test_colours(self):
        def is_coloured(*arguments, **environment):
            terminal = self.of_daemon("status", *arguments, environment=environment)
            self.assertEqual(terminal.end(), 0)
            self.assertIn("weight 0 %" if arguments[:1] == ("shop",) else "WEIGHT", terminal.screen.text())
            return "m" in terminal.screen.used

        self.assertTrue(is_coloured("shop"))
        self.assertTrue(is_coloured("shop", NO_COLOR=""))
        self.assertTrue(is_coloured())
        self.assertFalse(is_coloured("shop", NO_COLOR="1"))
        self.assertFalse(is_coloured(NO_COLOR="0"))
        self.assertFalse(is_coloured("shop", TERM="dumb"))
        self.assertFalse(is_coloured("shop", "--no-color"))
        terminal = self.watch("shop", environment={"NO_COLOR": "1"})
        self.assertEqual(terminal.wait_for_frames(2).used, IN_PLACE - {"m"})

    def test_a_locale_without_utf_8(self):
        self.daemon.set_weight(5)
        terminal = self.watch("shop", environment={"LC_ALL": "C"})
        screen = terminal.wait_for_frames(2)
        self.assertTrue(screen.text().isascii(), screen.text())
        self.assertRegex(screen.lines()[0], "^shop   Paused   step 2/5   weight 5 %")

    def test_top(self):
        self.start_load(rate=100)
        terminal = self.of_daemon("top")
        terminal.wait_for(lambda screen: re.search(r"(?m)^all +shop +stable +[1-9]", screen.text()), "stable's rate")
        screen = terminal.wait_for_frames(2)
        self.check_in_place(screen)
        self.assertRegex(screen.lines()[0], "^ROUTE +ROLLOUT +COHORT")
        self.assertEqual(screen.text().count("ROUTE"), 1)
        self.interrupt(terminal)

    def check_one_frame(self, screen, word="weight"):
        self.assertEqual((screen.wraps, screen.above, screen.text().count(word)), (0, [], 1), screen.text())

    def test_top_in_another_size(self):
        self.get()
        terminal = self.of_daemon("top")
        terminal.wait_for_text("shop")
        self.resize(terminal, 24, 40)
        self.check_one_frame(terminal.wait_for_frames(2), "ROUTE")

    def test_json_in_a_narrow_terminal(self):
        self.daemon.set_weight(5)
        terminal = self.watch("shop", "-o", "json", rows=300, columns=40)
        screen = terminal.wait_for_frames(2)
        self.assertEqual((screen.above, screen.text().count('"generation"')), ([], 1), screen.text())

    def test_json_in_a_tiny_terminal(self):
        """Of a line that has no room for all of it, so much as has."""
        screen = self.watch("shop", "-o", "json", rows=3, columns=12).wait_for_frames(2)
        self.assertEqual(screen.lines(), ["{", '  "name": "s'])
        self.assertEqual((screen.row, screen.above), (2, []))
        self.check_in_place(screen)

    def test_a_line_that_is_cut_ends_with_an_ellipsis(self):
        """It is in the last column, which is the one that is erased there."""
        self.daemon.set_weight(5)
        screen = self.watch("shop", columns=60).wait_for_frames(2)
        self.assertRegex(screen.text(), r"\n  \d\d:\d\d:\d\dZ .{47}…\n")
        # But for what is to be done, which is as long as it is.
        self.assertRegex(screen.text(), r"\n  next: paused; `canaryctl resume` goes on; rollback stays\n        \w+")

    def test_a_terminal_that_does_not_tell_its_size(self):
        screen = self.watch("shop", columns=150, tells_size=False).wait_for_frames(2)
        self.assertIn("next: waits for `canaryctl start`", screen.text())


class StragglerTest(TerminalCase):
    def test_who_still_uses_the_old_version(self):
        cohort = {"keys": [{"header": "X-User-Id"}], "force": {"header": "X-Canary", "trusted_only": False}}
        self.start_rollout(steps=[{"weight": 100, "min_duration": "0s"}],
                           rollout={"bake": {"duration": "0s"}, "retire": {"idle_for": "1h"}, "cohort": cohort})
        self.assertEqual(self.daemon.ctl("start", "shop").returncode, 0)
        self.assertEqual(self.daemon.ctl("promote", "shop", "--full", "--yes").returncode, 0)
        wait_until(lambda: self.daemon.rollout()["state"] == "promoted", "the promotion")
        self.get("/", [("X-Canary", "never"), ("User-Agent", "a browser with a name that is long, as they are " * 2)])
        wait_until(lambda: self.daemon.rollout()["retire"]["stragglers"], "the straggler")
        terminal = self.watch("shop", columns=80)
        terminal.wait_for_text("still used by 127.0.0.1")
        screen = terminal.wait_for_frames(2)
        self.check_in_place(screen)
        self.assertEqual(screen.text().count("weight"), 1)


class ListTest(TerminalCase):
    def setUp(self):
        super().setUp()
        config = self.rollout_config()
        shop = config["rollouts"]["shop"]
        config["rollouts"] = {name: {**shop, "revision": f"2.{number}"} for number, name in enumerate(ROLLOUTS)}
        config["routes"] = [{"name": name, "match": {"path_prefix": f"/{name}"}, "rollout": name} for name in ROLLOUTS]
        self.start({name: self.upstream(name) for name in ("v1", "v2")}, **config)

    def cells(self, screen, name):
        """{title: cell} of its line; no cell has two blanks in it."""
        titles = re.split(r"  +", screen.lines()[0])
        line = next(line for line in screen.lines() if line.startswith(name + " "))
        return dict(zip(titles, re.split(r"  +", line), strict=True))

    def test_a_change_appears_in_its_place(self):
        terminal = self.watch()
        screen = terminal.wait_for_frames()
        self.assertEqual([line.split()[0] for line in screen.lines()], ["NAME", *ROLLOUTS])
        self.daemon.set_weight(25, "search")
        terminal.wait_for_text("Paused")
        screen = terminal.wait_for_frames(2)
        self.assertEqual([line.split()[0] for line in screen.lines()], ["NAME", *ROLLOUTS])
        self.assertEqual([self.cells(screen, name)["WEIGHT"] for name in ROLLOUTS], ["0 %", "25 %", "0 %"])
        self.check_in_place(screen)
        self.interrupt(terminal)

    def test_columns_that_matter_least_go_first(self):
        terminal = self.watch(columns=120)
        first = list(self.cells(terminal.screen, "shop"))
        self.assertEqual(first, ["NAME", "STATE", "STEP", "WEIGHT", "STABLE", "CANARY", "REVISION", "FOR"])
        left_out = []
        for columns in (60, 40, 25):
            self.resize(terminal, 24, columns)
            kept = self.cells(terminal.screen, "shop")
            self.assertEqual(list(kept), [title for title in first if title in kept], "the same order")
            self.assertLess(len(kept), len(first) - len(left_out))
            left_out = [title for title in first if title not in kept]
            self.assertTrue({"NAME", "STATE", "WEIGHT"} <= set(kept), terminal.screen.text())
        self.resize(terminal, 24, 120)
        self.assertEqual(list(self.cells(terminal.screen, "shop")), first)
        self.assertEqual([line.split()[0] for line in terminal.screen.lines()], ["NAME", *ROLLOUTS])
        self.interrupt(terminal)


class DaemonTest(TerminalCase):
    """A socket has the same address behind a restart."""

    def setUp(self):
        super().setUp()
        self.address = f"unix:{Path(self.folder) / 'admin.sock'}"
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        self.daemon.write(base_config(self.folder, scripted, **self.rollout_config(), admin={"address": self.address}))

    def spawn(self):
        self.daemon.spawn()
        self.daemon.await_events("ready")

    def watch(self, *arguments, **more):
        terminal = self.terminal("--addr", self.address, "status", *arguments, "--watch", **more)
        terminal.wait_for_frames()
        return terminal

    def check_restart(self, *arguments):
        terminal = self.watch(*arguments)
        known = [line.split()[:3] for line in terminal.wait_for_frames().lines()]
        self.daemon.kill()
        terminal.wait_for_text(AWAY)
        screen = terminal.wait_for_frames(2)
        # What was known stays on the screen.
        self.assertEqual([line.split()[:3] for line in screen.lines()], [AWAY.split()[:3], *known])
        self.spawn()
        terminal.wait_for(lambda screen: AWAY not in screen.text(), "that it is back")
        screen = terminal.wait_for_frames()
        self.assertEqual([line.split()[:3] for line in screen.lines()], known)
        self.check_in_place(screen)
        self.assertEqual(screen.above, [])
        self.interrupt(terminal)

    def test_a_restart(self):
        self.spawn()
        self.check_restart("shop")
        self.check_restart()

    def test_while_it_is_away(self):
        self.spawn()
        terminal = self.watch("shop")
        self.daemon.kill()
        terminal.wait_for_text(AWAY)
        self.interrupt(terminal)
        self.assertEqual(terminal.screen.used, IN_PLACE)

    def test_another_size_while_it_is_away(self):
        self.spawn()
        terminal = self.watch("shop")
        self.daemon.kill()
        terminal.wait_for_text(AWAY)
        self.resize(terminal, 30, 50)
        screen = terminal.wait_for_frames(2)
        self.assertEqual((screen.wraps, screen.above, screen.text().count("weight")), (0, [], 1))

    def test_where_there_is_none(self):
        terminal = self.terminal("--addr", self.address, "status", "--watch")
        self.assertEqual(terminal.end(), 5)
        self.assertEqual(terminal.screen.used, set())
        self.assertIn("is canaryd running?", terminal.screen.text())

    def test_away_from_a_tiny_terminal(self):
        self.spawn()
        terminal = self.watch("shop", "-o", "json", rows=3, columns=12)
        self.daemon.kill()
        terminal.wait_for(lambda screen: "{" not in screen.text(), "that it is away")
        self.assertEqual(terminal.wait_for_frames().lines(), [AWAY[:12], AWAY[12:24]])


if __name__ == "__main__":
    run_side_by_side()
