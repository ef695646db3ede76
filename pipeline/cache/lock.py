"""One process at a time in a folder: a lock (flock) on its file `lock`, which ends with the process that holds it.

Not the package filelock, which stands on flock too: where a file system has no locks its version 4 falls back to a
file that a killed process leaves behind, its version 3 empties the file that names the holder, and neither lets one
ask whether the locked file is still in its folder.
"""

import errno
import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from hspcgan.model.common.errors import UserError

LOCK, MARK = "lock", "hspcgan\n"
"""The file of the lock, and its text in a work folder, by which one is known from a user's folder of that name."""

ENOTSUPP = 524  # of Linux's NFS and others, without a name in Python
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, errno.EINVAL, ENOTSUPP)
"""How file systems say that they have no locks."""


def lock(folder: Path) -> IO[str]:
    """The locked file of a work folder; `unlock` releases it. UserError when another process holds it."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(take(folder / LOCK, "cache"))
            if not _is_at(file, folder):
                raise BlockingIOError  # its holder has finished since then, and moved the folder with this file away
            if not file.read():
                file.write(MARK)
                file.flush()
        except (BlockingIOError, FileNotFoundError):
            raise UserError(f"another process is at work on {folder}; wait for it, or stop it") from None
        opened.pop_all()
    return file


def is_work_folder(folder: Path) -> bool:
    """Whether a folder has the lock of a work folder, with its mark; an unmarked one alone is of a killed process."""
    try:
        with os.fdopen(os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            return file.read(len(MARK) + 1) == MARK or os.listdir(folder) == [LOCK]
    except (OSError, ValueError):
        return False


def remove_work_folder(folder: Path) -> None:
    """Removes a work folder, its lock last: a killed removal leaves it marked. Any other folder or a link stays."""
    if folder.is_symlink() or not is_work_folder(folder):
        return
    with suppress(OSError):  # another process may remove it at the same time
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != LOCK:
                entry.unlink(missing_ok=True)
        (folder / LOCK).unlink()
        folder.rmdir()


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
        raise UserError(f"{path} is a link, which is not followed; remove it, or give another folder") from error
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
