"""Allows only one trainer at a time in a run folder, by a lock on the file `lock` in the folder."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import make_folder
from hspcgan.pipeline.cache.lock import LOCK, MAX_HOLDER_LENGTH, open_locked

READ_ONLY = (errno.EROFS, errno.EACCES)
HELD_BY = "process "
"""How the content of a run's lock begins."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a run folder while the block runs; creates the folder if needed.

    The operating system also releases the lock if the process ends. The file `lock` names the last process that held
    the lock. A read-only folder is not locked, because no process can train in it.

    Raises:
        UserError: another process (named in the message) holds the lock, or the file system does not support locks.
    """
    make_folder(folder)
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
