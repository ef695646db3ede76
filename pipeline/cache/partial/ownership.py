"""Whose is what lies where a cache is to be: only a cache, or work on one, is ever replaced or removed."""

import re
from collections.abc import Callable, Collection
from pathlib import Path

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.info import is_cache, work_folder
from hspcgan.pipeline.cache.lock import LOCK

WORK = (LOCK, *schema.STAGES, "final", "copy", "replaced")
"""What a `CACHE.partial` holds."""
LITTER = re.compile(r"\.DS_Store|\.nfs[0-9a-f]+|Thumbs\.db|desktop\.ini")
"""Files that systems leave in anyone's folders."""


def refuse_foreign(target: Path) -> None:
    """UserError when a cache cannot take this place, or its `.partial` beside it, without harm to other things.

    An empty folder is no obstacle; a finished cache is none here.
    """
    refuse_inside_cache(target)
    refuse_others(target, schema.FILES, is_cache)
    refuse_others(work_folder(target), WORK, lambda folder: (folder / LOCK).is_file())


def refuse_inside_cache(target: Path) -> None:
    """UserError for a place inside a cache, which holds its own files alone."""
    around = next(filter(is_cache, target.absolute().parents), None)
    if around:
        raise UserError(f"{target} lies inside another cache, {around}; give another folder")


def refuse_mounted(target: Path) -> None:
    """UserError when a cache may lie at this place, but cannot be renamed to it."""
    if target.is_mount():
        raise UserError(f"{target} is a mounted volume, which cannot be renamed; give a folder in it: {target}/cache")


def refuse_others(folder: Path, known: Collection[str], is_ours: Callable[[Path], bool]) -> None:
    """UserError when a folder, local or at a URL, holds names beside those known, or only these and is not ours."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; name the folder that is to hold the cache")
    names = sorted(entry.name for entry in folder.iterdir() if not LITTER.fullmatch(entry.name))
    others = [name for name in names if name not in known]
    if others:
        raise UserError(
            f"{folder} holds what is no cache's ({', '.join(others[:5])}); move it away, or give another folder"
        )
    if names and not is_ours(folder):
        raise UserError(
            f"{folder} holds {', '.join(names[:5])}, but nothing that proves it ours, such as a readable "
            f"{schema.INFO}; move it away, or give another folder"
        )
