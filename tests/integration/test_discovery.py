"""Endpoints from a file and from a name: they change under load and no request is lost; what is wrong changes nothing."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import CANARYD, IntegrationCase, PATIENCE, base_config, can_have_hosts, wait_until

CHANGES = 50


class DiscoveryTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.file = Path(self.folder) / "endpoints.yaml"

    def write(self, *addresses, text=None):
        """As a careful script does: whole, then renamed."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text or f"endpoints: [{', '.join(addresses)}]\n", encoding="utf-8")
        fresh.rename(self.file)

    def config(self, endpoints, **more):
        return base_config(self.folder, {}, upstreams={"app": {"endpoints": endpoints}},
                           routes=[{"name": "all", "match": {"path_prefix": "/"}, "upstream": "app"}], **more)

    def app(self):
        return self.daemon.get("/api/v1/upstreams")["items"][0]

    def addresses(self):
        return sorted(endpoint["address"] for endpoint in self.app()["endpoints"])

    def changes(self, result="changed"):
        return self.daemon.metric("canaryd_upstream_discovery_total", upstream="app", result=result)

    def wait_for(self, *addresses):
        wait_until(lambda: self.addresses() == sorted(addresses), f"the endpoints {addresses}")

    def check(self):
        """canaryd validate on the file as it is."""
        return subprocess.run([CANARYD, "validate", "-c", str(self.daemon.file)], capture_output=True, text=True, check=False)

    def test_a_file_is_followed(self):
        one, two = self.upstream("one"), self.upstream("two")
        self.write(one.address)
        self.daemon.start(self.config({"file": "endpoints.yaml"}))
        self.assertEqual(self.app()["source"], "file endpoints.yaml")
        self.assertEqual(self.get().body, b"one\n")
        self.write(two.address)
        self.wait_for(two.address)
        wait_until(lambda: self.get().body == b"two\n", "the new endpoint")
        self.write(one.address, two.address)
        self.wait_for(one.address, two.address)
        wait_until(lambda: {self.get().body for _ in range(20)} == {b"one\n", b"two\n"}, "both endpoints")
        self.assertEqual(self.changes(), 2)
        self.assertEqual(len(self.daemon.await_events("endpoints_changed", 2)), 2)

    def test_a_request_under_way_ends_where_it_began(self):
        one, two = self.upstream("one"), self.upstream("two")
        self.write(one.address)
        self.daemon.start(self.config({"file": "endpoints.yaml"}))
        client = self.client()
        client.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: one.total == 1, "the request")
        self.write(two.address)
        self.wait_for(two.address)
        wait_until(lambda: self.get().body == b"two\n", "the new endpoint")
        one.release()
        self.assertEqual(client.response().body, b"released\n")
        self.assertEqual(client.get().body, b"two\n")

    def test_a_bad_file_changes_nothing(self):
        one = self.upstream("one")
        self.write(one.address)
        self.daemon.start(self.config({"file": "endpoints.yaml"}))
        self.write(text=f"endpoints:\n  - {one.address}\n  - nonsense\n")
        wait_until(lambda: self.app()["source_error"], "the error")
        self.assertRegex(self.app()["source_error"], r"^endpoints\.yaml:3:5: ")
        self.file.unlink()
        wait_until(lambda: "No such file" in (self.app()["source_error"] or ""), "the other error")
        self.assertEqual(self.changes("failed"), 2)
        self.assertEqual(len(self.daemon.await_events("discovery_failed", 2)), 2)
        self.assertEqual(self.addresses(), [one.address])
        self.assertEqual(self.get().body, b"one\n")
        self.write(one.address)
        wait_until(lambda: self.app()["source_error"] is None, "the end of the error")
        self.assertEqual(self.changes(), 0)

    def test_the_file_is_part_of_the_configuration(self):
        one = self.upstream("one")
        self.daemon.write(self.config({"file": "endpoints.yaml"}))
        done = self.check()
        self.assertEqual(done.returncode, 3)
        self.assertIn("endpoints.yaml: error: cannot be read, for upstreams.app.endpoints: No such file", done.stderr)
        self.write(text="endpoints: [nonsense]\n")
        done = self.check()
        self.assertEqual(done.returncode, 3)
        self.assertIn("endpoints.yaml:1:13: error: ", done.stderr)
        self.write(one.address)
        self.assertEqual(self.check().returncode, 0)
        self.daemon.start()
        # A reload takes the file as it is then, and refuses what is wrong in it.
        self.write(text="endpoints: []\n")
        status, text = self.daemon.request("POST", "/api/v1/reload", {})
        self.assertEqual(status, 422)
        self.assertIn("the list is empty", text)
        os.mkfifo(str(self.file) + ".pipe")
        os.rename(str(self.file) + ".pipe", self.file)
        wait_until(lambda: "not a regular file" in (self.app()["source_error"] or ""), "the error")
        self.assertEqual(self.get().body, b"one\n")

    def test_a_name_is_looked_up(self):
        one = self.upstream("one")
        config = self.config({"dns": f"localhost:{one.port}", "refresh": "1s"})
        # Where localhost has an address of each family, the upstream listens on one of them.
        config["upstreams"]["app"]["retries"] = {"attempts": 3, "budget": 100}
        self.daemon.start(config)
        self.assertEqual(self.app()["source"], f"dns localhost:{one.port}")
        self.assertIsNone(self.app()["source_error"])
        self.assertIn(one.address, self.addresses())
        for _ in range(5):
            self.assertEqual(self.get().body, b"one\n")
        # A second look-up finds the same.
        self.assertEqual((self.changes(), self.changes("failed")), (0, 0))

    def test_a_reload_with_a_name_that_leads_nowhere_is_refused(self):
        one = self.upstream("one")
        self.daemon.start(self.config([one.address]))
        self.daemon.write(self.config({"dns": "no-such-host.invalid:80"}))
        status, text = self.daemon.request("POST", "/api/v1/reload", {})
        self.assertEqual(status, 422, text)
        self.assertIn("no-such-host.invalid cannot be resolved", text)
        self.assertEqual(self.get().body, b"one\n")

    def test_a_start_without_an_answer_serves_the_rest(self):
        one = self.upstream("one")
        config = self.config({"dns": "no-such-host.invalid:80"})
        config["upstreams"]["other"] = {"endpoints": [one.address]}
        config["routes"].append({"name": "other", "match": {"path_prefix": "/other"}, "upstream": "other"})
        self.daemon.start(config)
        self.assertEqual(self.get("/other").body, b"one\n")
        response = self.get()
        self.assertEqual((response.status, response.get("x-canaryd-error")), (503, "no_healthy_endpoint"))
        self.assertIn("cannot be resolved", self.app()["source_error"])
        usable = {name: self.daemon.metric("canaryd_upstream_endpoints_usable", upstream=name) for name in ("app", "other")}
        self.assertEqual(usable, {"app": 0, "other": 1})

    def start_load(self):
        load = subprocess.Popen(
            ["wrk", "-t1", "-c8", f"-d{int(300 * PATIENCE)}s", "--latency", self.daemon.url()],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (load.poll() is None and load.kill(), load.wait(), load.stdout.close()))
        return load

    def check_load(self, load):
        """Nobody has noticed anything."""
        load.send_signal(2)  # wrk sums up what it has done so far.
        report = load.communicate(timeout=60)[0]
        self.assertEqual(load.returncode, 0, report)
        self.assertNotIn("Non-2xx", report)
        self.assertNotIn("Socket errors", report)
        self.assertGreater(int(re.search(r"(\d+) requests in", report)[1]), 1000)
        for error in ("connect_failed", "upstream_reset", "timeout", "overloaded"):
            self.assertEqual(self.daemon.metric("canaryd_proxy_errors_total", error=error), 0, error)
        self.assertEqual(self.daemon.metric("canaryd_upstream_retries_total"), 0)

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_fifty_changes_under_load_lose_no_request(self):
        servers = [self.upstream(f"s{n}") for n in range(3)]
        all_addresses = [server.address for server in servers]
        self.write(*all_addresses)
        self.daemon.start(self.config({"file": "endpoints.yaml"}))
        load = self.start_load()
        wait_until(lambda: all(server.total > 10 for server in servers), "load everywhere")
        for turn in range(CHANGES):
            # One or two of them, never the same as before.
            kept = [all_addresses[turn % 3]] if turn % 2 else [all_addresses[turn % 3], all_addresses[(turn + 1) % 3]]
            self.write(*kept)
            wait_until(lambda n=turn: self.changes() == n + 1, f"change {turn + 1}", pause=0.05)
        self.check_load(load)

    @unittest.skipUnless(shutil.which("wrk") and can_have_hosts(), "no wrk, or no /etc/hosts of one's own")
    def test_a_name_that_moves_under_load_loses_no_request(self):
        """By the resolver of the system, which reads its file anew each time."""
        servers = [self.upstream("s1")]
        servers += [self.upstream(f"s{n}", host=f"127.0.0.{n}", port=servers[0].port) for n in (2, 3)]
        hosts = Path(self.folder) / "hosts"

        def move(*to):
            # In place and in one piece: half a file would be another name.
            text = "".join(f"{server.host:15} app.test\n" for server in to).ljust(100)
            with open(hosts, "r+" if hosts.exists() else "w", encoding="utf-8") as file:
                file.write(text)

        move(*servers)
        self.daemon.hosts = hosts
        self.daemon.start(self.config({"dns": f"app.test:{servers[0].port}", "refresh": "1s"}))
        self.wait_for(*(server.address for server in servers))
        load = self.start_load()
        wait_until(lambda: all(server.total > 10 for server in servers), "load everywhere")
        for kept in (servers[:1], servers[1:], servers[2:], servers):
            move(*kept)
            self.wait_for(*(server.address for server in kept))
        # It leads nowhere: who is known goes on.
        hosts.write_text(" " * 100, encoding="utf-8")
        wait_until(lambda: "app.test cannot be resolved" in (self.app()["source_error"] or ""), "the error")
        self.assertEqual(len(self.addresses()), 3)
        self.check_load(load)
        self.assertEqual(self.changes(), 4)


if __name__ == "__main__":
    unittest.main()
