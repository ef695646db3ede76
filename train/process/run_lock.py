"""Allows only one trainer at a time in a run folder, by a lock on the file `lock` in the folder."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.lock import LOCK, take

READ_ONLY = (errno.EROFS, errno.EACCES)


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
        file = take(folder / LOCK, "run")
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
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
