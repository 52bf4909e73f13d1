"""What every integration test starts from: a folder, upstreams, a daemon, and nothing left behind."""

import json
import subprocess
import tempfile
import unittest

from .daemon import Daemon, base_config, program
from .raw_client import RawClient
from .upstream import ScriptedUpstream
from .waiting import PATIENCE, wait_until

DEMO_LOAD = program("DEMO_LOAD_BIN", "demo_load")


class IntegrationCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="canaryd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.daemon = Daemon(self.folder)
        self.addCleanup(self._stop_daemon)

    def _stop_daemon(self):
        self.daemon.stop()

    def upstream(self, name, **where):
        upstream = ScriptedUpstream(name, **where)
        self.addCleanup(upstream.stop)
        return upstream

    def start(self, scripted, /, **more):
        """scripted is {name: ScriptedUpstream}; more replaces top-level keys of the file."""
        return self.daemon.start(base_config(self.folder, scripted, **more))

    def start_rollout(self, steps=None, start="manual", analysis=None, **more):
        """Two upstreams, v1 and v2, under the rollout `shop`; cohort by X-User-Id. `rollout` adds keys to it."""
        self.v1, self.v2 = self.upstream("v1"), self.upstream("v2")
        self.start({"v1": self.v1, "v2": self.v2}, **self.rollout_config(steps, start, analysis, **more))
        if start == "auto":
            wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")
        return self.daemon

    def rollout_config(self, steps=None, start="manual", analysis=None, rollout=None, **more):
        shop = {
            "stable": "v1",
            "canary": "v2",
            "revision": "2",
            "start": start,
            "cohort": {"keys": [{"header": "X-User-Id"}, {"client_ip": True}]},
            "steps": steps or [{"weight": weight, "min_duration": "1h"} for weight in (1, 5, 25, 50, 100)],
        }
        if analysis:
            shop["analysis"] = analysis
        shop.update(rollout or {})
        routes = [{"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop"}]
        return {"rollouts": {"shop": shop}, "routes": routes, **more}

    def start_load(self, rate=300, connections=8):
        """Many users, at a steady rate, until the end of the test or totals()."""
        host, port = self.daemon.public
        load = subprocess.Popen(
            [DEMO_LOAD, "--target", f"{host}:{port}", "--rate", str(rate), "--connections", str(connections),
             "--users", "5000", "--seconds", str(300 * PATIENCE)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self._stop_load, load)
        return load

    def _stop_load(self, load):
        if load.poll() is None:
            load.kill()
        load.wait()
        load.stdout.close()

    def totals(self, load):
        load.terminate()
        return json.loads(load.communicate()[0].splitlines()[-1])

    def client(self):
        client = RawClient(self.daemon.public)
        self.addCleanup(client.close)
        return client

    def get(self, path="/", headers=()):
        with RawClient(self.daemon.public) as client:
            return client.get(path, headers)

    def version_of(self, user, client=None):
        """The name of the upstream that answers this user."""
        headers = [("X-User-Id", user)]
        response = client.get("/", headers) if client else self.get("/", headers)
        self.assertEqual(response.status, 200)
        return response.body.decode().strip()

    def curl(self, *arguments):
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", *arguments], capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout
