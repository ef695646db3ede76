"""Files and folders that appear complete or not at all, and their sha256; what every room writes and checks with."""

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
    """Yields the path of a new file beside `path`; when the block ends, that file reaches the disk and is renamed.

    An error in the block removes it and leaves `path` as it was. Folders that are missing are made. `shared`: other
    processes, on other machines too, may write the same file; without it, the next process overwrites what a killed
    one left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial" if shared else f"{path.name}.partial")
    try:
        yield work
        to_disk(work)
        os.replace(work, path)
    except BaseException:  # on a full disk the unfinished file would keep the disk full
        work.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path, shared: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yields a new, empty folder beside `path`, which takes the place of `path` when the block ends.

    An error in the block removes it and leaves `path` as it was. `shared` as of `atomic_file`. `durable`: the files
    reach the disk before the folder is renamed, so that a power cut cannot empty them.
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
    """Writes a file by `atomic_file`; text as UTF-8."""
    with atomic_file(path) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)


def to_disk(path: Path) -> None:
    """Returns when a file's content, or a folder's list of files, has reached the disk and survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path, report: Callable[[int], object] = lambda count: None) -> str:
    """Hexadecimal sha256 of a file's bytes; `path` may be anything with pathlib's `open`, such as a UPath.

    `report` gets the number of bytes of each block that was read.
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
