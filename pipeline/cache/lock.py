"""One process at a time in a folder of shards: a lock on its file `lock`, which ends with the process that holds it."""

import errno
import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from hspcgan.model.errors import UserError

LOCK = "lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(folder: Path) -> IO[str]:
    """The locked file; closing it lets go. UserError when another process holds it or nothing can be locked there."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open(folder / LOCK, "w"))
            take(file, "cache")
            if not _is_at(file, folder):
                raise BlockingIOError  # its holder has finished since and moved the folder away, and this file with it
        except (BlockingIOError, FileNotFoundError):
            raise UserError(f"another process is at work on {folder}; wait for it, or stop it") from None
        opened.pop_all()
    return file


def take(file: IO[str], key: str) -> None:
    """Locks an open file, in the folder that the manifest's `key` names, for as long as it is open.

    BlockingIOError when another process holds it, UserError when nothing can be locked there.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{file.name} cannot be locked ({error.strerror}), so two processes could mix their work; give a `{key}:` "
            "folder on a file system with locks (Lustre has them when mounted with -o flock)"
        ) from error


def unlock(file: IO[str], folder: Path) -> None:
    """Lets go of the lock; a folder in which nothing else is goes with it."""
    with suppress(OSError):  # moved away by whoever held the lock, or no longer empty
        if _is_at(file, folder) and os.listdir(folder) == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
    file.close()


def _is_at(file: IO[str], folder: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK))
