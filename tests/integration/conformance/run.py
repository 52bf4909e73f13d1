"""Plays cases against one daemon, one after the other; a connection per case, no waiting but for bytes."""

import re
import socket

from harness import Daemon

from .case import OK, message
from .wire import ADDED_TO_REQUESTS, ADDED_TO_RESPONSES, Mismatch, Pipe, Upstream, show

# Small limits, so that cases at the limits are small.
LIMITS = {"header_bytes": "8KiB", "header_count": 64, "target_bytes": "1KiB", "body_bytes": "1MiB"}
LONG = {"header": "5m", "body_idle": "5m", "write_stall": "5m", "keep_alive": "5m"}
SHORT = {"header": "150ms", "body_idle": "150ms", "write_stall": "5m", "keep_alive": "5m"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"]


def config(folder, upstream):
    def listener(name, timeouts=LONG, **more):
        return {"name": name, "address": "127.0.0.1:0", "limits": LIMITS, "timeouts": timeouts, **more}

    def version(keep_alive="5m", attempts=0, first_byte="5m", body_idle="5m"):
        timeouts = {"connect": "30s", "first_byte": first_byte, "body_idle": body_idle, "keep_alive": keep_alive}
        return {"endpoints": [upstream.address], "timeouts": timeouts, "retries": {"attempts": attempts}}

    def route(host, **to):
        return {"name": host.split(".")[0], "match": {"host": host}, **to}

    def part(name, **to):
        return {"name": "parts-" + name, "match": {"host": "parts.test", "path_prefix": "/" + name}, **to}

    def rollout(canary):
        return {"stable": "app", "canary": canary, "revision": "2", "start": "manual",
                "cohort": {"keys": [{"header": "X-User"}, {"client_ip": True}]},
                "steps": [{"weight": 1, "min_duration": "30m"}]}

    return {
        "version": 1,
        "workers": 1,
        "listeners": [
            listener("public"),
            listener("hasty", SHORT),
            listener("trusting", trusted_proxies=["127.0.0.0/8"]),
            listener("telling", expose_cohort=True),
        ],
        "admin": {"address": "127.0.0.1:0"},
        "upstreams": {
            "app": version(),
            "single": version(keep_alive="0s"),  # A connection per request: nothing is tried again.
            "silent": version(keep_alive="0s", first_byte="150ms", body_idle="150ms"),
            "again": version(keep_alive="0s", attempts=1),
            **{"next-" + name: version() for name in ("shop", "admin", "public")},
        },
        # Their names are what the upstream is told, so that it sees which route was taken.
        "rollouts": {name: rollout("next-" + name) for name in ("shop", "admin", "public")},
        "routes": [
            {"name": "all", "match": {"path_prefix": "/", "methods": METHODS}, "upstream": "app"},
            route("single.test", upstream="single"),
            route("silent.test", upstream="silent"),
            route("again.test", upstream="again"),
            route("shop.test", rollout="shop"),
            part("admin", rollout="admin"),
            part("public", rollout="public"),
            part("closed", respond={"status": 403, "body": "closed"}),
        ],
        "state": {"dir": folder + "/state"},
        "drain": {"delay": "0s", "timeout": "10s"},
    }


class Stage:
    """One daemon and one upstream, for all cases."""

    def __init__(self, folder):
        self.upstream = Upstream()
        self.daemon = Daemon(folder)
        try:
            self.daemon.start(config(folder, self.upstream))
        except BaseException:
            self.upstream.close()
            raise
        self.addresses = {}
        for entry in self.daemon.listeners():
            host, _, port = entry["address"].rpartition(":")
            self.addresses[entry["name"]] = (host, int(port))
        self._numbers = 0

    def close(self):
        self.upstream.close()
        self.daemon.stop()

    def connect(self, listener="public"):
        return Pipe(socket.create_connection(self.addresses[listener]))

    def play(self, case):
        player = _Player(self, case.listener)
        try:
            for number, (verb, *arguments) in enumerate(case.steps):
                try:
                    getattr(player, verb)(*arguments)
                except Mismatch as mismatch:
                    raise Mismatch(f"step {number + 1} ({verb}): {mismatch}{player.state()}") from None
            player.finish()
        except BaseException:
            # The next case starts with fresh connections.
            self.upstream.drop_all()
            raise
        finally:
            player.client.close()

    def next_number(self):
        self._numbers += 1
        return self._numbers


class _Player:
    def __init__(self, stage, listener):
        self.stage = stage
        self.client = stage.connect(listener)
        self.up = None  # The connection over which the case's last request came,
        self.before = None  # and the one before it, after an additional request.

    def state(self):
        """For a failure: what lies unread at the client."""
        if not self.client.buffer:
            return ""
        return "\n  unread at the client:\n" + show(self.client.buffer)

    # The client.

    def send(self, pieces):
        try:
            self.client.send(pieces)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before all of it was sent; the next step sees how.

    def client_ends(self):
        self.client.socket.shutdown(socket.SHUT_WR)

    def told(self, text):
        self.client.expect(text, ADDED_TO_RESPONSES)

    def told_cut(self, text):
        """The beginning of a response that then ends too early: no more than `text`, and never an end of chunks."""
        head = self.client.take_head()
        if head.startswith(b"HTTP/1.1 502 ") and b"X-Canaryd-Error: upstream_protocol" in head:
            # Nothing of it had been sent yet.
            self.client.take(int(re.search(rb"Content-Length: ([0-9]+)", head)[1]))
            return
        while self.client.receive():
            pass
        whole = head.startswith(b"HTTP/1.1 200 ") and _is_whole_chunked(self.client.buffer)
        self.client.buffer, body = b"", self.client.buffer
        if whole or not head.startswith(text[:12]):
            raise Mismatch("not cut:\n" + show(head + body))

    def told_raw(self, text):
        self.client.expect_raw(text)

    def local(self, status, word, close, head, detail):
        lines = self.client.take_head().decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        got = (int(lines[0].split(" ")[1]), fields.get("X-Canaryd-Error"), fields.get("Connection"))
        if got != (status, word, "close" if close else "keep-alive"):
            raise Mismatch(f"expected an answer of canaryd's own, {status} {word}, close: {close}; got {lines}")
        body = b"" if head else self.client.take(int(fields["Content-Length"]))
        if not head and word and not body.startswith(word.encode() + b": "):
            raise Mismatch(f"odd text: {body}")
        if detail is not None and detail.encode() not in body:
            raise Mismatch(f"expected {detail!r} in {body}")

    def closed(self):
        self.client.expect_end()

    def cut(self):
        self.client.expect_end(reset_will_do=True)

    def kept(self):
        self._one_more(self.client)

    # The upstream.

    def _await_request(self):
        if self.up is not None and self.up.buffer:
            return
        self.before, self.up = self.up, self.stage.upstream.next_request()

    def sees(self, text):
        self._await_request()
        self.up.expect(text, ADDED_TO_REQUESTS)

    def sees_raw(self, text):
        self.up.expect_raw(text)

    def answer(self, pieces):
        try:
            self.up.send(pieces)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before all of it was sent.

    def sees_head(self, text):
        """Only the head; of the body whatever comes."""
        self._await_request()
        self.up.expect(text, ADDED_TO_REQUESTS)

    def up_cut_now(self):
        """The upstream connection ends; what came is no whole body."""
        while self.up.receive():
            pass
        if _is_whole_chunked(self.up.buffer):
            raise Mismatch("the upstream got a whole body")
        self.stage.upstream.forget(self.up)

    def up_ends(self):
        self.stage.upstream.pipes.remove(self.up)
        self.up.close()

    def up_resets(self):
        self.stage.upstream.pipes.remove(self.up)
        self.up.reset()

    def up_closed(self):
        pipe = self.before or self.up
        if pipe.socket.fileno() >= 0:
            pipe.expect_end(reset_will_do=True)
            self.stage.upstream.forget(pipe)

    def up_kept(self):
        self._check_same(True)

    def up_fresh(self):
        self._check_same(False)

    def _check_same(self, wanted):
        if self.before is None:
            with_client = self.stage.connect()
            self._one_more(with_client)
            with_client.close()
        if (self.before is self.up) != wanted:
            raise Mismatch("the upstream connection was " + ("not " if wanted else "") + "used again")

    def nothing(self):
        """A request of another client comes through, and nothing else has."""
        self._end_with([])

    def up_cut_body(self):
        """What came of the case's request, if anything, is no whole body, and its connection ends."""
        pipes = self._end_with(None)
        for pipe in pipes:
            while pipe.receive():
                pass
            _, _, body = pipe.buffer.partition(b"\r\n\r\n")
            if b"prize" in pipe.buffer or _is_whole_chunked(body):
                raise Mismatch("the upstream got a whole request:\n" + show(pipe.buffer))
            self.stage.upstream.forget(pipe)

    def _end_with(self, wanted):
        client = self.stage.connect()
        number = self.stage.next_number()
        request = message(f"GET /sentinel/{number} HTTP/1.1", "Host: sentinel")
        client.send([request])
        up = self.stage.upstream
        spoken_to = []
        while b"GET /sentinel" not in (pipe := up.next_request()).buffer:
            if pipe not in spoken_to:
                spoken_to.append(pipe)
        pipe.expect(request, ADDED_TO_REQUESTS)
        spoken_to += up.spoken_to(pipe)
        pipe.send([OK])
        client.expect(OK, ADDED_TO_RESPONSES)
        client.close()
        if wanted is not None and spoken_to:
            raise Mismatch("the upstream got\n" + show(spoken_to[0].buffer))
        return spoken_to

    def _one_more(self, client):
        number = self.stage.next_number()
        request = message(f"GET /one-more/{number} HTTP/1.1", "Host: one-more")
        answer = message("HTTP/1.1 200 OK", f"Content-Length: {len(str(number))}", body=str(number))
        client.send([request])
        self.before, self.up = self.up, self.stage.upstream.next_request()
        self.up.expect(request, ADDED_TO_REQUESTS)
        self.up.send([answer])
        client.expect(answer, ADDED_TO_RESPONSES)

    def finish(self):
        self.client.expect_quiet("client")
        for pipe in self.stage.upstream.spoken_to(None):
            raise Mismatch("the upstream got more\n" + show(pipe.buffer))


def _is_whole_chunked(body):
    """By the letter of RFC 9112 section 7.1; anything else is not whole."""
    while (end := body.find(b"\r\n")) > 0:
        try:
            size = int(body[:end].split(b";")[0], 16)
        except ValueError:
            return False
        if size == 0:
            return b"\r\n\r\n" in body
        body = body[end + 2 + size + 2 :]
    return False
