"""Reads the folders and the object stores that tests compare."""

from pathlib import Path

import upath


def file_bytes(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path inside the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def stored(url: str) -> dict[str, bytes]:
    place = upath.UPath(url)
    return {file.name: file.read_bytes() for file in place.iterdir()} if place.exists() else {}


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
