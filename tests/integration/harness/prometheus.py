"""A real Prometheus: it scrapes what a test names, once a second, and answers what the test asks."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .waiting import wait_until

PROMETHEUS = shutil.which("prometheus")


class Prometheus:
    """Running once it is made; `more` are top-level keys of its file."""

    def __init__(self, folder, target, **more):
        if not PROMETHEUS:
            raise AssertionError("prometheus is not installed; run scripts/install-deps.sh")
        folder = Path(folder) / "prometheus"
        folder.mkdir()
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                  "scrape_configs": [{"job_name": "canaryd", "static_configs": [{"targets": [target]}]}], **more}
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self._log = folder / "log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self.address = wait_until(self._listening, "the address of prometheus", 30)
            wait_until(self._ready, "prometheus", 30)
        except AssertionError:
            self.stop()
            raise

    @property
    def url(self):
        return f"http://{self.address}"

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def _listening(self):
        text = self._log.read_text(encoding="utf-8")
        if self._process.poll() is not None:
            raise AssertionError(f"prometheus ended with {self._process.returncode}:\n{text[-4000:]}")
        found = re.search(r'msg="Listening on".* address=(\S+)', text)
        return found and found[1]

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **fields):
        """`data` of what its API answers; AssertionError when that is an error."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{fields}: {error.read().decode()}") from None

    def query(self, expression):
        """The samples that it gives now."""
        return self.ask("query", query=expression)["result"]
