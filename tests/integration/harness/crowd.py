"""Attackers in numbers, and an upstream that does not mind: non-blocking sockets, a thread at most each."""

import errno
import resource
import select
import socket
import struct
import threading
import time

_RESET = struct.pack("ii", 1, 0)


def allow_descriptors():
    """As many sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Crowd:
    """Connections to one address that all do the same; what comes back is read only when asked for."""

    def __init__(self, address, count, first=b"", receive_buffer=None):
        self.sockets = []
        for begin in range(0, count, 250):
            batch = [_connecting(address, receive_buffer) for _ in range(min(250, count - begin))]
            _wait_connected(batch)
            self.sockets += batch
            if first:
                self._push(batch, first)

    def push(self, data):
        """As much as fits into the buffers of each, without waiting; returns how many took something."""
        return self._push(self.sockets, data)

    @staticmethod
    def _push(sockets, data):
        taken = 0
        for each in sockets:
            try:
                taken += each.send(data) > 0
            except (BlockingIOError, ConnectionError):
                pass
        return taken

    def read(self, bytes_max=65536):
        """What has arrived at each: bytes, or None where the connection has ended with nothing left."""
        return [_receive(each, bytes_max) for each in self.sockets]

    def close(self):
        """By a reset, so that thousands of them leave no port waiting."""
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            each.close()
        self.sockets = []


def _connecting(address, receive_buffer):
    one = socket.socket()
    one.setblocking(False)
    if receive_buffer:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    code = one.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, "connect")
    return one


def _wait_connected(sockets, seconds=30):
    poll = select.poll()
    waiting = {one.fileno(): one for one in sockets}
    for number in waiting:
        poll.register(number, select.POLLOUT)
    deadline = time.monotonic() + seconds
    while waiting and time.monotonic() < deadline:
        for number, _ in poll.poll(1000):
            poll.unregister(number)
            code = waiting.pop(number).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "connect")
    if waiting:
        raise OSError(errno.ETIMEDOUT, "connect")


def _receive(one, bytes_max):
    try:
        return one.recv(bytes_max) or None
    except BlockingIOError:
        return b""
    except ConnectionError:
        return None


class PatientUpstream:
    """One thread for thousands of connections. /huge answers without end, /large with LARGE bytes, /stall reads no
    further than the head and never answers, /mute reads and never answers, /sink the same unless it is a GET;
    everything else is 200 "patient" at once."""

    PIECE = b"p" * 65536
    LARGE = 4 * 1024 * 1024
    HUGE = 1 << 40
    SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npatient\n"

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(4096)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._open = {}
        self._left = {}  # Bytes of the body under way.
        self._stopped = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def open(self):
        return len(self._open)

    def stop(self):
        self._stopped.set()
        self._thread.join()
        for one in self._open.values():
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()
        self._open = {}
        self._listener.close()
        self._poll.close()

    def _run(self):
        while not self._stopped.is_set():
            for number, events in self._poll.poll(0.05):
                if number == self._listener.fileno():
                    self._accept()
                    continue
                try:
                    self._serve(number, events)
                except (BlockingIOError, InterruptedError):
                    pass
                except OSError:
                    self._drop(number)

    def _accept(self):
        while True:
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open[one.fileno()] = one
            self._poll.register(one.fileno(), select.EPOLLIN)

    def _drop(self, number):
        self._poll.unregister(number)
        self._left.pop(number, None)
        self._open.pop(number).close()

    def _serve(self, number, events):
        one = self._open[number]
        if events & select.EPOLLOUT:
            count = one.send(self.PIECE[:self._left[number]])
            self.sent += count
            self._left[number] -= count
            if self._left[number] == 0:
                self._poll.modify(number, select.EPOLLIN)
            return
        if not events & select.EPOLLIN:  # Only errors are left to hear of.
            self._drop(number)
            return
        data = one.recv(65536)
        if not data:
            self._drop(number)
        elif b" /huge " in data or b" /large " in data:
            self._left[number] = self.HUGE if b" /huge " in data else self.LARGE
            one.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._left[number])
            self._poll.modify(number, select.EPOLLOUT)
        elif b" /stall " in data:
            self._poll.modify(number, select.EPOLLRDHUP)
        elif data.startswith(b"GET /sink ") or (
                data.endswith(b"\r\n\r\n") and b" /mute " not in data and b" /sink " not in data):
            one.send(self.SMALL)
