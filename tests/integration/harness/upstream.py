"""An upstream whose behaviour the test writes: one thread per connection, keep-alive, counters.

The path says what happens:
  /status/NNN   that status                     /chunked    a chunked body of three pieces
  /echo         the request as JSON             /bytes/N    N bytes that follow from N alone
  /slow/MS      the answer after MS             /hang       no answer until stop() or release()
  /reset        RST instead of an answer        /close      closes without a byte
  /cut          half of a body, then closes     /cut-chunked  the same, chunked
  /hints        103, then 200                   /no-length  a body that ends with the connection
  /last         an answer with Connection: close     /public     one that shared caches may store
Everything else: 200 and the upstream's name. `failing` = True turns every answer but /healthz into 500, `sick` = True
that of /healthz into 503. `delay` is waited, in seconds, before each answer; a function is asked each time.
"""

import collections
import json
import socket
import struct
import threading


def pattern(count):
    """count bytes in which a lost, repeated or moved piece shows."""
    block = b"".join(struct.pack(">I", n) for n in range(4096))
    return (block * (count // len(block) + 1))[:count]


def _bound(port, host):
    """A socket at that port, 0 for a free one. Bound and never listening, it refuses connections and keeps the port from
    everybody who asks for a free one, while a second one may listen there (SO_REUSEADDR, socket(7))."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


class ScriptedUpstream:
    def __init__(self, name, port=0, host="127.0.0.1"):
        self.name = name
        self.host = host
        self.failing = False
        self.sick = False
        self.delay = 0
        self.hits = collections.Counter()
        self.heads = []  # Of the last requests: (first line, [(name, value)], body).
        self._lock = threading.Lock()
        self._release = threading.Event()
        self._connections = set()
        self._listener = None
        self._reservation = _bound(port, host)
        self.port = self._reservation.getsockname()[1]
        self.open()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def open(self):
        """Listens; again on the same port after close()."""
        self._listener = _bound(self.port, self.host)
        self._listener.listen(512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        """Refuses new connections and breaks the open ones."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        """Closes for good: only now may somebody else have the port."""
        self._release.set()
        self.close()
        self._reservation.close()

    def release(self):
        """Lets every /hang answer."""
        self._release.set()

    @property
    def total(self):
        with self._lock:
            return sum(self.hits.values())

    def last(self):
        """Header fields of the newest request, by lower-case name."""
        with self._lock:
            return {name.lower(): value for name, value in self.heads[-1][1]}

    def reset_counters(self):
        with self._lock:
            self.hits.clear()
            self.heads.clear()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = connection.makefile("rb")
        try:
            while self._one(connection, reader):
                pass
        except (OSError, ValueError):
            pass
        finally:
            reader.close()
            connection.close()
            with self._lock:
                self._connections.discard(connection)

    def _one(self, connection, reader):
        first = reader.readline().decode("latin-1").rstrip("\r\n")
        if not first:
            return False
        headers = []
        while line := reader.readline().decode("latin-1").rstrip("\r\n"):
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))
        body = _read_body(reader, {name.lower(): value for name, value in headers}, connection)
        method, target, _ = first.split(" ", 2)
        path = target.split("?")[0]
        with self._lock:
            self.hits[path] += 1
            self.heads = self.heads[-999:] + [(first, headers, body)]
        return self._answer(connection, method, path, first, headers, body)

    def _answer(self, connection, method, path, first, headers, body):
        verb, _, argument = path.strip("/").partition("/")
        delay = self.delay() if callable(self.delay) else self.delay
        if delay:
            self._release.wait(delay)
        if verb != "healthz" and (self.failing() if callable(self.failing) else self.failing):
            return _send(connection, method, 500, b"failing\n")
        if self.sick and verb == "healthz":
            return _send(connection, method, 503, b"sick\n")
        special = getattr(self, "_do_" + verb.replace("-", "_"), None)
        if special is not None:
            return special(connection, method, argument)
        if verb == "echo":
            text = json.dumps({"line": first, "headers": headers, "body": body.decode("latin-1"), "name": self.name})
            return _send(connection, method, 200, text.encode(), "application/json")
        return _send(connection, method, 200, self.name.encode() + b"\n")

    def _do_status(self, connection, method, argument):
        return _send(connection, method, int(argument), b"" if argument in ("204", "304") else b"status\n")

    def _do_bytes(self, connection, method, argument):
        return _send(connection, method, 200, pattern(int(argument)))

    def _do_chunked(self, connection, method, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one ", b"two ", b"three\n"):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        return True

    def _do_slow(self, connection, method, argument):
        self._release.wait(int(argument) / 1000)
        return _send(connection, method, 200, b"slow\n")

    def _do_hang(self, connection, method, _):
        self._release.wait(120)
        return _send(connection, method, 200, b"released\n")

    def _do_reset(self, connection, *_):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _do_close(self, *_):
        return False

    def _do_cut(self, connection, *_):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        return False

    def _do_cut_chunked(self, connection, *_):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        return False

    def _do_hints(self, connection, method, _):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        return _send(connection, method, 200, b"hinted\n")

    def _do_no_length(self, connection, *_):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end\n")
        return False

    def _do_public(self, connection, method, _):
        return _send(connection, method, 200, b"public\n", extra=b"Cache-Control: public\r\n")

    def _do_last(self, connection, method, _):
        _send(connection, method, 200, b"last\n", extra=b"Connection: close\r\n")
        return False


def _send(connection, method, status, body, content_type="text/plain", extra=b""):
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\n"
    if status not in (204, 304):
        head += f"Content-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + extra + b"\r\n" + (b"" if method == "HEAD" else body))
    return True


def _read_body(reader, headers, connection):
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(reader.readline().split(b";")[0], 16):
            body += reader.read(size)
            reader.readline()
        while reader.readline().strip():
            pass
        return body
    return reader.read(int(headers.get("content-length", "0")))
