"""Who may use the admin API: tokens, its socket, its description, and what keeps others out."""

import json
import os
import signal
import socket
import stat
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, Checker, EventStream, IntegrationCase, RawClient, base_config, ctl, to_yaml, wait_until

TOKENS = {"viewer": "v" * 16, "operator": "o" * 16, "admin": "a" * 16}


class TokensTest(IntegrationCase):
    def token_file(self, name, text, mode=0o600):
        file = Path(self.folder) / f"{name}.token"
        file.write_text(text + "\n", encoding="utf-8")
        file.chmod(mode)
        return str(file)

    def start_with_tokens(self, **more):
        tokens = []
        for role, token in TOKENS.items():
            self.token_file(role, token)
            tokens.append({"name": f"the-{role}", "role": role, "token_file": f"{role}.token"})
        self.daemon.token = TOKENS["admin"]
        return self.start_rollout(admin={"address": "127.0.0.1:0", "tokens": tokens}, **more)

    def status_as(self, role, method, path, body=None):
        headers = [("Authorization", f"Bearer {TOKENS.get(role, role)}")]
        return self.daemon.request(method, path, body, headers)[0]

    def validate(self, **admin):
        file = Path(self.folder) / "checked.yaml"
        config = base_config(self.folder, {"v1": self.upstream("v1")}, admin=admin)
        file.write_text(to_yaml(config), encoding="utf-8")
        return subprocess.run(
            [CANARYD, "validate", "-c", str(file)], capture_output=True, text=True, timeout=60, check=False)

    def test_roles_and_who_did_it(self):
        self.start_with_tokens()
        start = "/api/v1/rollouts/shop/start"
        self.assertEqual(self.status_as("nobody-at-all-here", "GET", "/api/v1/rollouts"), 401)
        self.assertEqual(self.status_as("viewer", "GET", "/api/v1/rollouts"), 200)
        self.assertEqual(self.status_as("viewer", "POST", start, {}), 403)
        self.assertEqual(self.status_as("operator", "POST", "/api/v1/reload", {}), 403)
        self.assertEqual(self.status_as("operator", "POST", start, {"reason": "release"}), 200)
        rows = self.daemon.get("/api/v1/rollouts/shop/history")["items"]
        self.assertEqual(rows[-1]["actor"], "the-operator")
        self.assertEqual(self.status_as("admin", "POST", "/api/v1/reload", {}), 200)

        changes = self.daemon.await_events("change", 2)
        self.assertEqual([(each["actor"], each["path"]) for each in changes],
                         [("the-operator", start), ("the-admin", "/api/v1/reload")])
        self.assertEqual([each["status"] for each in self.daemon.await_events("refused", 3)], [401, 403, 403])
        texts = [self.daemon.log_text(), json.dumps(rows), self.daemon.request("GET", "/api/v1/config")[1]]
        dump = subprocess.run([CANARYD, "config-dump", "-c", str(self.daemon.file)],
                              capture_output=True, text=True, timeout=60, check=True)
        for text in [*texts, dump.stdout]:
            for token in TOKENS.values():
                self.assertNotIn(token, text)
        self.assertIn("operator.token", dump.stdout)

    def test_canaryctl(self):
        self.start_with_tokens()
        url = self.daemon.admin_url("")
        self.assertEqual(ctl("--addr", url, "status").returncode, 7)
        viewer = str(Path(self.folder) / "viewer.token")
        self.assertEqual(ctl("--addr", url, "--token-file", viewer, "status").returncode, 0)
        refused = ctl("--addr", url, "--token-file", viewer, "start", "shop")
        self.assertEqual(refused.returncode, 7)
        self.assertIn("takes the role operator", refused.stderr)

    def test_a_reload_brings_new_tokens(self):
        self.start_with_tokens()
        self.token_file("operator", "n" * 16)
        self.assertEqual(self.status_as("operator", "POST", "/api/v1/rollouts/shop/start", {}), 200)
        self.daemon.signal(signal.SIGHUP)
        self.daemon.await_events("reloaded")
        self.assertEqual(self.status_as("operator", "GET", "/api/v1/rollouts"), 401)
        self.assertEqual(self.status_as("n" * 16, "GET", "/api/v1/rollouts"), 200)
        # A bad one changes nothing.
        self.token_file("operator", "short")
        self.daemon.signal(signal.SIGHUP)
        self.daemon.await_events("reload_failed")
        self.assertEqual(self.status_as("n" * 16, "GET", "/api/v1/rollouts"), 200)

    def test_files_that_are_refused(self):
        token = [{"name": "ci", "role": "operator", "token_file": "ci.token"}]
        self.assertIn("ci.token", self.validate(tokens=token).stderr)  # There is none.
        for text, mode, why in (("t" * 16, 0o644, "chmod 600"), ("t" * 16, 0o620, "chmod 600"),
                                ("short", 0o600, "16 to 512"), ("sha256:12", 0o600, "64 hex")):
            self.token_file("ci", text, mode)
            done = self.validate(tokens=token)
            self.assertEqual(done.returncode, 3, text)
            self.assertIn(why, done.stderr)
            self.assertNotIn("t" * 16, done.stdout + done.stderr)
        self.token_file("ci", "t" * 16, 0o640)
        self.assertEqual(self.validate(tokens=token).returncode, 0)
        twice = [*token, {"name": "cd", "role": "admin", "token_file": "ci.token"}]
        self.assertIn("is the same", self.validate(tokens=twice).stderr)

    def test_an_address_for_others_needs_tokens(self):
        done = self.validate(address="0.0.0.0:0")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"checked\.yaml:\d+:\d+: error: admin\.address: .*no admin\.tokens")


class DescriptionTest(IntegrationCase):
    """Every path of /api/v1/openapi.json, asked of a daemon."""

    BODIES = {
        "/api/v1/rollouts/{name}/weight": {"weight": 5},
        "/api/v1/rollouts/{name}/approve": {"gate": "go"},
        "/api/v1/rollouts/{name}/feedback": {"cohort": "canary", "score": 4, "comment": "nice"},
        "/api/v1/explain": {"method": "GET", "url": "/x", "headers": {"X-User-Id": "1"}},
        "/api/v1/log-level": {"level": "info"},
    }
    REFUSED = ("retire", "unretire")  # There is nothing to retire yet.
    # In the order in which a rollout takes them.
    ORDER = ["start", "approve", "feedback", "pause", "resume", "promote", "weight", "rollback", "retry", "abort"]

    def setUp(self):
        super().setUp()
        steps = [{"weight": 5, "min_duration": "1h"}, {"weight": 50, "min_duration": "1h", "gate": "go"}]
        config = self.rollout_config(steps=steps, rollout={"exposure": {"max_failed_requests": 20}})
        config["routes"][0]["mirror"] = {"to": "v2", "percent": 10}
        self.start({"v1": self.upstream("v1"), "v2": self.upstream("v2")}, **config)
        self.api = self.daemon.get("/api/v1/openapi.json")
        self.checker = Checker(self.api)

    def check(self, path, method, operation):
        target = path.replace("{name}", "shop")
        body = None
        if method == "post":
            body = self.BODIES.get(path, {})
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.assertEqual(self.checker.problems(body, schema), [], path)
        is_stream = "text/event-stream" in next(iter(operation["responses"].values()))["content"]
        if is_stream:
            self.check_stream(target, operation["responses"]["200"]["content"])
        status, headers, text = self.daemon.ask("HEAD" if is_stream else method.upper(), target, body)
        if path.rsplit("/", 1)[1] in self.REFUSED:
            self.assertEqual(status, 409, text)
            problem = self.checker.resolve(operation["responses"]["default"])["content"]["application/problem+json"]
            self.assertEqual(self.checker.problems(json.loads(text), problem["schema"]), [], path)
            return
        self.assertIn(str(status), operation["responses"], f"{path}: {text}")
        content = operation["responses"][str(status)]["content"]
        self.assertEqual(headers.get_content_type(), next(iter(content)), path)
        if headers.get_content_type() == "application/json":
            schema = content["application/json"]["schema"]
            self.assertEqual(self.checker.problems(json.loads(text), schema), [], path)

    def check_stream(self, target, content):
        """Its type as described, and its first event."""
        with EventStream(self.daemon.admin, target) as stream:
            fields = dict(line.split(": ", 1) for line in stream.head.splitlines()[1:])
            self.assertEqual((stream.status, [fields["content-type"]]), (200, list(content)), target)
            if target == "/api/v1/tap":
                self.assertEqual(self.get("/tapped").status, 200)
                kind, data = stream.next()
                self.assertEqual((kind, data["method"], data["path"], data["status"]), ("request", "GET", "/tapped", 200))
            else:
                kind, data = stream.next()
                self.assertEqual((kind, data["name"], data["state"]), ("sample", "shop", "idle"))
                self.check_event(kind, data)

    def check_event(self, kind, data):
        """Of /api/v1/events: what it carries is described elsewhere, but for what it has besides or leaves out."""
        schemas = {"sample": "Rollout", "transition": "HistoryRow", "verdict": "Metric"}
        if kind == "transition":
            self.assertGreater(data.pop("generation"), 0)
            self.assertIs(data.pop("durable"), True)
            data["id"] = 0
        elif kind == "verdict":
            self.assertEqual(data.pop("rollout"), "shop")
        elif kind == "reload":
            self.assertEqual([data["ok"], sorted(data)], [True, ["message", "ok"]])
            return
        schema = {"$ref": f"#/components/schemas/{schemas[kind]}"}
        self.assertEqual(self.checker.problems(data, schema), [], kind)

    def check_events(self, stream):
        """All that has happened until the abort, which is the last action."""
        events = stream.until(lambda kind, data: kind == "transition" and data["to"] == "aborted")
        for kind, data in events:
            self.check_event(kind, data)
        self.assertLessEqual({"transition", "sample", "reload"}, {kind for kind, _ in events})

    def test_answers_are_as_described(self):
        places = {f"/api/v1/rollouts/{{name}}/{word}": place for place, word in enumerate(self.ORDER)}
        last = {"/api/v1/rollouts/{name}/verification": 1, "/api/v1/drain": 2}
        asked = 0
        stream = EventStream(self.daemon.admin, "/api/v1/events")
        self.addCleanup(stream.close)
        for path, methods in sorted(self.api["paths"].items(),
                                    key=lambda each: (last.get(each[0], 0), places.get(each[0], -1))):
            for method, operation in methods.items():
                if path == "/api/v1/drain":
                    self.check_events(stream)
                    for read in ("history", "comments"):  # Now there is something.
                        below = f"/api/v1/rollouts/{{name}}/{read}"
                        self.check(below, "get", self.api["paths"][below]["get"])
                self.check(path, method, operation)
                asked += 1
        self.assertGreaterEqual(asked, 31)
        self.daemon.wait_exit(30)

    def test_what_is_not_described_is_a_problem(self):
        schema = {"$ref": "#/components/schemas/Problem"}
        described = self.api["paths"]
        for path in described:
            target = path.replace("{name}", "shop")
            for method in ("GET", "POST", "PUT", "DELETE"):
                if method.lower() in described[path]:
                    continue
                status, headers, text = self.daemon.ask(method, target, {} if method != "GET" else None)
                self.assertEqual((status, headers.get_content_type()), (405, "application/problem+json"), path)
                allowed = {"get": "GET, HEAD", "post": "POST"}
                self.assertEqual(headers["Allow"], ", ".join(allowed[word] for word in described[path]))
                self.assertEqual(self.checker.problems(json.loads(text), schema), [])
        for method, path, body, headers, expected in (
                ("GET", "/api/v2", None, [], 404),
                ("GET", "/api/v1/rollouts/nobody", None, [], 404),
                ("POST", "/api/v1/explain", {}, [("Content-Type", "text/plain")], 415),
                ("GET", "/api/v1/routes", None, [("Accept", "image/png")], 406),
                ("POST", "/api/v1/rollouts/shop/pause", {}, [], 409),
                ("POST", "/api/v1/rollouts/shop/start", {}, [("If-Match", '"99"')], 412),
                ("POST", "/api/v1/rollouts/shop/start", {"reason": "x" * 70000}, [], 413),
                ("GET", "/api/v1/tap", None, [("Sec-Fetch-Site", "cross-site")], 403),
                ("GET", "/api/v1/routes", None, [("Host", "evil.example")], 421)):
            status, answered, text = self.daemon.ask(method, path, body, headers)
            self.assertEqual((status, answered.get_content_type()), (expected, "application/problem+json"), text)
            self.assertEqual(self.checker.problems(json.loads(text), schema), [])

    def test_mirrors_are_shown(self):
        mirror = {"to": "v2", "percent": 10}
        self.assertEqual(self.daemon.get("/api/v1/routes")["items"][0]["mirror"], mirror)
        self.assertEqual(self.daemon.post("/api/v1/explain", {"method": "GET", "url": "/"})["mirror"], mirror)
        self.assertIn("v2, copies of 10 % of the keys", self.daemon.ctl("explain-route", "GET", "/").stdout)

    def test_the_configuration_has_its_schema(self):
        schema = self.daemon.get("/api/v1/schema")
        self.assertIn("admin", schema["properties"])


class CheckerTest(unittest.TestCase):
    def test_it_finds_what_is_wrong(self):
        schema = {"type": "object", "required": ["a"], "properties": {
            "a": {"$ref": "#/number"}, "b": {"type": ["array", "null"], "items": {"type": "string", "enum": ["x"]}}}}
        checker = Checker({"number": {"type": "integer", "minimum": 1}})
        for good in ({"a": 1}, {"a": 2, "b": None}, {"a": 3, "b": ["x", "x"]}):
            self.assertEqual(checker.problems(good, schema), [])
        for bad in ([], {}, {"a": 0}, {"a": 1.5}, {"a": True}, {"a": None}, {"a": 1, "b": {}}, {"a": 1, "b": ["x", "y"]},
                    {"a": 1, "b": [1]}, {"a": 1, "c": 1}):
            self.assertEqual(len(checker.problems(bad, schema)), 1, bad)
        self.assertEqual(len(checker.problems(1, {"oneOf": []})), 1)


class SocketTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.path = str(Path(self.folder) / "admin.sock")

    def start_on_socket(self, **socket_file):
        self.v1 = self.upstream("v1")
        admin = {"address": f"unix:{self.path}"}
        if socket_file:
            admin["socket"] = socket_file
        self.daemon.write(base_config(self.folder, {"v1": self.v1}, admin=admin))
        self.daemon.spawn()
        self.daemon.await_events("ready")

    def ctl(self, *arguments):
        return ctl("--addr", f"unix:{self.path}", *arguments)

    def test_a_socket_with_its_file(self):
        self.start_on_socket(mode="0600", owner=str(os.getuid()), group=str(os.getgid()))
        status = os.lstat(self.path)
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertEqual(self.ctl("status").returncode, 0)
        self.assertEqual(self.ctl("log-level", "info").returncode, 0)
        change = self.daemon.await_events("change")[0]
        self.assertEqual((change["actor"], change["peer"]), (f"uid:{os.getuid()}",) * 2)
        self.daemon.stop()
        self.assertFalse(os.path.lexists(self.path))
        gone = self.ctl("status")
        self.assertEqual(gone.returncode, 5)
        self.assertIn("canaryd run -c FILE", gone.stderr)

    def test_what_is_in_the_way(self):
        left = socket.socket(socket.AF_UNIX)
        left.bind(self.path)
        left.close()  # As a daemon that was killed leaves it.
        self.start_on_socket()
        self.assertEqual(stat.S_IMODE(os.lstat(self.path).st_mode), 0o660)
        # Somebody else's socket is left alone by a daemon that ends.
        os.unlink(self.path)
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(self.path)
        other.listen()
        self.daemon.stop()
        self.assertTrue(os.path.lexists(self.path))
        # And by one that begins.
        self.daemon.spawn()
        self.assertEqual(self.daemon.wait_exit(30), 4)
        self.daemon.process = None
        other.close()
        os.unlink(self.path)
        Path(self.path).write_text("not a socket", encoding="utf-8")
        self.daemon.spawn()
        self.assertEqual(self.daemon.wait_exit(30), 4)
        self.daemon.process = None
        self.assertEqual(Path(self.path).read_text(encoding="utf-8"), "not a socket")

    def test_no_such_group(self):
        self.daemon.write(base_config(self.folder, {"v1": self.upstream("v1")}, admin={
            "address": f"unix:{self.path}", "socket": {"group": "there-is-none"}}))
        self.daemon.spawn()
        self.assertNotEqual(self.daemon.wait_exit(30), 0)
        self.daemon.process = None
        self.assertIn("there is no group there-is-none", self.daemon.log_text())
        self.assertFalse(os.path.lexists(self.path))


class ProxyRouteTest(IntegrationCase):
    def test_clients_do_not_reach_it_through_a_route(self):
        """The address of the admin API in a file of endpoints: no check of the configuration knows a port 0."""
        endpoints = Path(self.folder) / "v1.yaml"
        self.v1 = self.upstream("v1")
        endpoints.write_text(f"endpoints: [{self.v1.address}]\n", encoding="utf-8")
        self.start({"v1": self.v1}, upstreams={"v1": {"endpoints": {"file": "v1.yaml"}}})
        host, port = self.daemon.admin
        fresh = Path(self.folder) / "fresh.yaml"
        fresh.write_text(f'endpoints: ["{host}:{port}"]\n', encoding="utf-8")
        fresh.rename(endpoints)

        def is_refused():
            with RawClient(self.daemon.public) as client:
                return client.get("/api/v1/rollouts", host="localhost").status == 403

        # The event is logged before the workers have the new endpoints.
        self.daemon.await_events("endpoints_changed")
        wait_until(is_refused, "the refusal")
        self.assertEqual(self.daemon.status_of("/readyz"), 200)


if __name__ == "__main__":
    unittest.main()
