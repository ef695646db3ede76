"""Fingerprints of files for the signature of a source: cheap to compute on every run, different for new contents."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import is_local, open_regular

MAX_CAPTION_BYTES = 2**20  # limit for a file with the captions of one image
EDGE = 128 * 1024  # bytes


def sampled_sha256(file: BinaryIO, start: int, size: int) -> str:
    """Size and sha256 (hex) of `size` bytes from `start`; above 256 KB, only of the first and last 128 KB."""
    file.seek(start)
    digest = hashlib.sha256(file.read(size if size <= 2 * EDGE else EDGE))
    if size > 2 * EDGE:
        file.seek(start + size - EDGE)
        digest.update(file.read(EDGE))
    return f"{size} {digest.hexdigest()}"


def image_state(path: Path) -> str:
    """The `sampled_sha256` of an image file; at a URL, only its size."""
    try:
        size = path.stat().st_size
        if not is_local(path):
            return str(size)
        with open_regular(path) as file:
            return sampled_sha256(file, 0, size)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return f"unreadable: {getattr(error, 'strerror', None) or error}"


def text_state(path: Path, limit: int = MAX_CAPTION_BYTES) -> str:
    """The sha256 (hex) of a text file, its size if that is above `limit` bytes, or why the file cannot be read."""
    try:
        size = path.stat().st_size
        return f"{size} bytes" if size > limit else file_sha256(path)
    except (OSError, ValueError) as error:
        return f"unreadable: {getattr(error, 'strerror', None) or error}"


def hash_lines(lines: Iterable[str]) -> str:
    """sha256 (hex) of lines in order; surrogates, as in undecodable file names, are allowed."""
    digest, between = hashlib.sha256(), b""
    for line in lines:
        digest.update(between + line.encode("utf-8", "surrogatepass"))
        between = b"\n"
    return digest.hexdigest()
