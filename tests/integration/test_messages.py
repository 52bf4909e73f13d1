"""Messages of hooks, sent to a webhook like Slack's in the way that docs/operations.md says: each state once, in order."""

import http.server
import json
import re
import threading
import unittest
from pathlib import Path

from harness import IntegrationCase, wait_until

QUICK = {"tolerance": {"errors": {"relative": 50, "absolute": 5}}, "latency_quantiles": []}
STRICT = {"tolerance": {"errors": {"relative": 1, "absolute": 0.01}}, "latency_quantiles": []}
PAGE = Path(__file__).resolve().parents[2] / "docs/operations.md"


class Chat(http.server.ThreadingHTTPServer):
    """Takes JSON with a text, as an incoming webhook of Slack does; fails as often as it is told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ChatRequest)
        self.taken = []
        self.targets = []  # Of those.
        self.refusals = 0


class ChatRequest(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # The name that http.server calls.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/json":
            return self.answer(400, b"invalid_payload")
        message = json.loads(body)
        if not message.get("text"):
            return self.answer(400, b"no_text")
        if self.server.refusals > 0:
            self.server.refusals -= 1
            return self.answer(503, b"later")
        self.server.targets.append(self.path)
        self.server.taken.append(message)
        return self.answer(200, b"ok")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class MessagesTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.chat = Chat()
        thread = threading.Thread(target=self.chat.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(lambda: (self.chat.shutdown(), thread.join(), self.chat.server_close()))

    def begin(self):
        """With the file and the hook of the page, but for the address and the states."""
        section = PAGE.read_text(encoding="utf-8").split("## Messages to Slack")[1]
        file, = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
        program, = re.findall(r"exec: \[(.*?)\]", section)
        file, count = re.subn(r'url = ".*"', f'url = "http://127.0.0.1:{self.chat.server_port}/T/B/X"', file)
        self.assertEqual(count, 1)
        (Path(self.folder) / "slack.curl").write_text(file, encoding="utf-8")
        states = ["progressing", "paused", "held", "baking", "promoted", "rolled_back", "aborted"]
        hook = {"on": states, "exec": program.split(", "), "timeout": "30s"}
        self.start_rollout(rollout={"hooks": [hook]})

    def begin_with(self, states, steps, analysis=QUICK, **rollout):
        """Told of these states by HTTP, while there is load."""
        hook = {"on": states, "http": {"url": f"http://127.0.0.1:{self.chat.server_port}/"}}
        self.start_rollout(steps, "auto", analysis, rollout={"hooks": [hook], **rollout})
        return self.start_load()

    def told(self):
        return [message["state"] for message in self.chat.taken]

    def test_each_state_is_one_message(self):
        self.begin()
        commands = [("start",), ("pause",), ("pause",), ("resume",), ("promote", "--full", "--yes"), ("promote",),
                    ("rollback",), ("retry",), ("abort",)]
        for command, *flags in commands:
            self.assertEqual(self.daemon.ctl(command, "shop", *flags).returncode, 0, command)
        wait_until(lambda: len(self.chat.taken) >= 8, "all messages", 60)
        self.assertEqual(self.told(), ["progressing", "paused", "progressing", "baking", "promoted", "rolled_back",
                                       "progressing", "aborted"])
        self.assertEqual(len({message["id"] for message in self.chat.taken}), 8)
        self.assertIn("paused shop at 1 %", self.chat.taken[1]["text"])

    def test_a_gate_and_the_end_of_the_old_version(self):
        steps = [{"weight": 20, "min_duration": "1s", "gate": "owner"}, {"weight": 100, "min_duration": "1s"}]
        self.begin_with(["waiting", "retiring", "retired"], steps, bake={"duration": "0s"},
                        retire={"idle_for": "1s", "drain": "0s", "undo": "1s"})
        wait_until(lambda: self.told() == ["waiting"], "the message of the gate", 60)
        self.assertIn("owner", self.chat.taken[0]["text"])
        self.assertEqual(self.daemon.ctl("approve", "shop", "owner").returncode, 0)
        wait_until(lambda: self.told() == ["waiting", "retiring", "retired"], "the messages of the retirement", 60)

    def test_the_circuit(self):
        self.begin_with(["suspended"], [{"weight": 50}, {"weight": 100}], circuit={"open_for": "1h"})
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start")
        self.v2.failing = True
        wait_until(lambda: self.told() == ["suspended"], "the message of the circuit", 60)
        self.assertEqual(self.chat.taken[0]["reason"], "circuit")

    def test_no_verdict_in_time_is_one_message(self):
        steps = [{"weight": 25, "min_duration": "1s", "max_duration": "2s"}, {"weight": 100}]
        self.begin_with(["inconclusive", "held"], steps, STRICT)
        wait_until(lambda: self.told() == ["held"], "the message", 60)
        self.assertEqual(self.chat.taken[0]["reason"], "inconclusive")

    def test_secrets_of_the_environment_are_shown_to_nobody(self):
        tell = Path(self.folder) / "tell.sh"
        tell.write_text("#!/bin/sh\n[ \"$1\" = s3cret-1 ] && exit 3\nexit 4\n", encoding="utf-8")
        tell.chmod(0o755)
        url = f"http://127.0.0.1:{self.chat.server_port}/told?token=${{CHAT_TOKEN}}"
        hooks = [{"on": ["paused"], "http": {"url": url}},
                 {"on": ["paused"], "exec": ["./tell.sh", "${CHAT_TOKEN}"]}]
        self.daemon.environment = {"CHAT_TOKEN": "s3cret-1"}
        self.chat.refusals = 1
        self.start_rollout(rollout={"hooks": hooks})
        for command in ("start", "pause"):
            self.assertEqual(self.daemon.ctl(command, "shop").returncode, 0, command)
        failed = [record["msg"] for record in self.daemon.await_events("hook_failed", 2)]
        for begin in (f"http://127.0.0.1:{self.chat.server_port}/told?token=*** was not told",
                      "./tell.sh with 1 argument was not told"):
            self.assertEqual([msg.startswith(begin) for msg in failed].count(True), 1, failed)
        ran = self.daemon.await_events("hook_ran")[0]
        self.assertEqual((ran["msg"], ran["exit_code"]), ("./tell.sh with 1 argument ended with exit code 3", 3))
        wait_until(lambda: self.chat.targets, "the message", 60)
        self.assertEqual(self.chat.targets[0], "/told?token=s3cret-1")

        config = self.daemon.ctl("config").stdout
        self.assertIn("/told?token=***", config)
        self.assertIn('"***"]', config)
        # A reload knows what it changes, and a look from outside only what is shown.
        text = self.daemon.file.read_text(encoding="utf-8")
        other = Path(self.folder) / "other.yaml"
        other.write_text(text.replace("${CHAT_TOKEN}", "s3cret-2"), encoding="utf-8")
        self.assertEqual(self.daemon.ctl("diff", str(other)).stdout, "nothing changes\n")
        self.daemon.write(other.read_text(encoding="utf-8"))
        self.assertEqual(self.daemon.ctl("reload").returncode, 0)
        wait_until(lambda: "changed behind the mask" in self.daemon.ctl("history").stdout, "the history", 60)
        shown = [self.daemon.log_text(), config, *(self.daemon.ctl(*command).stdout for command in (
            ("config",), ("config", "-o", "json"), ("history", "-o", "json"), ("status", "shop", "-o", "json")))]
        for each in shown:
            self.assertNotIn("s3cret", each)

    def test_what_is_not_taken_comes_again(self):
        self.begin()
        self.chat.refusals = 2
        self.assertEqual(self.daemon.ctl("start", "shop").returncode, 0)
        wait_until(lambda: self.chat.taken, "the message", 60)
        self.assertEqual((self.told(), self.chat.refusals), (["progressing"], 0))
        self.assertIn("503", "".join(ran["output"] for ran in self.daemon.await_events("hook_ran", 3)))


if __name__ == "__main__":
    unittest.main()
