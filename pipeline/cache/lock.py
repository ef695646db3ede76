"""One process at a time in a folder: a lock (flock) on its file `lock`, which ends with the process that holds it.

Not the package filelock, which stands on flock too: where a file system has no locks its version 4 falls back to a
file that a killed process leaves behind, its version 3 empties the file that names the holder, and neither lets one
ask whether the locked file is still in its folder.
"""

import errno
import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from hspcgan.model.common.errors import UserError

LOCK = "lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(folder: Path) -> IO[str]:
    """The locked file of a work folder; `unlock` releases it. UserError when another process holds it."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(take(folder / LOCK, "cache"))
            if not _is_at(file, folder):
                raise BlockingIOError  # its holder has finished since then, and moved the folder with this file away
        except (BlockingIOError, FileNotFoundError):
            raise UserError(f"another process is at work on {folder}; wait for it, or stop it") from None
        opened.pop_all()
    return file


def take(path: Path, key: str) -> IO[str]:
    """Opens and locks a file, in the folder that the manifest's `key` names; closing it releases the lock.

    The file is made if needed, and its content stays. BlockingIOError, with the content as its `strerror`, when
    another process holds it; UserError when it is a link, or when the file system has no locks.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+", encoding="utf-8")
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UserError(f"{path} is a link, which is not followed; remove it") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with file:
            raise BlockingIOError(error.errno, file.read().strip()) from None
    except OSError as error:
        file.close()
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{path} cannot be locked ({error.strerror}), so two processes could mix their work; give a `{key}:` "
            "folder on a file system with locks (Lustre has them when mounted with -o flock)"
        ) from error
    return file


def unlock(file: IO[str], folder: Path) -> None:
    """Releases the lock; a folder that holds nothing else is removed."""
    with suppress(OSError):  # moved away by the process that held the lock, or no longer empty
        if _is_at(file, folder) and os.listdir(folder) == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
    file.close()


def _is_at(file: IO[str], folder: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK))
