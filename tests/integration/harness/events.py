"""Server-sent events of the admin API, read one at a time from the bytes."""

import json
import socket

HEARTBEATS_MAX = 3  # 45 seconds without an event: what was waited for does not come.


class EventStream:
    """GETs a path; `status` and `problem` say what came of it. receive_bytes: of the kernel's buffer, for slow readers."""

    def __init__(self, address, path, receive_bytes=None, last_id=None, timeout=60.0):
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(timeout)
        self._socket.connect(address)
        resume = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())
        self._bytes = b""
        self._body = b""
        self.raw = b""  # All of the body so far.
        self.last_id = last_id
        self.ended = None  # "whole" after the last chunk, "cut" when the connection ended before.
        head = self._until(b"\r\n\r\n").decode()
        self.status = int(head.split(" ", 2)[1])
        self.head = head.lower()
        self.problem = None
        if self.status != 200:
            length = int(self.head.split("content-length: ")[1].split("\r\n")[0])
            while len(self._bytes) < length:
                self._receive()
            self.problem = json.loads(self._bytes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def next(self):
        """(type, data); None at the end of the stream."""
        heartbeats = 0
        while heartbeats < HEARTBEATS_MAX:
            frame, found, rest = self._body.partition(b"\n\n")
            if not found:
                if not self._chunk():
                    return None
                continue
            self._body = rest
            fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if not line.startswith(":"))
            if fields:
                self.last_id = fields.get("id", self.last_id)
                return fields["event"], json.loads(fields["data"])
            heartbeats += 1
        raise AssertionError(f"{heartbeats} heartbeats and no event")

    def until(self, wanted):
        """Events up to the first one for which wanted(type, data)."""
        events = []
        while True:
            event = self.next()
            if event is None:
                raise AssertionError(f"the stream has ended ({self.ended}) after {events}")
            events.append(event)
            if wanted(*event):
                return events

    def requests_until(self, path):
        """Data of the requests up to the one with that path."""
        events = self.until(lambda kind, data: kind == "request" and data.get("path") == path)
        return [data for kind, data in events if kind == "request"]

    def read_some(self, count):
        """A slow reader's way: takes so many bytes at most from the kernel."""
        self._receive(count)

    def _receive(self, count=65536):
        data = self._socket.recv(count)
        if not data:
            raise EOFError
        self._bytes += data

    def _until(self, mark):
        while mark not in self._bytes:
            self._receive()
        text, self._bytes = self._bytes.split(mark, 1)
        return text

    def _chunk(self):
        try:
            size = int(self._until(b"\r\n"), 16)
            while len(self._bytes) < size + 2:
                self._receive()
        except (EOFError, ConnectionResetError):
            self.ended = self.ended or "cut"
            return False
        if size == 0:
            self.ended = "whole"
            return False
        chunk, self._bytes = self._bytes[:size], self._bytes[size + 2:]
        self.raw += chunk
        self._body += chunk
        return True
