"""Files that are complete or as they were before, whatever happens while they are written."""

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file under another name, to the disk, and renames it; makes its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    to_disk(temporary)
    os.replace(temporary, path)


def to_disk(path: Path) -> None:
    """Returns when a file, or which files a folder holds, has reached the disk: then a power cut spares it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
