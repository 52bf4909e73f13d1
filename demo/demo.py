#!/usr/bin/env python3
"""The demo: a shop service gets a good release, then a bad one, under steady load. Run by scripts/demo.sh.

Nothing is staged in canaryd: both decisions are the daemon's own, from the requests it carried. The bad release is
healthy at 1 and 5 %; it fails once it gets more requests a second than its connection pool can take, at 10 %.
Standard library only. Every process it starts is ended by it, unless --keep says otherwise.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

RATE = 1500  # Requests a second that the load aims at; what it reaches is measured.
STEPS = (1, 5, 10, 25, 100)
PHASE_SECONDS_MAX = 180
ENDS = ("promoted", "rolled_back", "aborted", "held")


class Failure(Exception):
    """The demo did not go as it should; the message says what was seen."""


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise Failure(f"{what}: not within {seconds} s")


class Stage:
    """The processes of the demo, with their output in files, so that they can outlive this program."""

    def __init__(self, build, folder):
        self.build, self.folder = Path(build), Path(folder)
        self.processes = []

    def spawn(self, name, *command):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def start_app(self, name, *flags):
        process = self.spawn(name, self.build / "demo/demo_app", "--name", name, "--latency-ms", "4", *flags)

        def port():
            words = self.log(name).split()
            if process.poll() is not None:
                raise Failure(f"{name} ended: {self.log(name)}")
            return words[1] if len(words) > 1 else None

        return "127.0.0.1:" + wait_until(port, 10, f"the port of {name}")

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Canaryd:
    def __init__(self, stage, apps):
        self.stage, self.apps = stage, apps
        self.file = stage.folder / "canaryd.yaml"
        self.write("v1", "v2", "2.0")
        self.process = stage.spawn("canaryd", stage.build / "src/daemon/canaryd", "run", "-c", self.file)
        self.admin = wait_until(self._admin_address, 20, "canaryd's admin address")
        wait_until(self._ready, 20, "canaryd ready")
        self.public = self.get("/api/v1/listeners")["items"][0]["address"]

    def write(self, stable, canary, revision):
        steps = "\n".join(f"      - {{weight: {weight}, min_duration: 10s}}" for weight in STEPS)
        upstreams = "\n".join(f'  shop-{name}: {{endpoints: ["{address}"]}}' for name, address in self.apps.items())
        self.file.write_text(f"""version: 1
listeners: [{{name: public, address: "127.0.0.1:0"}}]
admin: {{address: "127.0.0.1:0"}}
upstreams:
{upstreams}
rollouts:
  shop:
    stable: shop-{stable}
    canary: shop-{canary}
    revision: "{revision}"
    cohort: {{keys: [{{header: X-User-Id}}]}}
    steps:
{steps}
    analysis:   # one request in a hundred more may fail, or be slow; the default of 30 s is for real services
      tolerance: {{errors: {{absolute: 1}}, latency: {{absolute: 1}}}}
      warm_up: 5s
    circuit: {{consecutive_failures: 0}}   # it would suspend the bad version at once; here the evidence shall speak
    bake: {{duration: 0s}}
routes: [{{name: shop, match: {{path_prefix: /}}, rollout: shop}}]
state: {{dir: "{self.stage.folder}/state"}}
drain: {{delay: 0s, timeout: 5s}}
""", encoding="utf-8")

    def release(self, stable, canary, revision):
        """What an operator does: edit the file, send SIGHUP."""
        self.write(stable, canary, revision)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.rollout()["revision"] == revision, 10, f"revision {revision} after SIGHUP")

    def records(self):
        found = []
        for line in self.stage.log("canaryd").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [record for record in found if isinstance(record, dict)]

    def transitions(self):
        return [record for record in self.records() if record.get("event") == "transition"]

    def _admin_address(self):
        if self.process.poll() is not None:
            raise Failure("canaryd ended:\n" + self.stage.log("canaryd")[-2000:])
        for record in self.records():
            if record.get("event") == "listening" and record.get("component") == "admin":
                return record["address"]
        return None

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=10) as answer:
            return json.load(answer)

    def rollout(self):
        return self.get("/api/v1/rollouts/shop")


class Load:
    """demo_load with one line a second in its log, and the totals of a span of them."""

    def __init__(self, stage, target, seconds):
        self.stage = stage
        self.process = stage.spawn(
            "load", stage.build / "demo/demo_load", "--target", target, "--rate", RATE, "--connections", 32,
            "--seconds", seconds, "--progress", 1)

    def seconds(self):
        return [json.loads(line) for line in self.stage.log("load").splitlines() if line.endswith("}")]

    def totals(self, since=0):
        lines = self.seconds()[since:]
        return sum(line["requests"] for line in lines), sum(line["failed"] for line in lines)


class Screen:
    """Sentences that stay; below them, on a terminal, canaryctl's status, redrawn in place."""

    def __init__(self, stage):
        self._stage = stage
        self._live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0
        self._last_line = 0.0

    def say(self, text=""):
        self._erase()
        print(text, flush=True)

    def show(self, canaryd, load, began):
        if self._live:
            self._draw(canaryd, load)
        elif time.monotonic() - self._last_line >= 5:
            self._last_line = time.monotonic()
            print(f"  {time.monotonic() - began:5.1f} s  {plain_status(canaryd.rollout(), load)}", flush=True)

    def _draw(self, canaryd, load):
        environment = {**os.environ, "COLUMNS": str(shutil.get_terminal_size().columns)}
        done = subprocess.run(
            [str(self._stage.build / "src/cli/canaryctl"), "--addr", f"http://{canaryd.admin}", "status", "shop"],
            capture_output=True, text=True, check=False, env=environment)
        requests, failed = load.totals()
        text = done.stdout.rstrip("\n") + f"\n  users so far: {requests} requests, {failed} failed"
        self._erase()
        print(text, flush=True)
        self._drawn = text.count("\n") + 1

    def _erase(self):
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0


def percent(value):
    return "-" if value is None else f"{100 * value:.2f} %"


def plain_status(rollout, load):
    stable, canary = rollout["cohorts"]["stable"], rollout["cohorts"]["canary"]
    evidence = next((m["evidence"] for m in rollout["analysis"] if m["metric"] == "errors"), None) or {}
    requests, failed = load.totals()
    return (f"{rollout['state']:12} weight {rollout['weight']['target']:g} %   "
            f"errors stable {percent(stable['error_rate'])} canary {percent(canary['error_rate'])}   "
            f"evidence good {percent(evidence.get('accept'))} bad {percent(evidence.get('rollback'))}   "
            f"users: {requests} requests, {failed} failed")


def watch(screen, canaryd, load, ends):
    """Shows the rollout until its state is one of the ends; prints each transition's sentence as it comes."""
    told = len(canaryd.transitions())
    began = time.monotonic()
    while time.monotonic() - began < PHASE_SECONDS_MAX:
        records = canaryd.transitions()
        for record in records[told:]:
            screen.say(f"  {time.monotonic() - began:5.1f} s  {record['msg']}")
        told = len(records)
        state = canaryd.rollout()["state"]
        if state in ends:
            return state
        screen.show(canaryd, load, began)
        time.sleep(0.3)
    raise Failure(f"no decision within {PHASE_SECONDS_MAX} s: {canaryd.rollout()}")


def expect(canaryd, state, wanted):
    if state != wanted:
        raise Failure(f"expected {wanted}, the rollout is {state}: {json.dumps(canaryd.rollout())}")


def perform(stage, screen, keep):
    apps = {"v1": stage.start_app("v1"), "v2": stage.start_app("v2", "--seed", "2")}
    canaryd = Canaryd(stage, apps)
    load = Load(stage, canaryd.public, 3600 if keep else 2 * PHASE_SECONDS_MAX + 120)
    screen.say(f"service  http://{canaryd.public}   dashboard  http://{canaryd.admin}/")
    screen.say()
    screen.say("1. A good release: 2.0 behaves like 1.0. canaryd raises its weight as the evidence allows.")
    state = watch(screen, canaryd, load, ENDS)
    expect(canaryd, state, "promoted")
    requests, failed = load.totals()
    screen.say(f"  -> 2.0 has all the traffic. {requests} requests, {failed} failed.")
    screen.say()

    lines = load.seconds()[2:]
    rate = sum(line["requests"] for line in lines) / max(1, len(lines))
    limit = round(rate * 0.075)
    apps["v3"] = stage.start_app("v3", "--seed", "3", "--overload-at", str(limit))
    screen.say(f"2. A bad release: 3.0 is fine until it gets {limit} requests a second, which is at 10 %.")
    before = len(load.seconds())
    canaryd.release("v2", "v3", "3.0")
    state = watch(screen, canaryd, load, ENDS)
    expect(canaryd, state, "rolled_back")
    seen = len(load.seconds())
    failing = sum(1 for line in load.seconds()[before:] if line["failed"])
    # Two whole seconds after the rollback must be clean; the one it happened in may not be.
    wait_until(lambda: len(load.seconds()) >= seen + 4, 15, "the load after the rollback")
    after = load.totals(seen + 2)
    requests, failed = load.totals(before)
    screen.say(f"  -> 3.0 is off: users saw failures for {failing} s, {failed} of {requests} requests.")
    screen.say(f"     Since then: {after[0]} requests, {after[1]} failed.")
    if after[1]:
        raise Failure("requests still fail after the rollback")
    return canaryd


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder with canaryd, canaryctl, demo_app, demo_load")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="canaryd-demo-")
    stage = Stage(Path(options.build).resolve(), folder)
    kept = False
    try:
        canaryd = perform(stage, Screen(stage), options.keep)
        if options.keep:
            kept = True
            pids = " ".join(str(process.pid) for process in stage.processes)
            print(f"\nstill running, in {folder}: http://{canaryd.public}, dashboard http://{canaryd.admin}/")
            print(f"  {stage.build}/src/cli/canaryctl --addr http://{canaryd.admin} status shop --watch")
            print(f"  kill {pids}   # to end it; the load ends by itself within the hour")
        return 0
    except Failure as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not kept:
            stage.end()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
