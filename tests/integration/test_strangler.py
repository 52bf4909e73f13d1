"""A monolith replaced path by path: what clients and upstreams see of it, and the map that says how far it is."""

import collections
import json
import re
import unittest
from pathlib import Path

from harness import IntegrationCase, RawClient, ScriptedUpstream, to_yaml, wait_until

EXAMPLE = Path(__file__).resolve().parents[2] / "config/examples/strangler.yaml"


class Redirecting(ScriptedUpstream):
    """Answers /items/... with a Location and a cookie of its own paths."""

    def _answer(self, connection, method, path, first, headers, body):
        if not path.startswith("/items"):
            return super()._answer(connection, method, path, first, headers, body)
        fields = f"Location: http://{self.address}/items/8?x=/items\r\nSet-Cookie: seen=1; Path=/items; HttpOnly\r\n"
        connection.sendall(f"HTTP/1.1 302 Found\r\n{fields}Content-Length: 0\r\n\r\n".encode())
        return True


class StranglerTest(IntegrationCase):
    def start_example(self):
        """The file as it is shipped, but for its addresses, and with an access log."""
        self.services = {name: self.upstream(name) for name in ("monolith", "orders", "invoices")}
        self.services["catalog"] = Redirecting("catalog")
        self.addCleanup(self.services["catalog"].stop)
        text = re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", EXAMPLE.read_text(encoding="utf-8"))
        for name, service in self.services.items():
            text, changed = re.subn(rf"(?m)^  {name}: {{endpoints: \[.*\]}}$", f"  {name}: {{endpoints: [{service.address}]}}", text)
            self.assertEqual(changed, 1, name)
        self.log = Path(self.folder) / "access.log"
        text += to_yaml({"workers": 2, "admin": {"address": "127.0.0.1:0"},
                         "state": {"dir": str(Path(self.folder) / "state")}, "drain": {"delay": "0s", "timeout": "10s"},
                         "log": {"access": {"file": str(self.log)}}})
        self.daemon.start(text)

    def map(self):
        return self.daemon.get("/api/v1/migration")

    def lines(self, count):
        def read():
            with open(self.log, encoding="utf-8") as log:
                return [json.loads(line) for line in log]

        wait_until(lambda: len(read()) >= count, f"{count} lines of the access log")
        return read()

    def test_the_example(self):
        self.start_example()
        self.daemon.set_weight(100, "orders")
        client = self.client()

        orders = client.get("/v1/orders/7?full=1")
        self.assertEqual(orders.body, b"orders\n")
        self.assertEqual(self.services["orders"].heads[-1][0], "GET /orders/7?full=1 HTTP/1.1")
        self.assertEqual(orders.get("Deprecation"), "@1767225600")
        self.assertEqual(orders.get("Sunset"), "Fri, 01 Jan 2027 00:00:00 GMT")
        self.assertEqual(orders.get("Link"), '</v2/orders>; rel="successor-version"')
        self.daemon.post("/api/v1/rollouts/orders/abort")
        self.assertEqual(client.get("/v1/orders/7").body, b"monolith\n")
        self.assertEqual(self.services["monolith"].heads[-1][0], "GET /v1/orders/7 HTTP/1.1")

        item = client.get("/catalog/items/7")
        self.assertEqual(self.services["catalog"].heads[-1][0], "GET /items/7 HTTP/1.1")
        self.assertEqual(item.get("Location"), "/catalog/items/8?x=/items")
        self.assertEqual(item.get("Set-Cookie"), "seen=1; Path=/catalog/items; HttpOnly")

        gone = client.get("/reports/2024")
        self.assertEqual((gone.status, gone.body), (410, b"Reports have been retired.\n"))
        self.assertEqual(gone.get("Sunset"), "Sat, 01 Aug 2026 00:00:00 GMT")
        moved = client.get("/shop/items//7?a=b")
        self.assertEqual((moved.status, moved.get("Location")), (308, "/catalog/items/7?a=b"))
        self.assertEqual(client.get("/invoices/1").body, b"monolith\n")
        self.assertEqual(client.get("/anything").body, b"monolith\n")

        said = self.daemon.post("/api/v1/explain", {"method": "GET", "url": "/catalog/x?y", "headers": {}})
        self.assertEqual((said["upstream"], said["sent_as"]), ("catalog", "/x?y"))
        said = self.daemon.post("/api/v1/explain", {"method": "GET", "url": "/reports", "headers": {}})
        self.assertEqual((said["upstream"], said["why"]), (None, "the route answers 410 itself"))

    def test_the_map_is_what_the_access_log_says(self):
        self.start_example()
        self.daemon.set_weight(50, "orders")
        paths = ["/v1/orders/{}", "/catalog/x/{}", "/invoices/{}", "/reports/{}", "/shop/{}", "/legacy/page", "/user/{}/mail"]
        sent = 0
        for number in range(40):
            with RawClient(self.daemon.public) as client:  # Of any worker.
                for path in paths[: 3 + number % 5]:
                    client.get(path.format(1000 + number), [("X-User-Id", f"user-{number}")])
                    sent += 1
        lines = self.lines(sent)
        wait_until(lambda: sum(self.map()["requests"][key] for key in ("left", "moved", "answered")) == sent, "all requests counted")
        seen = self.map()

        def side(line):
            if "upstream" not in line:
                return "answered"
            return "left" if line["upstream"] == "monolith" else "moved"

        by_route = collections.Counter((line["route"], side(line)) for line in lines)
        counted = {(item["name"], key): value for item in seen["items"] for key, value in item["requests"].items() if value}
        self.assertEqual(counted, dict(by_route))
        total = collections.Counter(side(line) for line in lines)
        self.assertEqual({key: seen["requests"][key] for key in total}, dict(total))
        self.assertAlmostEqual(seen["requests"]["share"], total["moved"] / (total["moved"] + total["left"]))
        self.assertEqual({item["name"]: item["state"] for item in seen["items"]}, {
            "orders": "moving", "catalog": "moved", "invoices": "left", "reports": "answered", "shop": "answered",
            "everything-else": "left"})
        self.assertEqual(seen["routes"], {"total": 6, "left": 2, "moving": 1, "moved": 1, "answered": 2})
        self.assertEqual((seen["from"], seen["requests"]["no_route"]), (["monolith"], 0))
        unnamed = collections.Counter(
            re.sub(r"\d+", "{id}", line["path"]) for line in lines if line["route"] == "everything-else")
        self.assertEqual({item["path"]: item["requests"] for item in seen["paths"]}, dict(unnamed))

        done = self.daemon.ctl("migration")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^orders +moving +monolith +orders +50 % +40 ")
        self.assertRegex(done.stdout, r"(?m)^1 of 6 routes moved, [\d.]+ % of the requests$")
        self.assertRegex(done.stdout, r"(?m)^\d+ +/user/{id}/mail +only one for everything$")
        self.assertEqual(json.loads(self.daemon.ctl("migration", "-o", "json").stdout), seen)

    def test_paths_without_a_route(self):
        old, new = self.upstream("old"), self.upstream("new")
        self.start({"old": old, "new": new}, routes=[{"name": "one", "match": {"path_prefix": "/one"}, "upstream": "new"}],
                   migration={"from": ["old"]})
        for number in range(5):
            self.assertEqual(self.get(f"/two/{number}/x").status, 404)
        self.assertEqual(self.get("/one").status, 200)
        wait_until(lambda: self.map()["requests"]["moved"] == 1, "the request counted")
        seen = self.map()
        self.assertEqual(seen["requests"]["no_route"], 5)
        self.assertEqual(seen["paths"], [{"path": "/two/{id}/x", "routed": False, "requests": 5, "error": 0}])

    def test_without_being_asked_to_watch(self):
        old, new = self.upstream("old"), self.upstream("new")
        self.start({"old": old, "new": new})
        self.assertEqual(self.get("/any").status, 200)
        wait_until(lambda: self.map()["requests"]["moved"] == 1, "the request counted")
        # Nothing is to be left: no rollout leads away from anywhere.
        self.assertEqual((self.map()["from"], self.map()["paths"]), ([], None))


if __name__ == "__main__":
    unittest.main()
