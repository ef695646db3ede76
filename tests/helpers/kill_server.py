"""Runs `prepare` in forked children that a test kills: python kill_server.py MANIFEST, then a line of seconds each.

A whole run comes before the forks, so that models are loaded and a killed run costs its own work alone. For each line
on stdin a child starts, and is killed (SIGKILL) after so many seconds if it is not done; "killed" or "done SECONDS" is
printed.
"""

import os
import select
import signal
import sys
import tempfile
import time

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages import encode, ingest
from hspcgan.pipeline.stages.prepare import prepare


def child(manifest_path: str) -> None:
    os.setsid()
    prepare(load_manifest(manifest_path))
    os._exit(0)


def main() -> None:
    ingest.SHARD_IMAGES, encode.SHARD_TEXTS = 1, 4
    with tempfile.TemporaryDirectory() as folder:
        prepare(load_manifest(sys.argv[1], [f"cache={folder}/cache"]))
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            child(sys.argv[1])
        ended = os.pidfd_open(pid)
        if not select.select([ended], [], [], float(line))[0]:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        os.close(ended)
        seconds = time.monotonic() - start
        print({0: f"done {seconds:.3f}", signal.SIGKILL: "killed"}.get(status, f"failed {status}"), flush=True)


if __name__ == "__main__":
    main()
