"""A headless Chromium that a test looks through, spoken to over a pipe by the DevTools protocol: no port, no driver.

https://chromedevtools.github.io/devtools-protocol/: commands go in at descriptor 3, answers and events come out at 4,
each one JSON text that ends with a NUL.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from .waiting import PATIENCE, wait_until

CHROMIUM = shutil.which("chromium")
# Nothing that looks for a network of its own; and root has no sandbox.
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
          "--remote-debugging-pipe", "--window-size=1280,1000")


class Browser:
    def __init__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="canaryd-browser-", ignore_cleanup_errors=True)
        commands_in, self._commands = os.pipe()
        self._answers, answers_out = os.pipe()
        # Above what they are to become, so that neither overwrites the other.
        commands_in, answers_out = (_moved(each) for each in (commands_in, answers_out))

        def connect():
            os.dup2(commands_in, 3)
            os.dup2(answers_out, 4)

        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"], preexec_fn=connect,
            pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands_in)
        os.close(answers_out)
        self._left = b""
        self._number = 0
        self.session = None
        self.requested = []  # URLs.
        self.complaints = []  # Errors of scripts and of the page's policy.
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        self._profile.cleanup()

    def command(self, method, **parameters):
        self._number += 1
        text = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            text["sessionId"] = self.session
        os.write(self._commands, json.dumps(text).encode() + b"\0")
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            message = self._next(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def _next(self, deadline):
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "the browser has gone"
            self._left += piece
        text, self._left = self._left.split(b"\0", 1)
        return json.loads(text)

    def _note(self, event):
        method, data = event.get("method"), event.get("params")
        if method == "Network.requestWillBeSent":
            self.requested.append(data["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(data["exceptionDetails"]["exception"].get("description", ""))
        elif method == "Log.entryAdded" and data["entry"]["level"] == "error":
            self.complaints.append(f'{data["entry"]["source"]}: {data["entry"]["text"]}')

    def open(self, url):
        self.command("Page.navigate", url="about:blank")
        self.run("0")  # The page before it has ended now, and asks for nothing more.
        self.requested.clear()
        self.complaints.clear()
        self.command("Page.navigate", url=url)

    def run(self, script):
        """What the script gives, which is waited for if it is a promise."""
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector="body"):
        """Of what is seen of it; empty while there is none."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def wait_for(self, selector, text, seconds=10):
        wait_until(lambda: text in self.text(selector), f"{text!r} in {selector}", seconds)

    def click(self, selector, text=""):
        """The one of these that says so."""
        self.run(f"""(() => {{
          const all = [...document.querySelectorAll({json.dumps(selector)})];
          all.find((each) => each.textContent.includes({json.dumps(text)})).click();
        }})()""")

    def type(self, selector, text):
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.command("Input.insertText", text=text)

    def screenshot(self, path):
        picture = self.command("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))


def _moved(descriptor):
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
