"""Runs `prepare` in forked children that a test kills: python kill_server.py MANIFEST ENGINE [UPTO].

A line of seconds on stdin starts each child.

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

SHARDS = 1, 4  # images and texts in each


def child(manifest_path: str, engine: str, upto: str | None = None) -> None:
    os.setsid()
    prepare(load_manifest(manifest_path), engine=engine, upto=upto)
    os._exit(0)


def main() -> None:
    ingest.SHARD_IMAGES, encode.SHARD_TEXTS = SHARDS
    if "ray" in sys.argv:
        import ray  # noqa: F401 (imported once; each child connects to it as a new driver)
    with tempfile.TemporaryDirectory() as folder:
        prepare(load_manifest(sys.argv[1], [f"cache={folder}/cache"]))
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            child(*sys.argv[1:])
        ended = os.pidfd_open(pid)
        if not select.select([ended], [], [], float(line))[0]:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        os.close(ended)
        seconds = time.monotonic() - start
        print({0: f"done {seconds:.3f}", signal.SIGKILL: "killed"}.get(status, f"failed {status}"), flush=True)


if __name__ == "__main__":
    main()
