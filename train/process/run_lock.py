"""Allows only one trainer at a time in a run folder, by a lock on the file `lock` in the folder."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.lock import LOCK, MAX_HOLDER_LENGTH, open_locked

READ_ONLY = (errno.EROFS, errno.EACCES)
HELD_BY = "process "
"""How the content of a run's lock begins."""

RUN_PARTS, STUDY_PARTS = (LOCK, "grids", "checkpoints"), ("manifests", "runs", "results", "report")
"""Files and folders that a run, or a study, creates in its folder."""


def refuse_foreign_manifest(folder: Path, parts: Sequence[str]) -> None:
    """Raises UserError if a folder has a manifest.yaml from no run or study: none of `parts` is next to it."""
    path = folder / "manifest.yaml"
    if os.path.lexists(path) and not any(os.path.lexists(folder / part) for part in parts):
        raise UserError(
            f"{path} exists, but {folder} has none of {', '.join(parts)}, so it is not from an earlier run and would "
            "be overwritten; give another `run:` folder, or rename this file"
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a run folder while the block runs; creates the folder if needed.

    The operating system also releases the lock if the process ends. The file `lock` names the last process that held
    the lock. A read-only folder is not locked, because no process can train in it.

    Raises:
        UserError: another process (named in the message) holds the lock, or the file system does not support locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = open_locked(folder / LOCK, "run")
    except BlockingIOError as error:
        raise UserError(
            f"{error.strerror or 'another process'} is training in {folder}; wait for it, stop it, or give this run "
            "another `run:` folder"
        ) from None
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield
        return
    with file:
        held = file.read(MAX_HOLDER_LENGTH)
        if held and not held.startswith(HELD_BY):
            raise UserError(
                f"{folder / LOCK} is not the lock of a run: it begins with {held[:20]!r}; move it away, or give "
                "another `run:` folder"
            )
        file.seek(0)
        file.truncate()
        file.write(f"{HELD_BY}{os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
