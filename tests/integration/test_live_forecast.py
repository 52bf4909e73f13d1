"""Rollouts of real daemons take as long as `canaryd simulate` and `canaryd validate` said before.

Each rollout has a daemon and users of its own; all share two versions of one service."""

import json
import os
import statistics
import subprocess
import unittest
from datetime import datetime
from pathlib import Path

from harness import CANARYD, Daemon, IntegrationCase, to_yaml, wait_until
from harness.case import DEMO_LOAD

DEMO_APP = os.environ.get("DEMO_APP_BIN", "demo_app")
# Their median is known to about 4 %.
ROLLOUTS = 40
RATE = 25
# Few beside what is tolerated: then rollouts differ least in length.
ERRORS = 0.2
STEPS = [{"weight": weight, "min_duration": "5s"} for weight in (10, 25, 50)] + [{"weight": 100, "min_duration": "1s"}]
SHOP = {
    "stable": "v1", "canary": "v2", "start": "manual", "expected_rps": RATE, "expected_error_rate": ERRORS,
    "cohort": {"keys": [{"header": "X-User-Id"}]},
    "steps": STEPS, "bake": {"duration": "1h"}, "fallback": {"methods": []},
    "analysis": {"latency_quantiles": [], "tolerance": {"errors": {"absolute": 2}}},
}


def moment(record):
    return datetime.fromisoformat(record["ts"].replace("Z", "+00:00"))


class LiveForecastTest(IntegrationCase):
    def application(self, name, seed):
        process = subprocess.Popen(
            [DEMO_APP, "--name", name, "--error-rate", str(ERRORS), "--seed", str(seed)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return f"127.0.0.1:{process.stdout.readline().split()[-1]}"

    def config(self, addresses):
        return {
            "version": 1, "workers": 1, "drain": {"delay": "0s", "timeout": "10s"},
            "listeners": [{"name": "public", "address": "127.0.0.1:0"}], "admin": {"address": "127.0.0.1:0"},
            "upstreams": {name: {"endpoints": [address]} for name, address in addresses.items()},
            "rollouts": {"shop": SHOP},
            "routes": [{"name": "all", "match": {"path_prefix": "/"}, "rollout": "shop"}],
        }

    def start_daemon(self, number, addresses):
        folder = Path(self.folder) / str(number)
        folder.mkdir()
        daemon = Daemon(folder)
        self.addCleanup(daemon.stop)
        daemon.start({**self.config(addresses), "state": {"dir": str(folder / "state")}})
        host, port = daemon.public
        load = subprocess.Popen(
            [DEMO_LOAD, "--target", f"{host}:{port}", "--rate", str(RATE), "--connections", "4",
             "--seconds", "3600", "--seed", str(number)], stdout=subprocess.DEVNULL)
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        return daemon

    def forecast(self, command, *flags):
        path = Path(self.folder) / "forecast.yaml"
        path.write_text(to_yaml(self.config({"v1": "192.0.2.1:80", "v2": "192.0.2.2:80"})), encoding="utf-8")
        done = subprocess.run([CANARYD, command, "-c", str(path), "--format", "json", *flags],
                              capture_output=True, text=True, timeout=120, check=True)
        return json.loads(done.stdout)

    def test_as_long_as_forecast(self):
        addresses = {name: self.application(name, seed) for seed, name in enumerate(("v1", "v2"), 1)}
        daemons = [self.start_daemon(number, addresses) for number in range(1, ROLLOUTS + 1)]
        for daemon in daemons:
            wait_until(lambda daemon=daemon: daemon.metric("canaryd_requests_total"), "traffic")
        for daemon in daemons:
            daemon.post("/api/v1/rollouts/shop/start")
        seconds = []
        for daemon in daemons:
            # Half of them take longer than forecast; hardly one takes ten times as long.
            wait_until(lambda daemon=daemon: daemon.rollout()["state"] == "baking", "the last step's end", 300, pause=0.5)
            baking, started = daemon.transition_to("baking"), daemon.events("transition")[0]
            seconds.append((moment(baking) - moment(started)).total_seconds())
        live = statistics.median(seconds)
        simulated = self.forecast("simulate", "--runs", "1000")["outcomes"]["promoted"]["seconds"]["median"]
        validated = self.forecast("validate")["feasibility"][0]["seconds"]
        print(f"{ROLLOUTS} rollouts: median {live:.0f} s (from {min(seconds):.0f} to {max(seconds):.0f}), "
              f"simulated {simulated:.0f} s, forecast {validated:.0f} s", flush=True)
        self.assertLess(abs(simulated / live - 1), 0.2)
        self.assertLess(abs(validated / live - 1), 0.2)


if __name__ == "__main__":
    unittest.main()
