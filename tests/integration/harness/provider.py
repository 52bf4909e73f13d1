"""A provider of queries: it answers every question in the way that the test has set, and keeps what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def sample(value):
    """What Prometheus answers when a query gives one sample."""
    result = [{"metric": {}, "value": [1700000000.1, str(value)]}]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


class Provider:
    """`status` and `body` are the answer; with `hangs` there is none until that is over."""

    def __init__(self, body="", status=200):
        self.body = body
        self.status = status
        self.questions = []  # (method, path, {lower-case name: value}, body)
        self._answering = threading.Event()
        self._answering.set()
        self._server = None
        self.port = 0
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def hangs(self):
        return not self._answering.is_set()

    @hangs.setter
    def hangs(self, value):
        if value:
            self._answering.clear()
        else:
            self._answering.set()

    def open(self):
        """Listens; again on the same port after close()."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider._answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """Whoever asked may have gone."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        """Refuses connections."""
        self._server.shutdown()
        self._server.server_close()

    def stop(self):
        self.hangs = False
        self.close()

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.questions.append((handler.command, handler.path, headers, body))
        self._answering.wait()
        answer = self.body.encode()
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)
