"""Runs the cases of a file in processes of their own, several at a time: most of their time is spent on waiting for
evidence, which comes no faster on a machine that does nothing else. Not for cases that measure."""

import concurrent.futures
import subprocess
import sys
import unittest

from .waiting import PATIENCE

# Where everything takes ten times as long there is less waiting to share.
AT_A_TIME = 4 if PATIENCE <= 3 else 2


def run_side_by_side(at_a_time=AT_A_TIME):
    """In place of unittest.main(); with arguments the same as that."""
    if len(sys.argv) > 1:
        unittest.main(module="__main__")
        return
    names = [_name(case) for case in _cases(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))]
    if not names:
        sys.exit("no test cases")
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        ended = [pool.submit(_run, name) for name in names]
        failed = [name for name, each in zip(names, ended) if not _told(name, each.result())]
    print(f"{len(names)} cases, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}", flush=True)
    sys.exit(1 if failed else 0)


def _cases(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from _cases(each)
        else:
            yield each


def _name(case):
    return ".".join(case.id().split(".")[-2:])


def _run(name):
    return subprocess.run(
        [sys.executable, sys.argv[0], name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)


def _told(name, done):
    print(f"---- {name}\n{done.stdout}", end="", flush=True)
    return done.returncode == 0
