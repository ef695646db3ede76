"""Reports errors of commands: a message and an exit code for errors that a user can fix, a traceback for bugs."""

import errno
import logging
import os
import re
import resource
import sys
import threading
import traceback
from contextlib import suppress
from typing import IO

import click

from hspcgan.model.common.errors import UserError, install_command
from hspcgan.model.common.files import MOVE_HINT, NO_ROOM
from hspcgan.model.common.printable import printable

NO_PATH = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors that libraries such as fsspec also raise without an errno."""

OWN_FAULTS = (errno.EBADF, errno.EINVAL, errno.EFAULT)
"""Errors caused by a bug, not by the machine: a closed handle, an invalid argument."""

NO_HANDLES = (errno.EMFILE, errno.ENFILE)
"""Too many open files, in this process or on this machine."""

HINTS = {
    errno.EROFS: "give a path on a disk that can be written",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "change the permissions, or give another path"),
    errno.ENOENT: "check the path",
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENOTEMPTY), MOVE_HINT),
    errno.ENAMETOOLONG: "give a shorter path",
    **dict.fromkeys((errno.EIO, errno.ESTALE), "check the disk, then run the command again"),
    **dict.fromkeys(NO_HANDLES, "raise the limit on open files (ulimit -n)"),
}
"""How to fix an error of the operating system, by its number."""

NO_MEMORY = re.compile("can't allocate memory|out of memory|failed to map segment")
"""Messages of torch's RuntimeErrors for the memory of the CPU and of a GPU, and of a library that is loaded."""

NO_TEMPORARY = "No usable temporary directory found in "
"""Beginning of the message of tempfile's FileNotFoundError, which has no path."""

LEAST_MEMORY = 8 * 10**9
"""Bytes of addresses for torch, spaCy, their models and threads; most of them are never used."""

ENVIRONMENT, INTERNAL, INTERRUPTED = 3, 70, 130
"""Exit codes; UserError and its subclasses define their own, and click's usage errors have 2."""


class Failure(click.ClickException):
    """A message for the terminal and the exit code of the command."""

    def __init__(self, message: str, exit_code: int = ENVIRONMENT):
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # a class variable by type, but click reads it from the instance

    def show(self, file: IO[str] | None = None) -> None:
        """Prints the message; if standard error is on a full disk, only the exit code is left."""
        with suppress(OSError):
            super().show(file)


def failure(error: Exception) -> Failure | None:
    """Returns the failure to show for an error that a user can fix; None for a bug."""
    if isinstance(error, UserError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        fix = "raise the limit on the size of files (ulimit -f)" if error.errno == errno.EFBIG else "free some space"
        return Failure(f"{error}. Finished parts are kept; {fix} and run the same command again")
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_current_folder():
        return Failure("the current folder has been removed; change to another folder and run the command again")
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith(NO_TEMPORARY):
        tried = str(error.strerror).removeprefix(NO_TEMPORARY)
        return Failure(f"no folder for temporary files can be written, tried {tried}; free some space, raise the limit "
                       "on the size of files (ulimit -f), or set TMPDIR in the environment to another one")  # fmt: skip
    by_number = isinstance(error, OSError) and error.errno is not None and error.errno not in OWN_FAULTS
    if by_number or isinstance(error, NO_PATH):
        return Failure(_with_hint(error))  # no such path, no permission, a read-only or failing disk, no network
    if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8" != sys.getfilesystemencoding():
        return Failure(f"{error.object[:200]!r} has characters that file names cannot have in this locale, whose "
                       f"encoding is {error.encoding}; set PYTHONUTF8=1 in the environment")  # fmt: skip
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # Path.resolve before Python 3.13
        return Failure(f"{error}: the link leads back to itself; give another path")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError) and NO_MEMORY.search(str(error))
    ):
        reason = str(error).partition("\n")[0]
        return Failure(f"out of memory{f' ({reason})' if reason else ''}; {_memory_fix()}")
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    return None


def _with_hint(error: Exception) -> str:
    """Returns the path, reason and fix (if known) of an OSError with a path; for any other error, its message.

    For too many open files, the fix does not depend on a path, and is also given without one.
    """
    if isinstance(error, OSError) and error.errno in NO_HANDLES and not error.filename:
        return f"{error.strerror}; {HINTS[error.errno]}"
    if not isinstance(error, OSError) or error.errno is None or not error.filename:
        return str(error)
    paths = " and ".join(os.fsdecode(path) for path in (error.filename, error.filename2) if path)
    return f"{paths}: {error.strerror}" + (f"; {HINTS[error.errno]}" if error.errno in HINTS else "")


def _memory_fix() -> str:
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return "raise the limit on the memory of a process (ulimit -v)"
    return "use smaller batches or fewer processes"


def warn_of_memory_limit() -> None:
    """Logs a warning if the memory of a process is limited so much that libraries written in C++ abort."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        logging.getLogger("hspcgan").warning(
            f"the memory of a process is limited to {limit / 1e9:.1f} GB (ulimit -v), but torch and spaCy need up to "
            f"{LEAST_MEMORY / 1e9:.0f} GB of addresses; with less, a command can be aborted without a message"
        )


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def report_bug(error: Exception) -> None:
    """Prints the traceback of a bug and where to report it."""
    text = "".join(traceback.format_exception(error))
    print(
        f"{printable(text)}\ninternal error: {type(error).__name__}: {printable(str(error))}\n"
        "This is a bug in hspcgan. Report it in the issue tracker of the repository you cloned, with the command, the\n"
        "traceback above and the output of `hspcgan doctor`.",
        file=sys.stderr,
    )


def report_thread(args: threading.ExceptHookArgs) -> None:
    """Prints an error that ends a thread, such as TensorBoard's writer: one line if a user can fix it."""
    shown = failure(args.exc_value) if isinstance(args.exc_value, Exception) else None
    if shown is None:
        threading.__excepthook__(args)
    else:
        logging.getLogger("hspcgan").warning(shown.message)


def _missing_package(error: ModuleNotFoundError) -> Failure | None:
    from hspcgan.pipeline.cli.extras import extra_of

    extra = extra_of((error.name or "").split(".")[0])
    return None if extra is None else Failure(f"{error.name} is not installed; {install_command(extra)}")
