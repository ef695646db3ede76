"""Resolves MANIFEST, CACHE and RUN arguments to manifests and folders; errors state what was given instead."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.user_files import kind_of

if TYPE_CHECKING:
    from hspcgan.pipeline.manifest import Manifest

log = logging.getLogger("hspcgan.pipeline")


def open_manifest(argument: str, overrides: Sequence[str] = ()) -> "Manifest":
    """Loads the manifest for an argument: a path, a shipped name, or a run folder, which contains its manifest.

    Every section is validated. Raises ManifestError with all problems, UsageError for a folder without a manifest.
    """
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.pipeline.manifest.sections import section_models

    if not argument:
        raise UsageError("MANIFEST is empty; expected a YAML file, the name of a shipped manifest, or a run folder")
    place = Path(argument)
    if place.is_dir():
        resolved = place / "manifest.yaml"
        if not resolved.is_file():
            raise UsageError(
                f"MANIFEST {argument} is {_folder_kind(place)}; expected a YAML file, the name of a shipped manifest "
                "(`hspcgan manifests` lists them), or a run folder"
            )
        log.info(f"{argument} is a run folder; its manifest is {resolved}")
        argument = str(resolved)
    return load_manifest(argument, overrides, section_models())


def cache_folder(argument: str | Path) -> Path:
    """Returns the cache folder for an argument: the argument itself, or the cache of a manifest or run folder.

    Raises UserError if there is none, or if there are several.
    """
    first, *others = cache_folders(argument)
    if others:
        named = ", ".join(map(str, [first, *others]))
        raise UserError(
            f"{argument} names several caches ({named}), but this command reads one; give the folder of one cache"
        )
    return first


def cache_folders(argument: str | Path) -> tuple[Path, ...]:
    """Returns the cache folders for an argument: the argument itself, or the caches of a manifest or run folder.

    Raises UserError if one of them does not exist.
    """
    place = Path(argument)
    if (place / "cache.json").exists():
        return (place,)
    return _existing_folders(place, "cache", "CACHE")


def run_folder(argument: str | Path) -> Path:
    """Returns the run folder for an argument: the argument itself, or the run folder of a manifest.

    A folder that contains an evaluation but no training counts as a run. Raises UserError if there is none.
    """
    place = Path(argument)
    if (place / "manifest.yaml").exists() or (place / "evaluation").is_dir():
        return place
    return _existing_folders(place, "run", "RUN")[0]


def _existing_folders(place: Path, key: str, what: str) -> tuple[Path, ...]:
    """Returns the existing folders that `key` lists in a manifest; `place` is the manifest or a run folder."""
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.pipeline.manifest.files import shipped_manifests

    made = "prepare" if key == "cache" else "train"
    hint = f"`hspcgan {made} MANIFEST` creates it in the folder `{key}:` of MANIFEST"
    source = place / "manifest.yaml" if place.is_dir() else place
    if place.is_dir() and not source.is_file():
        raise UsageError(f"{what} {place} is {_folder_kind(place)}; {hint}")
    if not source.is_file() and str(place) not in shipped_manifests():
        found = f"is {kind_of(place)}" if os.path.lexists(place) else "does not exist"
        raise UserError(f"{what} {place} {found}; {hint}")
    if source.is_file() and source.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{what} {place} is a file; expected the folder of a {key}; {hint}")
    manifest = load_manifest(str(source))
    folders = manifest.caches if key == "cache" else (manifest.run,)
    markers = ("cache.json",) if key == "cache" else ("manifest.yaml", "evaluation")
    made = "study" if key == "run" and manifest.raw.get("study") else made
    for folder in folders:
        if not any((folder / marker).exists() for marker in markers):
            raise UserError(
                f"the {key} {folder} of {source} does not exist yet; run `hspcgan {made} {source}` to create it"
            )
        log.info(f"using the {key} {folder} of {place}")
    return folders


def _folder_kind(folder: Path) -> str:
    """Returns a description of a folder for messages, such as "a run folder"."""
    for marker, kind in (("cache.json", "a cache"), ("manifest.yaml", "a run folder"), ("model.json", "a checkpoint")):
        if (folder / marker).is_file():
            return kind
        if os.path.lexists(folder / marker):
            return f"a folder whose {marker} is not a regular file"
    if (folder.parent / f"{folder.name}.partial").is_dir():
        return f"an unfinished cache ({folder.name}.partial)"
    if folder.name.endswith(".partial"):
        return "an unfinished cache"
    return "a folder without a cache or a run" if folder.is_dir() else "no folder"
