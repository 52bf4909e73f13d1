"""The real canaryd as a child process on free ports, and canaryctl against it."""

import json
import os
import resource
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .waiting import PATIENCE, wait_until



def program(variable, default):
    """What the environment names, from wherever a test runs it: as an absolute path, or as a name to find in PATH."""
    named = os.environ.get(variable, default)
    return str(Path(named).absolute()) if os.sep in named else named


CANARYD = program("CANARYD_BIN", "canaryd")
CANARYCTL = program("CANARYCTL_BIN", "canaryctl")


def to_yaml(config):
    """One top-level key a line, its value as JSON, which is YAML."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items())


def base_config(folder, scripted, /, **more):
    """A small valid file; scripted is {name: ScriptedUpstream}."""
    config = {
        "version": 1,
        "workers": 2,
        "listeners": [{"name": "public", "address": "127.0.0.1:0"}],
        "admin": {"address": "127.0.0.1:0"},
        "upstreams": {name: {"endpoints": [upstream.address]} for name, upstream in scripted.items()},
        "routes": [{"name": "all", "match": {"path_prefix": "/"}, "upstream": next(iter(scripted), "none")}],
        "state": {"dir": str(Path(folder) / "state")},
        "drain": {"delay": "0s", "timeout": "10s"},
    }
    config.update(more)
    return config


_OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c")


def can_have_hosts():
    """Whether a process may have an /etc/hosts of its own here."""
    done = subprocess.run([*_OWN_MOUNTS, "mount --bind /etc/hosts /etc/hosts"], capture_output=True, check=False)
    return done.returncode == 0


class Daemon:
    """Started by start(); stop() must see exit code 0, which is also how a sanitizer's report fails a test."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.file = self.folder / "canaryd.yaml"
        self.command = ["run", "-c", str(self.file)]
        self.log_file = self.folder / "log"
        self.process = None
        self.descriptors_max = None  # RLIMIT_NOFILE of the next start, soft and hard.
        self.token = None  # Of the requests made here.
        self.environment = {}  # More of it, for the next start.
        self.hosts = None  # A file that it sees as /etc/hosts; where can_have_hosts() says so.
        self.inherited = None  # A listening socket that it gets as from systemd.
        self.admin = None
        self.public = None

    def write(self, config):
        self.file.write_text(config if isinstance(config, str) else to_yaml(config), encoding="utf-8")

    def spawn(self, *arguments):
        (self.folder / "state").mkdir(exist_ok=True)
        with open(self.log_file, "ab") as log:
            self._log_begin = log.tell()
            command, kept = [CANARYD, *self.command, *arguments], ()
            if self.inherited is not None:
                kept = (self.inherited.fileno(),)
                command = ["/bin/sh", "-c", f'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&{kept[0]}', "sh", *command]
            if self.hosts is not None:
                command = [*_OWN_MOUNTS, 'mount --bind "$0" /etc/hosts && exec "$@"', str(self.hosts), *command]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, preexec_fn=self._limit,
                pass_fds=kept, env={**os.environ, **self.environment})

    def _limit(self):
        if self.descriptors_max is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors_max, self.descriptors_max))

    def start(self, config=None):
        if config is not None:
            self.write(config)
        self.spawn()
        self.admin = self._until_running(self._admin_address, "the admin address in the log")
        self._until_running(lambda: self.status_of("/readyz") == 200, "/readyz")
        listeners = {entry["name"]: entry["address"] for entry in self.listeners()}
        self.public = _pair(listeners.get("public") or next(iter(listeners.values())))
        return self

    def _until_running(self, condition, what):
        def check():
            if self.process.poll() is not None:
                raise AssertionError(f"canaryd ended with {self.process.returncode}:\n{self.log_text()[-4000:]}")
            return condition()

        return wait_until(check, what)

    def _admin_address(self):
        for record in self.log():
            if record.get("event") == "listening" and record.get("component") == "admin":
                return _pair(record["address"])
        return None

    def stop(self, expected=0, told=False):
        """told: it has its SIGTERM already, and a second one would cut the drain short."""
        if self.process is None:
            return
        if self.process.poll() is None and not told:
            self.process.send_signal(signal.SIGTERM)
        code = self.wait_exit(30)
        self.process = None
        if code != expected:
            raise AssertionError(f"canaryd ended with {code}, not {expected}:\n{self.log_text()[-6000:]}")

    def wait_exit(self, seconds):
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"canaryd did not end:\n{self.log_text()[-4000:]}") from None

    def kill(self):
        """As a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def signal(self, number):
        self.process.send_signal(number)

    # What it says.

    def log_text(self):
        with open(self.log_file, "rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    def log(self):
        """Records of this start that are JSON."""
        records = []
        for line in self.log_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records

    def events(self, name):
        return [record for record in self.log() if record.get("event") == name]

    def await_events(self, name, count=1):
        """As events(), once there are so many: the log comes after what it tells of."""
        wait_until(lambda: len(self.events(name)) >= count, f"{count} of {name} in the log")
        return self.events(name)

    def transition_to(self, state):
        """The log record of the last transition, which goes there. The API knows of it before the log does."""
        def last():
            records = self.events("transition")
            return records and records[-1]["to"] == state and records[-1]

        return wait_until(last, f"the log of the transition to {state}")

    # What it answers.

    def admin_url(self, path):
        host, port = self.admin
        return f"http://{host}:{port}{path}"

    def url(self, path="/"):
        host, port = self.public
        return f"http://{host}:{port}{path}"

    def request(self, method, path, body=None, headers=()):
        """(status, text) of an admin request."""
        status, _, text = self.ask(method, path, body, headers)
        return status, text

    def ask(self, method, path, body=None, headers=()):
        """(status, headers, text) of an admin request."""
        data = None if body is None else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", **dict(headers)}
        if self.token is not None:
            fields.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(self.admin_url(path), data, fields, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def status_of(self, path):
        try:
            return self.request("GET", path)[0]
        except OSError:
            return None

    def get(self, path):
        status, text = self.request("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {text}")
        return json.loads(text)

    def post(self, path, body=None):
        status, text = self.request("POST", path, body or {})
        if status not in (200, 202):
            raise AssertionError(f"POST {path}: {status} {text}")
        return json.loads(text)

    def listeners(self):
        return self.get("/api/v1/listeners")["items"]

    def rollout(self, name="shop"):
        return self.get(f"/api/v1/rollouts/{name}")

    def set_weight(self, weight, name="shop"):
        """Starts the rollout first if it is idle, as an idle one has no weight to set."""
        if self.rollout(name)["state"] == "idle":
            self.post(f"/api/v1/rollouts/{name}/start")
        return self.post(f"/api/v1/rollouts/{name}/weight", {"weight": weight, "reason": "test"})

    def metrics(self):
        return self.request("GET", "/metrics")[1]

    def metric(self, name, **labels):
        """Sum of the samples of that name whose labels include these; None when there is none."""
        values = []
        for line in self.metrics().splitlines():
            if line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{key}="{wanted}"' in series for key, wanted in labels.items()):
                values.append(float(value))
        return sum(values) if values else None

    def ctl(self, *arguments, timeout=60):
        """canaryctl against this daemon: the finished process."""
        return ctl("--addr", self.admin_url(""), *arguments, timeout=timeout)


def ctl(*arguments, timeout=60):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CANARYD_")}
    return subprocess.run(
        [CANARYCTL, *arguments], capture_output=True, text=True, timeout=timeout, check=False,
        stdin=subprocess.DEVNULL, env={**environment, "NO_COLOR": "1"})


def _pair(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
