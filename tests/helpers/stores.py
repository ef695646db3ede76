"""What lies in a store and in a folder, for the tests of copies of a cache."""

from pathlib import Path

import upath


def stored(url: str) -> dict[str, bytes]:
    place = upath.UPath(url)
    return {file.name: file.read_bytes() for file in place.iterdir()} if place.exists() else {}


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
