"""WebSocket over raw sockets (RFC 6455): an upstream that echoes, and a client."""

import base64
import hashlib
import os
import socket
import struct
import threading

from .raw_client import RawClient

TEXT, CLOSE = 1, 8
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def frame(opcode, payload, masked):
    head = bytes([0x80 | opcode])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def read_frame(read):
    """(opcode, payload) by read(count), or None at the end."""
    head = read(2)
    if head is None:
        return None
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack(">H", read(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", read(8))[0]
    mask = read(4) if head[1] & 0x80 else bytes(4)
    payload = read(size) if size else b""
    return head[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def code_of(payload):
    return struct.unpack(">H", payload[:2])[0]


class WebSocketClient(RawClient):
    def __init__(self, address, user="u", headers=()):
        super().__init__(address)
        key = base64.b64encode(os.urandom(16)).decode()
        self.answer = self.get("/chat", [
            ("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key), ("X-User-Id", user), *headers])
        self.agreed = self.answer.get("sec-websocket-accept") == accept_of(key)

    def say(self, text):
        self.send(frame(TEXT, text.encode(), masked=True))

    def bye(self, code=1000):
        self.send(frame(CLOSE, struct.pack(">H", code), masked=True))

    def hear(self):
        return read_frame(self._read)

    def ask(self, text):
        self.say(text)
        return self.hear()[1].decode()

    def _read(self, count):
        while len(self._buffer) < count:
            if not self._receive():
                return None
        return self._take(count)


class WebSocketUpstream:
    """Says its name, then echoes behind it; everything but a handshake is answered with its name."""

    def __init__(self, name):
        self.name = name
        self.heads = []
        self.heard = []  # Codes of the Close frames it got.
        self._connections = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.reset()

    def reset(self):
        """Breaks all connections off."""
        for connection in self._connections:
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RD)
                connection.close()
            except OSError:
                pass
        self._connections = []

    def close(self, code):
        for connection in self._connections:
            connection.sendall(frame(CLOSE, struct.pack(">H", code), masked=False))
            connection.shutdown(socket.SHUT_WR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = connection.makefile("rb")

        def read(count):
            data = reader.read(count)
            return data if len(data) == count else None

        try:
            while True:
                head = self._head(reader)
                if head is None:
                    return
                self.heads.append(head)
                if head.get("upgrade") != "websocket":
                    body = self.name.encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    continue
                accept = accept_of(head["sec-websocket-key"])
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n" +
                    frame(TEXT, self.name.encode(), masked=False))
                self._echo(connection, read)
                return
        except OSError:
            pass
        finally:
            connection.close()

    def _echo(self, connection, read):
        while True:
            got = read_frame(read)
            if got is None:
                return
            opcode, payload = got
            if opcode == CLOSE:
                self.heard.append(code_of(payload))
            connection.sendall(frame(opcode, payload, masked=False))
            if opcode == CLOSE:
                return

    @staticmethod
    def _head(reader):
        first = reader.readline()
        if not first:
            return None
        head = {"": first.decode().strip()}
        for line in iter(reader.readline, b"\r\n"):
            name, value = line.decode().split(":", 1)
            head[name.strip().lower()] = value.strip()
        return head
