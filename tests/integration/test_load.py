"""Full load from wrk through 100 reloads (CANARYD_TEST_RELOADS), a rollout from 1 to 100 % and an abort: not one request fails."""

import math
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest
import urllib.request

from harness import IntegrationCase, PATIENCE, RawClient, base_config, wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
RELOADS = int(os.environ.get("CANARYD_TEST_RELOADS") or 100)
A_STEP = RELOADS // 5  # Reloads at each weight, and after the abort.
STEPS = (1, 10, 50, 100)
# A user a request, so that the canary's share of requests is its share of users.
SCRIPT = """
local user = 0
request = function()
  user = user + 1
  return "GET / HTTP/1.1\\r\\nHost: t\\r\\nX-User-Id: " .. user .. "\\r\\n\\r\\n"
end
"""


class Nginx:
    """An upstream as cheap as they come, that counts its requests."""

    def __init__(self, folder, name):
        os.mkdir(folder)
        self.port, self.status_port = _free_ports(2)
        user = "user root;" if os.getuid() == 0 else ""
        temp = "".join(f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(folder + "/nginx.conf", "w", encoding="utf-8") as file:
            file.write(f"""
{user}
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 1024; }}
http {{
  {temp}
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 3600s;
  server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 "{name}\\n"; }} }}
  server {{ listen 127.0.0.1:{self.status_port}; location / {{ stub_status; }} }}
}}
""")
        self._process = subprocess.Popen(
            [NGINX, "-p", folder, "-e", "error.log", "-c", folder + "/nginx.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._asked = 0
        wait_until(self._accepts, "nginx")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def hits(self):
        """Requests so far, without those that ask for this number."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=30) as answer:
            self._asked += 1
            return int(answer.read().decode().splitlines()[2].split()[2]) - self._asked

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.status_port), timeout=1).close()
            return True
        except OSError:
            return False


def _free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@unittest.skipUnless(NGINX and shutil.which("wrk"), "nginx or wrk is not installed")
class LoadTest(IntegrationCase):
    def setUp(self):
        super().setUp()
        self.v1, self.v2 = (Nginx(f"{self.folder}/{name}", name) for name in ("v1", "v2"))
        self.addCleanup(self.v1.stop)
        self.addCleanup(self.v2.stop)

    def config(self, turn=0):
        """Every odd turn changes the file: limits, the steps still to come, one more route, one more listener."""
        # observe: only the operator moves the weight here.
        more = self.rollout_config([{"weight": w, "min_duration": "30m"} for w in STEPS], "auto", {"mode": "observe"})
        config = base_config(self.folder, {"v1": self.v1, "v2": self.v2}, **more)
        if turn % 2:
            config["listeners"][0]["limits"] = {"header_count": 100 + turn % 100, "body_bytes": f"{turn}MiB"}
            config["rollouts"]["shop"]["steps"] = [
                {"weight": w, "min_duration": f"{20 + turn % 40}m"} for w in STEPS]
            config["listeners"].append({"name": "more", "address": "127.0.0.1:0"})
            config["routes"].append(
                {"name": f"more-{turn}", "match": {"path_prefix": f"/more-{turn}/"}, "upstream": "v1"})
        return config

    def reloads(self):
        return self.daemon.metric("canaryd_config_reloads_total")

    def reload(self, turn):
        before = self.reloads()
        broken = turn % 20 == 13
        self.daemon.write("version: 1\nroutes: [" if broken else self.config(turn))
        if turn % 3 == 2:
            self.assertEqual(self.daemon.request("POST", "/api/v1/reload", {"reason": "test"})[0], 422 if broken else 200)
        else:
            self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.reloads() > before, f"reload {turn}", 20)
        self.assertEqual(
            self.daemon.metric("canaryd_config_last_reload_successful"), 0 if broken else 1, self.daemon.log_text()[-1000:])

    def hits(self):
        return self.v1.hits, self.v2.hits

    def check_share(self, weight, before):
        def enough():
            now = self.hits()
            stable, canary = now[0] - before[0], now[1] - before[1]
            return (stable, canary) if stable + canary >= 2000 else None

        stable, canary = wait_until(enough, f"2000 requests at {weight} %", 30)
        total, share = stable + canary, weight / 100
        # Three sigma and a half; at the edges, the requests under way between the two counts.
        bound = 3.5 * math.sqrt(total * share * (1 - share)) + 32
        self.assertLessEqual(abs(canary - total * share), bound, f"{canary} of {total} at {weight} %")

    def test_reloads_and_a_rollout_under_load(self):
        self.daemon.start(self.config())
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")
        script = f"{self.folder}/users.lua"
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        load = subprocess.Popen(
            ["wrk", "-t1", "-c16", f"-d{int(300 * PATIENCE)}s", "--timeout", "30s", "-s", script, self.daemon.url("/")],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (load.kill(), load.wait(), load.stdout.close()))
        wait_until(lambda: sum(self.hits()) > 100, "traffic")

        weights, before = list(STEPS), self.hits()
        for turn in range(RELOADS):
            self.reload(turn)
            if turn % A_STEP == A_STEP - 1 and weights:
                weight = weights.pop(0)
                self.assertEqual(self.daemon.rollout()["weight"]["target"], weight)
                self.check_share(weight, before)
                if weights:
                    self.daemon.post("/api/v1/rollouts/shop/promote", {"reason": "test"})
                    self.settle("stable" if weights[0] == 100 else None)
                    before = self.hits()
            if turn == 4 * A_STEP + 5:
                self.abort()
        self.assertEqual(self.v2.hits, self.canary_hits, "requests of the canary after the abort")
        self.assertEqual(self.daemon.rollout()["state"], "aborted")
        load.send_signal(signal.SIGINT)
        self.check_load(load.communicate(timeout=60 * PATIENCE)[0])

    def settle(self, cohort):
        """Requests of before a change are over."""
        if cohort is not None:
            wait_until(lambda: self.daemon.metric("canaryd_requests_active", cohort=cohort) == 0, "old requests", 20)

    def abort(self):
        self.assertEqual(self.daemon.rollout()["weight"]["target"], 100)
        self.daemon.post("/api/v1/rollouts/shop/abort", {"reason": "test"})
        # Those that were with the canary already may end there: as many as wrk has connections, no more.
        acknowledged = self.v2.hits
        self.settle("canary")
        self.canary_hits = self.v2.hits
        self.assertLessEqual(self.canary_hits - acknowledged, 16)
        with RawClient(self.daemon.public) as client:
            for user in range(50):
                self.assertEqual(self.version_of(str(user), client), "v1")

    def check_load(self, said):
        self.assertNotIn("Non-2xx", said)
        self.assertNotIn("Socket errors", said)
        requests = int(re.search(r"(\d+) requests in", said)[1])
        print(f"{requests} requests, {self.reloads():.0f} reloads", flush=True)
        self.assertGreater(requests, 8000)
        for line in self.daemon.metrics().splitlines():
            if line.startswith("canaryd_proxy_errors_total") and 'error="client_gone"' not in line:
                self.assertTrue(line.endswith(" 0"), line)
            if re.match(r'canaryd_requests_total.*code_class="(4xx|5xx)"', line):
                self.assertTrue(line.endswith(" 0"), line)
        self.assertEqual(self.reloads(), RELOADS)
        # Every request was answered by one of the two, once.
        self.assertGreaterEqual(sum(self.hits()), requests)
        self.assertLessEqual(sum(self.hits()) - requests, 16 + 50)


if __name__ == "__main__":
    unittest.main()
