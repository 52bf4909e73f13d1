"""Bodies far larger than memory, both ways, with a length and in chunks, past a receiver that stops now and then.

CANARYD_FLAT_GIB is the size of each of the four (10)."""

import os
import re
import socket
import threading
import time
import unittest

from harness import IntegrationCase, stays

MIB = 1024 * 1024
TOTAL = int(float(os.environ.get("CANARYD_FLAT_GIB", "10")) * 1024) * MIB
PIECE = b"flat" * (MIB // 4)
CHUNK = b"%x\r\n%s\r\n" % (MIB, PIECE)
# Two blocks a direction, and what the allocator does with them.
GROWTH_MAX = 16 * MIB


class OneShot:
    """An upstream for one connection: takes a head, then runs what the test says."""

    def __init__(self, serve):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(8)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._serve = serve
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        connection, _ = self._listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        rest = head.partition(b"\r\n\r\n")[2]
        self._serve(connection, rest)
        connection.close()

    def stop(self):
        self._listener.close()
        self._thread.join(30)


def send_body(connection, chunked):
    for _ in range(TOTAL // MIB):
        connection.sendall(CHUNK if chunked else PIECE)
    if chunked:
        connection.sendall(b"0\r\n\r\n")


def wire_size(chunked):
    return TOTAL // MIB * len(CHUNK) + 5 if chunked else TOTAL


def take_body(connection, taken, chunked):
    """Counts; stops reading for a moment after every 512 MiB."""
    into = bytearray(MIB)
    pause_at = 512 * MIB
    while taken < wire_size(chunked):
        count = connection.recv_into(into)
        if count == 0:
            break
        taken += count
        if taken >= pause_at:
            stays(lambda: True, 0.3)
            pause_at += 512 * MIB
    return taken


class FlatMemoryTest(IntegrationCase):
    def memory(self):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"RssAnon:\s+(\d+) kB", file.read())[1]) * 1024

    def run_watched(self, work):
        """The most memory the daemon had while work() ran, beyond that at its start."""
        before, most, ended = self.memory(), [0], threading.Event()

        def watch():
            while not ended.wait(0.1):
                most[0] = max(most[0], self.memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        try:
            work()
        finally:
            ended.set()
            watcher.join()
        growth = most[0] - before
        print(f"{self.id().rsplit('.')[-1]}: {TOTAL / MIB / 1024:.1f} GiB in {time.monotonic() - began:.1f} s, "
              f"memory grew by {growth / 1024:.0f} KiB", flush=True)
        self.assertLessEqual(growth, GROWTH_MAX)

    def upload(self, chunked):
        got = []

        def serve(connection, rest):
            got.append(take_body(connection, len(rest), chunked))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        self.start_one(serve)
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {TOTAL}"
        with socket.create_connection(self.daemon.public) as client:
            def work():
                client.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
                send_body(client, chunked)
                self.assertIn(b" 200 ", client.recv(4096))

            self.run_watched(work)
        self.assertEqual(got, [wire_size(chunked)])

    def download(self, chunked):
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {TOTAL}"

        def serve(connection, _):
            connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
            send_body(connection, chunked)

        self.start_one(serve)
        with socket.create_connection(self.daemon.public) as client:
            def work():
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(65536)
                rest = head.partition(b"\r\n\r\n")[2]
                self.assertEqual(take_body(client, len(rest), chunked), wire_size(chunked))

            self.run_watched(work)

    def start_one(self, serve):
        upstream = OneShot(serve)
        self.addCleanup(upstream.stop)
        self.start({"one": upstream}, workers=1)

    def test_upload_with_length(self):
        self.upload(False)

    def test_upload_in_chunks(self):
        self.upload(True)

    def test_download_with_length(self):
        self.download(False)

    def test_download_in_chunks(self):
        self.download(True)


if __name__ == "__main__":
    unittest.main()
