"""The proxies under comparison and their peer, each as a child process that is started, asked and stopped."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise RuntimeError(f"{what}: not within {seconds} s")


def free_port():
    """A port nobody listens on now. Proxies that cannot say which port they got need one in advance."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Peer:
    """bench_peer: one process for all runs."""

    def __init__(self, program, core, niceness=0):
        self._program, self._core, self._niceness = program, core, niceness

    def __enter__(self):
        self._process = subprocess.Popen(
            ["nice", "-n", str(self._niceness), "taskset", "-c", str(self._core), self._program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline().split()[1])
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(10)

    def another(self, niceness=0):
        """A second process on the same core: a load of its own, or an upstream."""
        return Peer(self._program, self._core, niceness)

    def _ask(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"bench_peer: {command}: {answer['error']}")
        return answer

    def run(self, port, connections, seconds, max_requests, case):
        """Saturated: one request in flight on each connection."""
        answer = self._ask(f"run {port} {connections} {seconds} {max_requests} {case}")
        return self._checked(answer, port)

    def pace(self, port, connections, seconds, rate, case, seed=1, spin=True):
        """Open loop at a mean rate; the answer holds p50_us and p99_us."""
        how = "spin" if spin else "sleep"
        return self._checked(self._ask(f"pace {port} {connections} {seconds} {rate} {case} {seed} {how}"), port)

    def hold(self, port, connections, case):
        """Leaves that many idle connections open, each after one request, until drop()."""
        return self._checked(self._ask(f"hold {port} {connections} {case}"), port)

    def drop(self):
        self._ask("drop")

    def _checked(self, answer, port):
        if answer["errors"] or not answer["requests"]:
            raise RuntimeError(f"port {port}: {answer['errors']} errors in {answer['requests']} requests")
        return answer


class Proxy:
    """One proxy. prefix, when given, is a tool that runs it: valgrind.

    full: with an access log, and the fields a proxy is expected to add.
    """

    kind = ""

    def __init__(self, program, folder, upstream_port, core, full=False, workers=1):
        self._program, self._upstream_port, self._core = program, upstream_port, core
        self._full, self._workers = full, workers
        self.name = self.kind + ("-full" if full else "") + (f"-{workers}w" if workers > 1 else "")
        self.folder = folder / self.name
        self.folder.mkdir()
        self._process = None
        self.port = 0

    def start(self, prefix=(), core=None):
        self.port = free_port()
        command = [*prefix, *self._command()]
        core = self._core if core is None else core  # One, or a list as taskset takes it.
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command], stdout=log, stderr=log, cwd=self.folder)
        wait_until(lambda: self._ready() or self._process.poll() is not None, 60, self.name)
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended at once; see {self.folder / 'log'}:\n{self._log_end()}")

    def stop(self):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pids(self):
        return [self._process.pid]

    def anonymous_bytes(self):
        """Memory that is not a mapped file."""
        status = "".join((Path(f"/proc/{pid}/status")).read_text() for pid in self.pids())
        return sum(int(kib) * 1024 for kib in re.findall(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE))

    def _ready(self):
        return accepts(self.port)

    def _log_end(self):
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


class Haproxy(Proxy):
    kind = "haproxy"

    def _command(self):
        # To a file, by way of its standard output.
        log = "log stdout format raw local0\n" if self._full else ""
        fields = """
  option httplog
  log global
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id""" if self._full else ""
        return [self._program, "-db", "-f", self._write("haproxy.cfg", f"""
global
  nbthread {self._workers}
  maxconn 8000
  {log}
defaults
  mode http{fields}
  option http-keep-alive
  http-reuse always
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend in
  bind 127.0.0.1:{self.port}
  default_backend out
backend out
  server peer 127.0.0.1:{self._upstream_port}
""")]


class Nginx(Proxy):
    kind = "nginx"

    def _command(self):
        # max_fails=0: one refused connection must not take the only upstream away for ten seconds. Bodies stay in
        # memory: a temporary file would be the file system's cost.
        user = "user root;" if os.getuid() == 0 else ""
        log = "access_log access.log combined buffer=64k flush=1s;" if self._full else "access_log off;"
        fields = """
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;""" if self._full else ""
        return [self._program, "-p", str(self.folder), "-e", "error.log", "-c", self._write("nginx.conf", f"""
{user}
daemon off;
master_process off;
worker_processes {self._workers};
pid nginx.pid;
error_log error.log crit;
events {{ worker_connections 8192; }}
http {{
  {log}
  client_body_buffer_size 128k;
  proxy_max_temp_file_size 0;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream out {{
    server 127.0.0.1:{self._upstream_port} max_fails=0;
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{
      proxy_pass http://out;
      proxy_http_version 1.1;
      proxy_set_header Connection "";{fields}
    }}
  }}
}}
""")]


class Relay(Proxy):
    """Bytes from socket to socket: the floor."""

    kind = "relay"

    def _command(self):
        return [self._program, str(self.port), str(self._upstream_port)]


class Canaryd(Proxy):
    kind = "canaryd"
    attacked_port = None  # Of an upstream for what attackers ask for, and stalled_port of one for what they upload.
    stalled_port = None

    def _command(self):
        self._admin = free_port()
        options = {"log": "{level: warn}", "rollout": ""}
        if self._full:
            self._switch_on(options)
        return [self._program, "run", "-c", self._write("canaryd.yaml", self._config(options))]

    def _switch_on(self, options):
        """What this build has of it: a key that is not built is an error, and then left out."""
        access = f"{{level: warn, access: {{file: {self.folder}/access.log}}}}"
        fallback = "\n    fallback: {methods: [GET, HEAD, OPTIONS]}"
        for key, value in (("log", access), ("rollout", fallback)):
            path = self._write("try.yaml", self._config({**options, key: value}))
            tried = subprocess.run([self._program, "validate", "-c", path], capture_output=True, check=False)
            if tried.returncode == 0:
                options[key] = value
            else:
                print(f"{self.name}: this build cannot: {value.strip()}", file=sys.stderr)

    def _config(self, options):
        attacked = routes = ""
        if self.attacked_port is not None:
            ports = {"attacked": self.attacked_port, "stalled": self.stalled_port}
            attacked = "".join(f'\n  {name}: {{endpoints: ["127.0.0.1:{port}"]}}' for name, port in ports.items())
            routes = "".join(f"\n  - {{name: attacked-{letter}, match: {{path_exact: /{letter}}}, upstream: {name}}}"
                             for letter, name in (("d", "attacked"), ("f", "attacked"), ("s", "stalled")))
        return f"""
version: 1
workers: {self._workers}
listeners: [{{name: bench, address: "127.0.0.1:{self.port}"}}]
admin: {{address: "127.0.0.1:{self._admin}"}}
upstreams:
  one: {{endpoints: ["127.0.0.1:{self._upstream_port}"]}}
  two: {{endpoints: ["127.0.0.1:{self._upstream_port}"]}}{attacked}
rollouts:
  bench:
    stable: one
    canary: two
    cohort: {{keys: [{{header: X-User-Id}}, {{client_ip: true}}]}}
    steps: [{{weight: 10}}, {{weight: 100}}]
    analysis: {{mode: observe}}{options["rollout"]}
routes:
  - {{name: all, match: {{path_prefix: /}}, rollout: bench}}{routes}
log: {options["log"]}
state: {{dir: {self.folder}/state}}
"""

    def start(self, prefix=(), core=None):
        super().start(prefix, core)
        # After a restart it is still paused at 10 %.
        wait_until(
            lambda: json.loads(self._get("/api/v1/rollouts/bench"))["state"] in ("progressing", "paused"), 20,
            "the start of the rollout")
        answer = self._post("/api/v1/rollouts/bench/weight", {"weight": 10, "reason": "benchmark"})
        if not re.search(r'"weight"', answer):
            raise RuntimeError(f"canaryd: weight not set: {answer[:200]}")

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}{path}", timeout=10) as answer:
            return answer.read().decode()

    def _post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._admin}{path}", json.dumps(body).encode(),
            {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()
