"""Guards the target folder: only a cache, or an unfinished one, is ever replaced or removed."""

import re
from collections.abc import Callable, Collection
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import is_cache, work_folder
from hspcgan.pipeline.cache.lock import LOCK

WORK = (LOCK, *schema.STAGES, "final", "copy", "replaced")
"""What a `CACHE.partial` holds."""
LITTER = re.compile(r"\.DS_Store|\.nfs[0-9a-f]+|Thumbs\.db|desktop\.ini")
"""Files that systems leave in anyone's folders."""


def refuse_foreign(target: Path) -> None:
    """UserError when the target, or its `.partial`, contains files that are not part of a cache.

    An empty folder and a finished cache are allowed.
    """
    refuse_inside_cache(target)
    refuse_others(target, schema.FILES, is_cache)
    refuse_others(work_folder(target), WORK, lambda folder: (folder / LOCK).is_file())


def refuse_inside_cache(target: Path) -> None:
    """UserError for a folder inside a cache."""
    around = next(filter(is_cache, target.absolute().parents), None)
    if around:
        raise UserError(f"{target} lies inside another cache, {around}; give another folder")


def refuse_mounted(target: Path) -> None:
    """UserError if the target is a mounted volume: the finished cache cannot be renamed to it."""
    if target.is_mount():
        raise UserError(f"{target} is a mounted volume, which cannot be renamed; give a folder in it: {target}/cache")


def refuse_others(folder: Path, known: Collection[str], is_ours: Callable[[Path], bool]) -> None:
    """UserError when a folder, local or at a URL, has other names than `known`, or is not a cache's own."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the cache")
    names = sorted(entry.name for entry in folder.iterdir() if not LITTER.fullmatch(entry.name))
    others = [name for name in names if name not in known]
    if others:
        raise UserError(
            f"{folder} contains files that are not part of a cache ({', '.join(others[:5])}); move it away, or give "
            "another folder"
        )
    if names and not is_ours(folder):
        raise UserError(
            f"{folder} holds {', '.join(names[:5])}, but no readable {schema.INFO} "
            "or lock of hspcgan; move it away, or give another folder"
        )
