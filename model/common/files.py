"""Writes files and folders atomically, and computes their sha256."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import MAX_JSON, kind_of, open_regular, read_bytes

BLOCK = 8 * 2**20  # bytes in memory at a time
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, an exceeded quota, a file beyond the allowed size."""

MOVE_HINT = "move it away and run the command again, or give another path"

CACHE_INFO = "cache.json"
"""The file by which a folder is recognised as a cache."""

PROBE = 2**20  # bytes written to find out whether a disk is full


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file next to `path`; after the block, the file is synced and renamed to `path`.

    On an error in the block, the temporary file is removed and `path` is unchanged. Missing folders are created; if
    `path` is a link, the linked file is written. Several processes, also on other machines, may write the same file.
    Raises UserError if `path` is not a regular file. A full disk raises an OSError with its errno, even if a library
    raises another error.
    """
    path = _resolved(path)
    require_file_or_free(path)
    make_folder(path.parent)
    work = _work_name(path, "partial")
    with _removed_after_error(work):
        yield work
        sync_to_disk(work)
        os.replace(work, path)


@contextmanager
def atomic_folder(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yields a new, empty folder next to `path`; after the block, it is renamed to `path` and replaces a folder there.

    Errors, links and other processes are treated as in `atomic_file`. With `durable`, the files are synced before the
    folder is renamed, so that they are not empty after a power failure.
    """
    path = _resolved(path)
    require_folder_or_free(path)
    make_folder(path.parent)
    work = _work_name(path, "partial")
    with _removed_after_error(work):
        work.mkdir()
        yield work
        if durable:
            for written in [*work.iterdir(), work]:
                if written.is_file() or written.is_dir():  # opening a pipe would wait for ever
                    sync_to_disk(written)
        _replace_folder(work, path)


def _resolved(path: Path) -> Path:
    """Resolves a path that is a link or ends in "." or ".."; returns other paths unchanged.

    Raises UserError for the root folder, which cannot be replaced.
    """
    found = resolve_links(path) if path.is_symlink() or path.name in ("", "..") else path
    if not found.name:
        raise UserError(f"{path} is the root folder, so it cannot be replaced; give another path")
    return found


def _work_name(path: Path, suffix: str) -> Path:
    """Returns a unique hidden path next to `path`, for temporary content; a long name is truncated."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.{suffix}")


def resolve_links(path: Path) -> Path:
    """Returns the absolute path with all links resolved, except links that form a cycle."""
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for a cycle


def make_folder(path: Path) -> None:
    """Creates a folder, and the folders above it, if they are missing. UserError if one of them is not a folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        require_folder_or_free(path)
        raise


def require_folder_or_free(path: Path) -> None:
    """Raises UserError if `path`, or a path above it, exists and is not a folder."""
    for folder in (*reversed(path.parents), path):
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{folder} is {kind_of(folder)}, expected a folder; {MOVE_HINT}")


def require_file_or_free(path: Path) -> None:
    """Raises UserError if `path` exists and is not a regular file, or if a path above it exists and is not a folder."""
    require_folder_or_free(path.parent)
    if os.path.lexists(path) and not path.is_file():
        raise UserError(f"{path} is {kind_of(path)}, expected a regular file; {MOVE_HINT}")


@contextmanager
def _removed_after_error(work: Path) -> Iterator[None]:
    """Removes the unfinished file or folder `work` if the block raises an error, which frees space on a full disk."""
    try:
        yield
    except BaseException as error:
        full = _disk_error(error, work)
        if work.is_dir():
            shutil.rmtree(work, ignore_errors=True)
        else:
            work.unlink(missing_ok=True)
        if full is not None:
            raise full from error
        raise


def _disk_error(error: BaseException, work: Path) -> OSError | None:
    """
    Returns the OSError that caused `error`, or None if there is none.

    On a full disk, torch, safetensors and numpy raise their own errors instead. Errors from Rust contain the errno. For
    other errors, this function extends the file that was written last, which fails again with the OSError.
    """
    if isinstance(error, OSError) and error.errno is not None:
        nameless = error.errno in NO_ROOM and not error.filename
        return OSError(error.errno, os.strerror(error.errno), str(work)) if nameless else None
    if not isinstance(error, Exception) or isinstance(error, UserError):
        return None
    if number := re.search(r"os error (\d+)", str(error)):
        return OSError(int(number[1]), os.strerror(int(number[1])), str(work))
    files = [file for file in ([work] if work.is_file() else work.rglob("*")) if file.is_file()]
    last = max(files, key=lambda file: file.stat().st_mtime_ns, default=None)
    try:
        if last is not None:
            with last.open("ab") as file:
                file.write(bytes(PROBE))
                file.flush()
                os.fsync(file.fileno())
    except OSError as found:
        return OSError(found.errno, found.strerror, str(last))
    return None


def _replace_folder(work: Path, path: Path) -> None:
    if not path.exists():
        os.replace(work, path)
        return
    old = _work_name(path, "old")
    os.replace(path, old)
    os.replace(work, path)
    shutil.rmtree(old)


def remove_folder(path: Path) -> None:
    """Removes a folder with its contents, if it exists; of a link to a folder, only the link."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def require_writable(path: Path) -> None:
    """Raises UserError if no file or folder can be written at `path`; commands call this before they start."""
    require_folder_or_free(path.parent)
    place = resolve_links(path)
    if place.is_dir():
        around = place
    else:
        require_file_or_free(place)
        around = next(folder for folder in place.parents if folder.exists())
    if not os.access(around, os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be written: you have no write access to {around}; give another path")


def is_cache(folder: Path) -> bool:
    """Whether a local or remote folder has a cache.json of hspcgan, even if it is damaged or has another format."""
    try:
        info = json.loads(read_bytes(folder / CACHE_INFO, MAX_JSON))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(info, dict) and "fingerprint" in info


def require_outside_cache(path: Path, replaces_cache: bool = False) -> None:
    """Raises UserError if a path is a cache or is inside a cache, because a cache may contain no other files.

    `replaces_cache`: the path itself may be a cache, which will be replaced.
    """
    place = resolve_links(path)
    for folder in place.parents if replaces_cache else (place, *place.parents):
        if is_cache(folder):
            raise UserError(
                f"{path} is inside the cache {folder}, which may contain no other files; give another folder"
            )


def require_distinct(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises UserError if an output file of a command is also one of its inputs, or another output."""
    taken = set(map(resolve_links, inputs))
    for path in outputs:
        if (place := resolve_links(path)) in taken:
            raise UserError(f"{path} would be overwritten, since this command also reads or writes it")
        taken.add(place)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file atomically (see `atomic_file`); strings are encoded as UTF-8."""
    with atomic_file(path) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)


def sync_to_disk(path: Path) -> None:
    """Syncs a file's content, or a folder's list of entries, to the disk, so that it survives a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path, report: Callable[[int], object] = lambda count: None) -> str:
    """Returns the sha256 of a file as hexadecimal digits.

    `path` may also be the URL of a file (`UPath`). `report` is called with the number of bytes of each block that was
    read.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            report(len(block))
    return digest.hexdigest()


def size_mb(path: Path) -> float:
    """Returns the size of a file, or of all files below a folder, in MB."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
