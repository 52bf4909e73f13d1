"""The two ends of a case: a raw client, and an upstream that does what the case says. Nothing here repairs anything.

What canaryd adds to a message is checked by shape and then left out of the comparison, unless the expected text names
the field: then all fields of that name are compared, ours included.
"""

import re
import select
import socket
import struct
import time

from harness import PATIENCE

SECONDS = 10 * PATIENCE
HEAD_END = b"\r\n\r\n"

ADDED_TO_REQUESTS = {
    b"x-forwarded-for": rb"127\.0\.0\.1",
    b"x-forwarded-proto": rb"http",
    b"x-forwarded-host": rb"[!-~]+",
    b"x-request-id": rb"[0-9a-f]{32}",
    b"traceparent": rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]",
    b"via": rb"1\.[01] canaryd",
}
ADDED_TO_RESPONSES = {
    b"date": rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT",
    b"via": rb"1\.[01] canaryd",
}


class Mismatch(AssertionError):
    pass


def show(data):
    text = data.decode("latin-1").encode("unicode_escape").decode().replace("\\n", "\\n\n    ")
    return "    " + (text if len(text) < 3000 else text[:1500] + " [...] " + text[-1500:])


def _name(line):
    return line.split(b":", 1)[0].lower()


def compare_heads(got, expected, added):
    """Exact but for what canaryd adds; both without the empty line at the end."""
    wanted = expected.split(b"\r\n")
    named = {_name(line) for line in wanted[1:]}
    kept = []
    for line in got.split(b"\r\n"):
        name = _name(line)
        if kept and name in added and name not in named:
            if not re.fullmatch(rb"[A-Za-z-]+: " + added[name], line):
                raise Mismatch(f"odd field added: {line!r}")
            continue
        kept.append(line)
    if kept != wanted:
        raise Mismatch("expected\n" + show(b"\r\n".join(wanted)) + "\n  got (without what canaryd adds)\n"
                       + show(b"\r\n".join(kept)))


class Pipe:
    """One connection, read with a buffer."""

    def __init__(self, connection):
        self.socket = connection
        connection.settimeout(SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False
        self.was_reset = False

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def receive(self):
        """False at the end."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(262144)
        except (ConnectionResetError, BrokenPipeError):
            self.was_reset = True
            data = b""
        except socket.timeout:
            raise Mismatch(f"nothing came for {SECONDS:.0f} s; so far\n" + show(self.buffer)) from None
        self.buffer += data
        self.ended = not data
        return bool(data)

    def take(self, size):
        while len(self.buffer) < size:
            if not self.receive():
                raise Mismatch(f"ended after {len(self.buffer)} of {size} bytes:\n" + show(self.buffer))
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def take_head(self):
        """Without the empty line at its end."""
        while HEAD_END not in self.buffer:
            if not self.receive():
                raise Mismatch("ended before the end of a head:\n" + show(self.buffer))
        return self.take(self.buffer.index(HEAD_END) + len(HEAD_END))[: -len(HEAD_END)]

    def expect(self, text, added):
        head, _, body = text.partition(HEAD_END)
        compare_heads(self.take_head(), head, added)
        self.expect_raw(body)

    def expect_raw(self, body):
        got = self.take(len(body))
        if got != body:
            at = next(i for i, (a, b) in enumerate(zip(got, body)) if a != b)
            raise Mismatch(f"body differs at byte {at}: expected\n{show(body[at:at + 200])}\n  got\n{show(got[at:at + 200])}")

    def expect_end(self, reset_will_do=False):
        while self.receive():
            pass
        if self.buffer:
            raise Mismatch("bytes that nobody asked for:\n" + show(self.buffer))
        if self.was_reset and not reset_will_do:
            raise Mismatch("a reset, not an orderly end")

    def expect_quiet(self, who):
        if self.buffer or (not self.ended and select.select([self], [], [], 0)[0] and self.receive()):
            raise Mismatch(f"bytes that nobody asked for at the {who}:\n" + show(self.buffer))


class Upstream:
    """Listens; its connections stay open from case to case, as canaryd's pool wants it."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.pipes = []

    @property
    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def _poll(self, seconds):
        """Accepts what has come; the connections that have something to read."""
        ready = select.select([self.listener, *self.pipes], [], [], seconds)[0]
        if self.listener in ready:
            self.pipes.append(Pipe(self.listener.accept()[0]))
        return [pipe for pipe in ready if pipe is not self.listener]

    def next_request(self):
        """The connection over which the next bytes come. Those that end without any are forgotten."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for pipe in self._poll(1):
                if pipe.receive():
                    return pipe
                self.forget(pipe)
        raise Mismatch("no request came to the upstream")

    def forget(self, pipe):
        if pipe in self.pipes:
            self.pipes.remove(pipe)
        pipe.close()

    def spoken_to(self, but):
        """Other connections at which bytes have arrived."""
        found = []
        while fresh := [pipe for pipe in self._poll(0) if pipe not in found and pipe is not but]:
            for pipe in fresh:
                if pipe.receive():
                    found.append(pipe)
                else:
                    self.forget(pipe)
        return found

    def drop_all(self):
        for pipe in self.pipes:
            pipe.close()
        self.pipes = []

    def close(self):
        self.drop_all()
        self.listener.close()
