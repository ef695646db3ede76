"""Allows one trainer at a time in a run folder: a lock on its file `lock`, released when the process ends."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache.lock import take


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a run folder while the block runs; creates the folder if needed. The file `lock` names the last holder.

    Raises:
        UserError: another process (named in the message) holds the lock, or the file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as file:  # not "w": it may name the present holder
        try:
            take(file, "run")
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"{file.read() or 'another process'} is training in {folder}; wait for it, stop it, or give this run "
                "another `run:` folder"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
