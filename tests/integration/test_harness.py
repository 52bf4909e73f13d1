"""The harness against itself: what it says of an upstream must be true before it says it of canaryd."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import RawClient, ScriptedUpstream, pattern, program, stays, wait_until


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
