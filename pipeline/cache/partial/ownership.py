"""Guards the target folder: only a finished or unfinished cache is ever replaced or removed."""

from collections.abc import Callable, Collection
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import (
    is_cache,
    require_folder_or_free,
    require_outside_cache,
    require_writable,
    resolve_links,
)
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import discarded_folder, work_folder
from hspcgan.pipeline.cache.lock import LOCK, is_work_folder

WORK = (LOCK, *schema.STAGES, "final", "copy", "replaced")
"""Names that a `CACHE.partial` may contain."""


def require_own_target(target: Path) -> None:
    """Raises UserError if the target, or a work folder next to it, contains files that are not part of a cache.

    An empty folder and a finished cache are allowed. A file with the name of a work folder is an error, too.
    """
    require_outside_cache(target, replaces_cache=True)
    require_known_names(target, schema.FILES, is_cache)
    for folder in (work_folder(target), discarded_folder(target)):
        for link in (folder, folder / LOCK):
            if link.is_symlink():
                raise UserError(f"{link} is a link, which is not followed; remove the link, or give another folder")
        require_known_names(folder, WORK, is_work_folder)
        for name in WORK[1:]:
            require_folder_or_free(folder / name)


def require_writable_target(target: Path) -> None:
    """Raises UserError if a cache cannot be renamed to the target: it is a link, a mount, or on a read-only disk."""
    if target.is_symlink():
        raise UserError(f"{target} is a link, which would be replaced; give its target, {resolve_links(target)}")
    if target.is_mount():
        raise UserError(f"{target} is a mounted volume, which cannot be renamed; give a subfolder: {target}/cache")
    require_writable(target)


def require_known_names(folder: Path, known: Collection[str], is_ours: Callable[[Path], bool]) -> None:
    """Raises UserError if a local or remote folder has names not in `known`, or is not empty and not `is_ours`."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder for the cache")
    names = sorted(entry.name for entry in folder.iterdir() if not schema.SYSTEM_FILES.fullmatch(entry.name))
    others = [name for name in names if name not in known]
    if others:
        raise UserError(
            f"{folder} contains files that are not part of a cache ({', '.join(others[:5])}); move the folder away, or "
            "give another folder"
        )
    if names and not is_ours(folder):
        raise UserError(
            f"{folder} contains {', '.join(names[:5])}, but no readable {schema.INFO} "
            "or lock of hspcgan; move the folder away, or give another folder"
        )
