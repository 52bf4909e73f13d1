"""The harness against itself: what it says of an upstream must be true before it says it of canaryd."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import RawClient, Screen, ScriptedUpstream, Terminal, pattern, program, stays, wait_until


class HarnessTest(unittest.TestCase):
    def setUp(self):
        self.upstream = ScriptedUpstream("app")
        self.addCleanup(self.upstream.stop)

    def client(self):
        client = RawClient(("127.0.0.1", self.upstream.port))
        self.addCleanup(client.close)
        return client

    def test_answers_and_counts(self):
        client = self.client()
        self.assertEqual(client.get("/x").body, b"app\n")
        self.assertEqual(client.get("/chunked").body, b"one two three\n")
        self.assertEqual(client.get("/bytes/100000").body, pattern(100000))
        self.assertEqual(client.get("/status/404").status, 404)
        self.assertEqual(self.upstream.hits["/x"], 1)
        self.assertEqual(self.upstream.total, 4)

    def test_echo(self):
        client = self.client()
        client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        seen = json.loads(client.response().body)
        self.assertEqual((seen["line"], seen["body"]), ("POST /echo HTTP/1.1", "abc"))
        self.assertEqual(self.upstream.last()["host"], "t")

    def test_faults(self):
        for path in ("/reset", "/close"):
            self.assertIsNone(self.client().get(path), path)
        for path in ("/cut", "/cut-chunked"):
            self.assertFalse(self.client().get(path).whole, path)
        self.assertEqual(self.client().get("/no-length").body, b"until the end\n")
        client = self.client()
        self.assertEqual([client.get("/hints").status, client.response().status], [103, 200])

    def test_switches(self):
        self.upstream.failing = True
        self.assertEqual(self.client().get("/").status, 500)
        self.upstream.failing = False
        client = self.client()
        client.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: self.upstream.hits["/hang"], "the hit")
        self.upstream.release()
        self.assertEqual(client.response().body, b"released\n")

    def test_close_and_open_again(self):
        self.upstream.close()
        with self.assertRaises(ConnectionRefusedError):
            self.client()
        self.upstream.open()
        self.assertEqual(self.client().get("/").status, 200)

    def test_a_relative_path_of_a_program_is_of_here(self):
        with mock.patch.dict(os.environ, {"PROGRAM_BIN": "build/canaryd", "NAME_BIN": "canaryd"}):
            self.assertEqual(program("PROGRAM_BIN", "x"), os.path.join(os.getcwd(), "build/canaryd"))
            self.assertEqual(program("NAME_BIN", "x"), "canaryd")
        self.assertEqual(program("CANARYD_NOT_SET_BIN", "x"), "x")

    def test_waiting(self):
        with self.assertRaises(AssertionError):
            wait_until(lambda: False, "never", 0.01)
        self.assertTrue(stays(lambda: True, 0.01))
        self.assertFalse(stays(lambda: False, 0.01))


class ScreenTest(unittest.TestCase):
    def drawn(self, text, rows=4, columns=6, row=0):
        screen = Screen(rows, columns, row)
        for byte in text.encode():  # However it is cut.
            screen.feed(bytes([byte]))
        return screen

    def test_lines_and_what_leaves_the_screen(self):
        self.assertEqual(self.drawn("a\r\nb\r\n").lines(), ["a", "b"])
        screen = self.drawn("a\r\nb\r\n", row=3)
        self.assertEqual((screen.lines(), screen.above), (["", "a", "b"], ["", ""]))

    def test_the_last_column(self):
        screen = self.drawn("abcdef\r\ng")
        self.assertEqual((screen.lines(), screen.wraps), (["abcdef", "g"], 0))
        self.assertEqual(self.drawn("abcdef\x1b[K").lines(), ["abcde"])
        screen = self.drawn("abcdefg")
        self.assertEqual((screen.lines(), screen.wraps), (["abcdef", "g"], 1))
        screen = self.drawn("abcde\u4e00")
        self.assertEqual((screen.lines(), screen.wraps), (["abcde", "\u4e00"], 1))

    def test_a_frame_over_another(self):
        screen = self.drawn("\x1b[1mab\x1b[0m\x1b[K\r\ncd\x1b[K\r\n\x1b[J\x1b[2A\rx\x1b[K\r\n\x1b[J")
        self.assertEqual((screen.lines(), screen.frames, screen.clears, screen.flickers), (["x"], 2, 0, 0))
        self.assertEqual(screen.used, set("mKJA"))
        # Erased first, and then drawn.
        self.assertEqual(self.drawn("ab\r\n\x1b[1A\x1b[Kab\r\n").flickers, 2)
        screen = self.drawn("ab\r\n\x1b[2J\x1b[Hc")
        self.assertEqual((screen.lines(), screen.clears, screen.flickers), (["c"], 1, 1))

    def test_another_size(self):
        screen = self.drawn("abcdef\r\ngh\r\ni")
        screen.resize(2, 3)
        self.assertEqual((screen.lines(), screen.above, screen.row), (["gh", "i"], ["abcdef"], 1))

    def test_what_it_does_not_know_is_an_error(self):
        for text in ("\x1b[?25l", "\x1b[3;4H", "\x1b[1J", "\x07", "\x1bc"):
            with self.assertRaises(AssertionError):
                self.drawn(text)

    def test_a_program(self):
        says = "import os; print(*os.get_terminal_size(), os.environ.get('COLUMNS')); input()"
        terminal = Terminal([sys.executable, "-c", says], rows=5, columns=40)
        self.addCleanup(terminal.close)
        terminal.wait_for_text("40 5 None")
        terminal.type("\x03")
        self.assertNotEqual(terminal.end(), 0)
        self.assertIn("KeyboardInterrupt", terminal.screen.text())
        self.assertTrue(terminal.modes_are_as_before())


class SideBySideTest(unittest.TestCase):
    """Of a file whose cases run side by side: all are run, told of in order, and one that fails fails the file."""

    def run_file(self, body):
        text = ("import sys, unittest\n"
                f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                "from harness import run_side_by_side\n"
                f"{body}\n"
                "if __name__ == '__main__':\n    run_side_by_side(2)\n")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "test_some.py"
            file.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def test_all_cases_run(self):
        cases = "".join(f"    def test_{name}(self):\n        print('ran {name}', flush=True)\n" for name in "abc")
        code, said = self.run_file("class One(unittest.TestCase):\n" + cases)
        self.assertEqual(code, 0, said)
        self.assertEqual([line for line in said.splitlines() if line.startswith("ran")], ["ran a", "ran b", "ran c"])
        self.assertIn("3 cases, 0 failed", said)

    def test_one_that_fails_fails_the_file(self):
        code, said = self.run_file("class One(unittest.TestCase):\n    def test_a(self):\n        self.fail('so it is')\n"
                                   "    def test_b(self):\n        pass\n")
        self.assertEqual(code, 1)
        self.assertIn("so it is", said)
        self.assertIn("2 cases, 1 failed: One.test_a", said)

    def test_a_file_without_cases_fails(self):
        self.assertEqual(self.run_file("")[0], 1)


if __name__ == "__main__":
    unittest.main()
