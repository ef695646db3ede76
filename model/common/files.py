"""Writes files and folders atomically, and computes their sha256."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 8 * 2**20  # bytes in memory at a time


@contextmanager
def atomic_file(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yields the path of a temporary file next to `path`; after the block, the file is synced and renamed to `path`.

    On an error in the block, the temporary file is removed and `path` is unchanged. Missing folders are created.
    `shared`: several processes, also on different machines, may write `path` at once; if false, the temporary file has
    a fixed name, so that a leftover from a killed process is overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial" if shared else f"{path.name}.partial")
    try:
        yield work
        to_disk(work)
        os.replace(work, path)
    except BaseException:  # otherwise a full disk stays full
        work.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path, shared: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yields a new, empty folder next to `path`, which replaces `path` when the block ends.

    On an error in the block, the new folder is removed and `path` is unchanged. `shared` as in `atomic_file`.
    `durable`: the files are synced before the folder is renamed, so that a power cut cannot empty them.
    """
    work = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial" if shared else f".{path.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
        if durable:
            for written in [*work.iterdir(), work]:
                to_disk(written)
        _replace_folder(work, path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _replace_folder(work: Path, path: Path) -> None:
    if not path.exists():
        os.replace(work, path)
        return
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(path, old)
    os.replace(work, path)
    shutil.rmtree(old)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file by `atomic_file`; strings are encoded as UTF-8."""
    with atomic_file(path) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)


def to_disk(path: Path) -> None:
    """Syncs a file's content, or a folder's list of entries, to the disk, so that it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path, report: Callable[[int], object] = lambda count: None) -> str:
    """Returns the hexadecimal sha256 of a file; `path` may be any object with pathlib's `open`, such as a UPath.

    `report` is called with the number of bytes in each block that was read.
    """
    from hspcgan.model.common.user_files import open_regular

    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            report(len(block))
    return digest.hexdigest()


def size_mb(path: Path) -> float:
    """Size of a file, or of all files below a folder, in MB."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
