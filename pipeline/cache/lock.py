"""Locks a folder for one process, with flock on its file `lock`; the lock is released when the process ends.

The package filelock also uses flock, but is not suitable: on a file system without locks, its version 4 falls back to a
file that a killed process leaves behind; its version 3 empties the file that names the holder; and neither can check
whether the locked file is still in its folder.
"""

import errno
import fcntl
import os
import shutil
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import kind_of

LOCK, MARK = "lock", "hspcgan\n"
"""Name of the lock file, and its contents in a work folder, which distinguish it from a user's folder of that name."""

MAX_HOLDER_LENGTH = 200  # characters that are read of the name of the process that holds a lock
ENOTSUPP = 524  # from NFS and others on Linux; Python has no name for it
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES, errno.EINVAL, ENOTSUPP)
"""Error numbers of file systems without locks."""


def lock(folder: Path) -> IO[str]:
    """Locks a work folder and returns the file for `unlock`. Raises UserError if another process holds the lock."""
    with ExitStack() as opened:
        try:
            file = opened.enter_context(open_locked(folder / LOCK, "cache"))
            if not _is_same_file(file, folder):
                raise BlockingIOError  # the holder has finished in the meantime and moved the folder away
            if not file.read():
                file.write(MARK)
                file.flush()
        except (BlockingIOError, FileNotFoundError):
            raise UserError(f"another process is using {folder}; wait for the process to finish, or stop it") from None
        opened.pop_all()
    return file


def is_work_folder(folder: Path) -> bool:
    """Whether a folder has a lock file of hspcgan, or only an empty one (from a process killed before it wrote it)."""
    try:
        with os.fdopen(os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            content = file.read(len(MARK) + 1)
            return content == MARK or (not content and os.listdir(folder) == [LOCK])
    except (OSError, ValueError):
        return False


def remove_work_folder(folder: Path) -> None:
    """Removes a work folder; does nothing if `folder` is a link or another kind of folder.

    The lock file is removed last, so that the folder is still recognised as a work folder if the process is killed.
    """
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


def open_locked(path: Path, key: str) -> IO[str]:
    """Opens and locks a file; closing the file releases the lock.

    The file is created if needed, and its content is kept. `key`: the manifest key of the file's folder, for messages.
    Raises BlockingIOError, with the content as its `strerror`, if another process holds the lock; UserError if the file
    is a link or not a regular file, or if the file system has no locks.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        found = "a link, which is not followed" if path.is_symlink() else kind_of(path)
        raise UserError(f"{path} is {found}, expected a lock file; remove it, or give another folder") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path} is {kind_of(path)}, expected a lock file; remove it, or give another folder")
    file = os.fdopen(handle, "r+", encoding="utf-8", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with file:
            raise BlockingIOError(error.errno, file.read(MAX_HOLDER_LENGTH).strip()) from None
    except OSError as error:
        file.close()
        if error.errno not in NO_LOCKS:
            raise
        raise UserError(
            f"{path} cannot be locked ({error.strerror}), so two processes could write at the same time; set "
            f"`{key}:` to a folder on a file system with locks (Lustre has locks if mounted with -o flock)"
        ) from error
    return file


def unlock(file: IO[str], folder: Path) -> None:
    """Releases the lock; removes the folder if the lock file is its only content."""
    with suppress(OSError):  # the folder was moved away by the process that held the lock, or is no longer empty
        if _is_same_file(file, folder) and os.listdir(folder) == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
    file.close()


def _is_same_file(file: IO[str], folder: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK))
