"""A client that sends exactly the bytes it is told to, and reads one response at a time."""

import socket
from dataclasses import dataclass, field


@dataclass
class Response:
    status: int
    head: str
    headers: list = field(default_factory=list)  # (lower-case name, value), in order.
    body: bytes = b""
    whole: bool = True  # False when the connection ended inside it.

    def get(self, name):
        for key, value in self.headers:
            if key == name.lower():
                return value
        return None


class RawClient:
    def __init__(self, address, timeout=30.0):
        self._socket = socket.create_connection(address, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data if isinstance(data, bytes) else data.encode())

    def shutdown_write(self):
        self._socket.shutdown(socket.SHUT_WR)

    def local_port(self):
        return self._socket.getsockname()[1]

    def get(self, path="/", headers=(), host="test"):
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        return self.response()

    def ended(self):
        """True when the other side has closed; reads what is left."""
        try:
            while self._receive():
                pass
        except ConnectionResetError:
            pass
        return True

    def response(self, to_head=False):
        """The next response, interim ones too; None when the connection ends before it."""
        head_end = self._fill_until(b"\r\n\r\n")
        if head_end is None:
            return None
        head = self._take(head_end).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        response = Response(int(first.split(" ", 2)[1]), head)
        response.headers = [(n.strip().lower(), v.strip()) for n, v in (line.split(":", 1) for line in lines)]
        no_body = to_head or response.status in (204, 304) or response.status < 200
        if not no_body:
            self._read_body(response)
        return response

    def _read_body(self, response):
        if (response.get("transfer-encoding") or "").lower() == "chunked":
            return self._read_chunks(response)
        length = response.get("content-length")
        if length is None:
            while self._receive():
                pass
            response.body = self._take(len(self._buffer))
            return None
        while len(self._buffer) < int(length):
            if not self._receive():
                response.whole = False
                break
        response.body = self._take(min(int(length), len(self._buffer)))
        return None

    def _read_chunks(self, response):
        while True:
            end = self._fill_until(b"\r\n")
            if end is None:
                response.whole = False
                return
            size = int(self._take(end).split(b";")[0], 16)
            if size == 0:
                response.whole = self._skip_trailers()
                return
            while len(self._buffer) < size + 2:
                if not self._receive():
                    response.whole = False
                    return
            response.body += self._take(size)
            self._take(2)

    def _skip_trailers(self):
        while True:
            end = self._fill_until(b"\r\n")
            if end is None:
                return False
            if self._take(end) == b"\r\n":
                return True

    def _fill_until(self, mark):
        while mark not in self._buffer:
            if not self._receive():
                return None
        return self._buffer.index(mark) + len(mark)

    def _receive(self):
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def _take(self, count):
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken
