"""Two trainers in one run folder: the second is rejected by name; a killed one does not block the next."""

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from helpers.runs import make_cache, write_manifest

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train import loop
from hspcgan.train.distributed import start
from hspcgan.train.process.run_lock import locked
from hspcgan.train.setup import build_run

pytestmark = pytest.mark.usefixtures("one_thread")

HOLD = """
import sys
from pathlib import Path
from hspcgan.train.process.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_trainer_is_rejected_until_the_first_one_ends(tmp_path, tiny_clip_path):
    manifest = write_manifest(tmp_path, make_cache(tmp_path / "cache", tiny_clip_path), tiny_clip_path, steps=1)
    run = build_run(load_manifest(str(manifest)), start("cpu"))
    holder = [sys.executable, "-c", HOLD, str(run.folder)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        who = f"process {process.pid} on {socket.gethostname()} is training in {run.folder}; wait for it, stop it, or"
        for _ in range(2):  # a rejected one does not change the lock's text
            with pytest.raises(ValueError, match=re.escape(who)):
                loop.train(run)
        assert [path.name for path in run.folder.iterdir()] == ["lock"]
        os.kill(process.pid, signal.SIGKILL)
    assert loop.train(run).step == 1
    with locked(run.folder):
        assert (run.folder / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"


@pytest.mark.parametrize(("number", "user_error"), [(errno.ENOLCK, True), (errno.ENOSYS, True), (errno.ENOSPC, False)])
def test_a_file_system_without_locks_is_a_user_error_and_other_errors_pass_through(
    tmp_path, monkeypatch, number, user_error
):
    def fails(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    message = (
        r"lock cannot be locked \(.*set `run:` to a folder on a file system with locks"
        if user_error
        else "No space left"
    )
    with pytest.raises(ValueError if user_error else OSError, match=message), locked(tmp_path / "run"):
        pass


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_needs_no_lock(tmp_path, monkeypatch, number):
    def read_only(path, *options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", read_only)
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []
