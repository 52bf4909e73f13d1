"""The one place where a test lets time pass: it polls a condition, and fails when it stays false."""

import os
import time

# A sanitizer or a shared machine is several times slower; the bounds are for hangs, not for speed.
PATIENCE = float(os.environ.get("CANARYD_TEST_PATIENCE", "3"))


def wait_until(condition, what, seconds=10.0, pause=0.02):
    """Returns the first true value of condition(); AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE:.0f} s")
        time.sleep(pause)


def stays(condition, seconds, pause=0.02):
    """True when condition() held at every look for that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(pause)
    return True
