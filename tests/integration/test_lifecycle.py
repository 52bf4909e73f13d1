"""Start, stop, crash: nothing is lost that was acknowledged, nothing raised that was not."""

import os
import signal
import socket
import subprocess
import time
import unittest

from harness import CANARYD, PATIENCE, Daemon, IntegrationCase, RawClient, base_config, wait_until


class LifecycleTest(IntegrationCase):
    def test_sigterm_finishes_what_has_begun(self):
        app = self.upstream("app")
        self.start({"app": app})
        client, idle = self.client(), self.client()
        idle.get("/")
        client.send("GET /slow/1500 HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: app.hits["/slow/1500"], "the request at the upstream")
        self.daemon.signal(signal.SIGTERM)
        response = client.response()
        self.assertEqual((response.status, response.body), (200, b"slow\n"))
        self.assertTrue(client.ended())
        self.assertTrue(idle.ended())
        self.daemon.stop(told=True)

    def test_not_ready_before_it_stops_accepting(self):
        app = self.upstream("app")
        self.start({"app": app}, drain={"delay": "2s", "timeout": "5s"})
        self.daemon.signal(signal.SIGTERM)
        wait_until(lambda: self.daemon.status_of("/readyz") == 503, "readyz 503")
        self.assertEqual(self.get("/").body, b"app\n")
        self.daemon.stop(told=True)

    def test_who_is_busy_is_told_before_it_stops_accepting(self):
        app = self.upstream("app")
        self.start({"app": app}, drain={"delay": "5s", "timeout": "5s"})
        busy = self.client()
        self.assertIsNone(busy.get("/").get("Connection"))
        self.daemon.signal(signal.SIGTERM)
        wait_until(lambda: busy.get("/").get("Connection") == "close", "the last answer")
        self.assertTrue(busy.ended())
        self.assertEqual(self.get("/").body, b"app\n")
        self.daemon.stop(told=True)

    def test_tells_a_service_manager_how_it_is(self):
        app = self.upstream("app")
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        path = str(self.daemon.folder / "notify")
        manager.bind(path)
        manager.settimeout(10 * PATIENCE)

        def told():
            while "WATCHDOG=1\n" == (text := manager.recv(4096).decode()):
                self.alive += 1
            return dict(line.split("=", 1) for line in text.splitlines())

        self.alive = 0
        self.daemon.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "10000000"}
        self.start({"app": app}, drain={"delay": "2s", "timeout": "5s"})
        self.assertEqual(told(), {"READY": "1", "STATUS": "serving"})
        before = time.monotonic_ns() // 1000
        self.daemon.signal(signal.SIGHUP)
        begins = told()
        self.assertEqual(begins["RELOADING"], "1")
        self.assertTrue(before <= int(begins["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, begins)
        self.assertEqual(told(), {"READY": "1", "STATUS": "serving"})
        self.daemon.write("version: 1\nnonsense: 2\n")
        self.daemon.signal(signal.SIGHUP)
        self.assertEqual(told()["RELOADING"], "1")
        self.assertEqual(told(), {"READY": "1", "STATUS": "serving; the last reload was refused, see the log"})
        while self.alive == 0:
            self.assertEqual(manager.recv(4096), b"WATCHDOG=1\n")
            self.alive += 1
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(told(), {"STOPPING": "1", "STATUS": "draining"})
        # A reload meanwhile does not make it ready again.
        self.daemon.signal(signal.SIGHUP)
        self.daemon.await_events("reload_failed", 2)
        self.daemon.stop(told=True)
        manager.setblocking(False)
        with self.assertRaises(BlockingIOError):
            told()

    def start_on(self, listening, address):
        self.daemon.inherited = listening
        self.start({"app": self.app}, listeners=[{"name": "public", "address": address}])

    def listening(self):
        made = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(made.close)
        return made, "127.0.0.1:%d" % made.getsockname()[1]

    def test_who_connects_during_a_restart_waits(self):
        self.app = self.upstream("app")
        manager, address = self.listening()

        def ask():
            client = RawClient(manager.getsockname())
            self.addCleanup(client.close)
            client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            return client

        early = ask()
        self.start_on(manager, address)
        self.assertEqual(early.response().body, b"app\n")
        for _ in range(20):
            self.assertEqual(ask().response().body, b"app\n")
        self.daemon.stop()
        meanwhile = ask()
        self.daemon.start()
        self.assertEqual(meanwhile.response().body, b"app\n")

    def test_a_socket_that_no_listener_asks_for_is_told(self):
        self.app = self.upstream("app")
        manager, address = self.listening()
        self.start_on(manager, "127.0.0.1:0")
        self.assertEqual(self.get("/").body, b"app\n")
        told = f"the service manager listens on {address}, and no listener"
        self.assertIn(told, self.daemon.log_text())
        # One reload takes it into use, and the next one out of it.
        for listener, times in ((address, 1), ("127.0.0.1:0", 2)):
            self.daemon.write(base_config(self.folder, {"app": self.app}, listeners=[{"name": "public", "address": listener}]))
            self.assertEqual(self.daemon.ctl("reload").returncode, 0)
            wait_until(lambda: self.daemon.log_text().count(told) == times, f"told {times} times")
            host, port = self.daemon.listeners()[-1]["address"].split(":")
            with RawClient((host, int(port))) as client:
                self.assertEqual(client.get("/").body, b"app\n")

    def test_a_descriptor_that_does_not_listen_is_told(self):
        self.app = self.upstream("app")
        plain = socket.socket()
        self.addCleanup(plain.close)
        self.start_on(plain, "127.0.0.1:0")
        self.assertIn("descriptor 3 of the service manager cannot be used: it is no TCP socket that listens",
                      self.daemon.log_text())

    def test_a_second_sigterm_ends_at_once(self):
        app = self.upstream("app")
        self.start({"app": app}, drain={"delay": "0s", "timeout": "1h"})
        client = self.client()
        client.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: app.hits["/hang"], "the request at the upstream")
        self.daemon.signal(signal.SIGTERM)
        wait_until(lambda: self.daemon.events("draining"), "draining")
        self.daemon.stop(expected=1)

    def test_the_drain_has_an_end(self):
        app = self.upstream("app")
        self.start({"app": app}, drain={"delay": "0s", "timeout": "1s"})
        client = self.client()
        client.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        wait_until(lambda: app.hits["/hang"], "the request at the upstream")
        self.daemon.stop()
        self.assertTrue(client.ended())

    def test_kill_and_restart_keep_the_step(self):
        self.start_rollout(start="auto")
        self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
        before = self.daemon.rollout()
        self.assertEqual(before["weight"]["target"], 5)
        canary = {user for user in range(200) if self.version_of(f"u{user}") == "v2"}
        self.daemon.kill()
        self.daemon.start()
        after = self.daemon.rollout()
        self.assertEqual(after["weight"]["target"], 5)
        self.assertEqual(after["step"]["index"], before["step"]["index"])
        self.assertEqual({user for user in range(200) if self.version_of(f"u{user}") == "v2"}, canary)

    def test_kill_after_an_abort_stays_aborted(self):
        self.start_rollout(start="auto")
        self.daemon.set_weight(50)
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.daemon.rollout()["state"], "aborted")
        self.assertEqual({self.version_of(f"u{user}") for user in range(50)}, {"v1"})

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        self.start_rollout(start="auto")
        config = self.daemon.file.read_text(encoding="utf-8")
        second = Daemon(self.folder)
        second.log_file = second.folder / "second.log"
        second.write(config)
        second.spawn()
        self.assertNotEqual(second.wait_exit(20), 0)
        self.assertEqual(self.daemon.status_of("/readyz"), 200)

    def test_a_taken_port_is_exit_4(self):
        taken = self.upstream("somebody else")
        config = base_config(self.folder, {"app": self.upstream("app")})
        config["listeners"][0]["address"] = taken.address
        self.daemon.write(config)
        self.daemon.spawn()
        self.daemon.stop(expected=4, told=True)
        self.assertIn("stop what listens there, or give the listener another `address`", self.daemon.log_text())

    def test_an_address_of_another_host_is_exit_4(self):
        config = base_config(self.folder, {"app": self.upstream("app")})
        config["listeners"][0]["address"] = "192.0.2.1:8080"  # Of documents: no host has it.
        self.daemon.write(config)
        self.daemon.spawn()
        self.daemon.stop(expected=4, told=True)
        self.assertIn("no interface of this host has the address", self.daemon.log_text())

    def test_a_wrong_file_is_exit_3_with_a_place(self):
        config = base_config(self.folder, {"app": self.upstream("app")})
        config["listenerz"] = []
        self.daemon.write(config)
        for command in ("validate", "run"):
            done = subprocess.run(
                [CANARYD, command, "-c", str(self.daemon.file)],
                capture_output=True, text=True, timeout=60, check=False, env=os.environ)
            said = done.stdout + done.stderr
            self.assertEqual(done.returncode, 3, said)
            self.assertRegex(said, r"canaryd\.yaml:\d+:\d+: error: .*listenerz")

    def test_without_a_file_it_says_how_to_name_one(self):
        if os.path.exists("/etc/canaryd/canaryd.yaml"):
            self.skipTest("this machine has a configuration")
        done = subprocess.run([CANARYD, "validate"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("-c FILE", done.stderr)

    def test_version(self):
        done = subprocess.run([CANARYD, "--version"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"canaryd \d+\.\d+")


if __name__ == "__main__":
    unittest.main()
