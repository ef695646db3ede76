"""Lists the files below a local folder, also through links, and the folders that cannot be listed."""

import functools
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger("hspcgan.pipeline")

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"}
OTHER_IMAGES = {
    *(".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".apng", ".dib", ".ico", ".tga"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".psd", ".svg", ".eps", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"),
}
"""Suffixes of images in unsupported formats; they are listed, so that each becomes a reject with a reason."""


LOGGED_EVERY_SEC = 10
MAX_LINKS = 2
"""Linked folders inside each other; folders that link to each other have a path for each order of them."""


def walk(root: Path) -> tuple[list[Path], dict[Path, str]]:
    """
    Returns the files below a folder, sorted, and the folders that were not walked, each with the reason.

    Linked folders are walked at the path of the link, except links to a folder that contains them, and links
    inside MAX_LINKS linked folders. Names that start with a dot are left out. A listing of several seconds is logged.
    """
    closed: dict[Path, str] = {}
    files = []
    started = time.monotonic()
    for path in _walk(root, tuple(root.resolve().parents), 0, closed):
        files.append(path)
        if time.monotonic() - started > LOGGED_EVERY_SEC:
            log.info(f"listing {root}: {len(files):,} files so far, now in {path.parent}")
            started = time.monotonic()
    return sorted(files), closed


def _walk(folder: Path, around: tuple[Path, ...], links: int, closed: dict[Path, str]) -> Iterator[Path]:
    real = folder.resolve()
    if links > MAX_LINKS:
        closed[folder] = f"a link inside {MAX_LINKS} linked folders; link to {real} from a folder that is not linked"
        return
    if real in around:
        closed[folder] = f"a link back to a folder that contains it: {real}"
        return
    try:
        with os.scandir(folder) as listing:
            inside = [entry for entry in listing if not entry.name.startswith(".")]
    except OSError as error:
        closed[folder] = f"cannot be listed: {error.strerror or error}"
        return
    for entry in inside:
        path = folder / entry.name
        if os.path.isdir(path):  # unlike Path.is_dir, False for a link that cannot be followed
            yield from _walk(path, (*around, real), links + entry.is_symlink(), closed)
        else:
            yield path


def name_hint(path: Path | None) -> str:
    """Suggests why a file is missing: a broken link, backslashes, or a difference in upper and lower case."""
    if path is None:
        return ""
    if os.path.islink(str(path)):
        return f"; it is a link to {os.readlink(path)}"
    if "\\" in path.name:
        return "; use / instead of \\ in paths"
    same = _names(path.parent).get(path.name.lower())
    return f"; there is {same}" if same else ""


@functools.lru_cache(maxsize=16)  # many files may be missing in one folder
def _names(folder: Path) -> dict[str, str]:
    """Maps each file name in a folder, in lower case, to the name as written; empty if the folder cannot be listed."""
    try:
        return {name.lower(): name for name in os.listdir(folder)}
    except OSError:
        return {}
