#!/usr/bin/env python3
"""The traffic that a build with CANARYD_PROFILE=generate counts: the cases of the benchmark as users run them, once more
with an access log, and new connections. The counts are written when the daemon ends.

  bench/load/train.py --build build/optimised
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from proxies import Canaryd, Peer

# {case: requests}. What is small is what most requests are.
CASES = {"get-100": 20_000, "browser-1k": 20_000, "post-1k": 4_000, "get-16k": 4_000, "post-64k": 1_000, "connect": 4_000}
CONNECTIONS = 64


def train(program, folder, peer, full):
    proxy = Canaryd(program, folder, peer.port, 0, full=full)
    proxy.start()
    try:
        for case, requests in CASES.items():
            served = peer.run(proxy.port, CONNECTIONS, 0, requests, case)["requests"]
            if served < requests:
                sys.exit(f"{case}: {served} of {requests} requests were served")
    finally:
        proxy.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/optimised"), metavar="DIR", help="where it was built")
    build = parser.parse_args().build.resolve()
    core = (os.cpu_count() or 1) - 1
    for full in (False, True):
        with tempfile.TemporaryDirectory() as folder, Peer(str(build / "bench/load/bench_peer"), core) as peer:
            train(str(build / "src/daemon/canaryd"), Path(folder), peer, full)
    written = sum(1 for _ in build.rglob("*.gcda"))
    print(f"trained: {written} files of counts")
    if written == 0:
        sys.exit("nothing was counted; is it built with CANARYD_PROFILE=generate?")


if __name__ == "__main__":
    main()
