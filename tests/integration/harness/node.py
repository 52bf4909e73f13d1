"""node as client and as upstream: the scripts of tests/integration/node, with Debian's undici and ws."""

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

from .waiting import PATIENCE

_SCRIPTS = Path(__file__).resolve().parent.parent / "node"
_MODULES = "/usr/share/nodejs"  # Where Debian's packages are; a node of other origin looks elsewhere.


class NodeScript:
    """A script under way; hear() returns the lines of JSON that it prints, one by one."""

    def __init__(self, script, *arguments):
        node = shutil.which("node")
        if node is None:
            raise AssertionError("node is not installed; run scripts/install-deps.sh")
        missing = [name for name in ("undici", "ws") if not os.path.isdir(f"{_MODULES}/{name}")]
        if missing:
            raise AssertionError(f"node packages {missing} are not installed; run scripts/install-deps.sh")
        self.process = subprocess.Popen(
            [node, str(_SCRIPTS / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "NODE_PATH": _MODULES})
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def hear(self, seconds=20):
        try:
            heard = self._lines.get(timeout=seconds * PATIENCE)
        except queue.Empty:
            raise AssertionError("node says nothing") from None
        if heard is None:
            raise AssertionError(f"node ended with {self.process.wait()}")
        return heard

    def tell(self):
        self.process.stdin.write(b"now\n")
        self.process.stdin.flush()

    def stop(self):
        """Once it has ended by itself or its work is done."""
        self.process.stdin.close()
        try:
            self.process.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("node did not end") from None
        finally:
            self._reader.join()
            self.process.stdout.close()


class NodeUpstream(NodeScript):
    def __init__(self, name):
        super().__init__("upstream.js", name)
        self.address = f"127.0.0.1:{self.hear()}"
