"""config/alerts.yaml as Prometheus judges it: each alert fires when it should, and is silent when it should be."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PROMTOOL = shutil.which("promtool")
ALERTS = Path(__file__).resolve().parents[2] / "config/alerts.yaml"
DAEMON = {"job": "c", "instance": "i"}
SHOP = {**DAEMON, "rollout": "shop"}


def series(name, **labels):
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def state(name):
    return series("canaryd_rollout_state", **SHOP, state=name)


def summary(alert, labels):
    text = re.search(rf'alert: {alert}\n.*?summary: "(.*?)"', ALERTS.read_text(encoding="utf-8"), re.DOTALL)[1]
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def case(alert, at, values, *fired):
    """values: {series: what it is every minute}; fired: the labels of each alert at that time but its severity."""
    severity = re.search(rf"alert: {alert}\n.*?severity: (\w+)", ALERTS.read_text(encoding="utf-8"), re.DOTALL)[1]
    expected = [{"exp_labels": {**labels, "severity": severity}, "exp_annotations": {"summary": summary(alert, labels)}}
                for labels in fired]
    return {"interval": "1m", "input_series": [{"series": name, "values": text} for name, text in values.items()],
            "alert_rule_test": [{"alertname": alert, "eval_time": at, "exp_alerts": expected}]}


def of_states():
    since = series("canaryd_rollout_state_since_timestamp_seconds", **SHOP)
    rolled_back = {state("rolled_back"): "0x4 1x60", since: "0x4 300x60"}
    held = {state("held"): "1x60"}
    waiting = {state("waiting"): "1x20 0x5 1x60"}
    freeze = {state("waiting"): "1x120", series("canaryd_rollout_frozen", **SHOP): "1x60 0x60"}
    returning = series("canaryd_rollout_returning", **SHOP)
    suspended = {state("suspended"): "1x20"}
    retiring = {state("promoted"): "1x9 0x60", state("retiring"): "0x9 1x20 0x20", state("retired"): "0x30 1x60"}

    def idle(phase):
        """For ten minutes, which are enough, from the tenth on; then somebody uses the old version."""
        return {state(phase): "1x60", series("canaryd_retire_idle_seconds", **SHOP): "0+60x20 0x40",
                series("canaryd_retire_idle_for_seconds", **SHOP): "600x60"}

    return [
        case("CanarydRolledBack", "4m", rolled_back),
        case("CanarydRolledBack", "6m", rolled_back, {**SHOP, "state": "rolled_back"}),
        case("CanarydRolledBack", "30m", rolled_back),
        case("CanarydRolledBack", "6m", {state("aborted"): "1x60", since: "0x60"}),
        case("CanarydHeld", "20m", held),
        case("CanarydHeld", "40m", held, {**SHOP, "state": "held"}),
        case("CanarydHeld", "50m", waiting),
        case("CanarydHeld", "60m", waiting, {**SHOP, "state": "waiting"}),
        case("CanarydHeld", "40m", {state("paused"): "1x60"}),
        case("CanarydHeld", "60m", freeze),
        case("CanarydHeld", "100m", freeze, {**SHOP, "state": "waiting"}),
        case("CanarydHeld", "40m", {**held, series("canaryd_rollout_frozen", **SHOP): "1x60"}, {**SHOP, "state": "held"}),
        case("CanarydHeld", "40m", {**held, returning: "1x60"}),
        case("CanarydHeld", "40m", {**held, returning: "0x60"}, {**SHOP, "state": "held"}),
        case("CanarydSuspended", "4m", suspended),
        case("CanarydSuspended", "6m", suspended, {**SHOP, "state": "suspended"}),
        case("CanarydSuspended", "6m", {state("suspended"): "1x3 0x20"}),
        case("CanarydRetireReady", "14m", retiring),
        case("CanarydRetireReady", "16m", retiring, {**SHOP, "state": "retiring"}),
        case("CanarydRetireReady", "40m", retiring),
        case("CanarydRetireReady", "14m", idle("promoted")),
        case("CanarydRetireReady", "16m", idle("promoted"), {**SHOP, "state": "promoted"}),
        case("CanarydRetireReady", "22m", idle("promoted")),
        case("CanarydRetireReady", "16m", idle("aborted")),
    ]


def of_rollouts():
    parity = series("canaryd_parity_state", **SHOP)

    def shares(weight, observed, requests=2000):
        """requests: taken as evidence a minute, of both versions."""
        samples = {series("canaryd_analysis_samples_total", **SHOP, cohort=cohort): f"0+{requests // 2}x60"
                   for cohort in ("stable", "canary")}
        return samples | {series(f"canaryd_rollout_{name}_ratio", **SHOP, cohort=cohort): f"{value}x60"
                          for name, canary in (("weight", weight), ("observed", observed))
                          for cohort, value in (("canary", canary), ("stable", 1 - canary))}

    mismatch = {**SHOP, "cohort": "canary"}
    return [
        case("CanarydReadsDiffer", "4m", {parity: "-1x60", state("idle"): "1x60"}),
        case("CanarydReadsDiffer", "6m", {parity: "-1x60", state("idle"): "1x60"}, SHOP),
        case("CanarydReadsDiffer", "10m", {parity: "-1x60", state("idle"): "0x60"}),
        case("CanarydReadsDiffer", "10m", {parity: "0x60", state("idle"): "1x60"}),
        case("CanarydSampleRatioMismatch", "14m", shares(0.25, 0.125)),
        case("CanarydSampleRatioMismatch", "17m", shares(0.25, 0.125), mismatch),
        case("CanarydSampleRatioMismatch", "17m", shares(0.25, 0.375), mismatch),
        case("CanarydSampleRatioMismatch", "30m", shares(0.25, 0.2)),
        case("CanarydSampleRatioMismatch", "30m", shares(0.01, 0.03)),
        case("CanarydSampleRatioMismatch", "30m", shares(0.01, 0.035), mismatch),
        case("CanarydSampleRatioMismatch", "60m", shares(0.25, 0.125, requests=60)),
        case("CanarydSampleRatioMismatch", "60m", shares(0.25, 0.125, requests=80), mismatch),
    ]


def of_traffic():
    def usable(**upstreams):
        return {series("canaryd_upstream_endpoints_usable", **DAEMON, upstream=upstream): values
                for upstream, values in upstreams.items()}

    def errors(error, **requests):
        return {series("canaryd_proxy_errors_total", **DAEMON, listener="public", error=error): "0+2x20",
                **{series("canaryd_requests_total", **DAEMON, cohort=cohort): f"0+{count}x20"
                   for cohort, count in requests.items()}}

    down = usable(v1="0x10", v2="1x10")
    return [
        case("CanarydNoHealthyEndpoint", "0m", down),
        case("CanarydNoHealthyEndpoint", "3m", down, {**DAEMON, "upstream": "v1"}),
        case("CanarydNoHealthyEndpoint", "3m", usable(v1="0x1 1x10")),
        case("CanarydErrors", "4m", errors("timeout", stable=100)),
        case("CanarydErrors", "15m", errors("timeout", stable=100), {"instance": "i"}),
        case("CanarydErrors", "15m", errors("timeout", stable=50, canary=50, shadow=900), {"instance": "i"}),
        case("CanarydErrors", "15m", errors("timeout", stable=150, canary=150)),
        case("CanarydErrors", "15m", errors("bad_request", stable=100)),
    ]


def of_the_process():
    reloaded = series("canaryd_config_last_reload_successful", **DAEMON)
    failures = series("canaryd_store_failures_total", **DAEMON)
    dropped = {series("canaryd_log_dropped_total", **DAEMON): "0x5 7x30"}
    info = series("canaryd_build_info", **DAEMON, version="1", commit="c")

    def descriptors(count, **labels):
        return {series("process_open_fds", **labels): f"{count}x20", series("process_max_fds", **labels): "1000x20",
                info: "1x20"}

    return [
        case("CanarydReloadFailed", "4m", {reloaded: "0x10"}),
        case("CanarydReloadFailed", "6m", {reloaded: "0x10"}, DAEMON),
        case("CanarydReloadFailed", "6m", {reloaded: "0x3 1x10"}),
        case("CanarydStoreFails", "4m", {failures: "0 0+60x20"}),
        case("CanarydStoreFails", "10m", {failures: "0 0+60x20"}, DAEMON),
        case("CanarydStoreFails", "10m", {failures: "0 0 3+0x20"}),
        case("CanarydLogDropped", "4m", dropped),
        case("CanarydLogDropped", "8m", dropped, DAEMON),
        case("CanarydLogDropped", "20m", dropped),
        case("CanarydDescriptors", "4m", descriptors(950, **DAEMON)),
        case("CanarydDescriptors", "6m", descriptors(950, **DAEMON), DAEMON),
        case("CanarydDescriptors", "6m", descriptors(890, **DAEMON)),
        case("CanarydDescriptors", "6m", descriptors(950, job="other", instance="i")),
    ]


class AlertsTest(unittest.TestCase):
    def setUp(self):
        self.cases = [*of_states(), *of_rollouts(), *of_traffic(), *of_the_process()]

    def test_each_has_a_case_of_both_kinds(self):
        alerts = set(re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8")))
        tests = [each["alert_rule_test"][0] for each in self.cases]
        self.assertEqual({test["alertname"] for test in tests if test["exp_alerts"]}, alerts)
        self.assertEqual({test["alertname"] for test in tests if not test["exp_alerts"]}, alerts)

    @unittest.skipUnless(PROMTOOL, "promtool is not installed")
    def test_each_fires_when_it_should_and_only_then(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "test.yaml"
            file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": self.cases}),
                            encoding="utf-8")
            done = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, timeout=60,
                                  check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
