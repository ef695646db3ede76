"""Hashes files for the signature of a source; to save time, only both ends of a large image are hashed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import is_local, open_regular

MAX_CAPTION_BYTES = 2**20  # limit for a file with the captions of one image
EDGE = 128 * 1024  # bytes


def sampled_sha256(file: BinaryIO, start: int, size: int) -> str:
    """Returns "SIZE SHA256" of `size` bytes from `start`; above 256 KB, only the first and last 128 KB are hashed."""
    file.seek(start)
    digest = hashlib.sha256(file.read(size if size <= 2 * EDGE else EDGE))
    if size > 2 * EDGE:
        file.seek(start + size - EDGE)
        digest.update(file.read(EDGE))
    return f"{size} {digest.hexdigest()}"


def image_state(path: Path) -> str:
    """Returns the `sampled_sha256` of an image file; for a URL, only the size."""
    try:
        size = path.stat().st_size
        if not is_local(path):
            return str(size)
        with open_regular(path) as file:
            return sampled_sha256(file, 0, size)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return f"unreadable: {getattr(error, 'strerror', None) or error}"


def text_state(path: Path, limit: int = MAX_CAPTION_BYTES) -> str:
    """Returns the sha256 (hex) of a text file, its size if it exceeds `limit` bytes, or why it cannot be read."""
    try:
        size = path.stat().st_size
        return f"{size} bytes" if size > limit else file_sha256(path)
    except (OSError, ValueError) as error:
        return f"unreadable: {getattr(error, 'strerror', None) or error}"


def hash_lines(lines: Iterable[str]) -> str:
    """Returns the sha256 (hex) of lines in order; surrogates, as in undecodable file names, are allowed."""
    digest, between = hashlib.sha256(), b""
    for line in lines:
        digest.update(between + line.encode("utf-8", "surrogatepass"))
        between = b"\n"
    return digest.hexdigest()
