"""Reads folders that tests compare."""

from pathlib import Path


def file_bytes(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path inside the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
