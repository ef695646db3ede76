"""Checks whether a finished cache was made from the inputs in a manifest, and lists the inputs that differ."""

import json
import re
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import discarded_folder
from hspcgan.pipeline.cache.lock import remove_work_folder
from hspcgan.pipeline.cache.reader import Cache

OTHER_CACHE_HINT = "`hspcgan prepare MANIFEST --rebuild`, or give another `cache:`"


def is_current(path: Path | str, inputs: dict[str, dict]) -> bool:
    """Whether the finished cache at `path` was made from `inputs`, {stage: inputs}; False if there is no cache.

    Raises UserError if it was made from other inputs (each differing key is named), and if it cannot be opened. Removes
    the work folder of a run that was killed after the cache was complete.
    """
    if not (Path(path) / schema.INFO).is_file():
        return False
    changes = _changes(Cache(path), inputs)
    if changes:
        listed = "\n  ".join(changes)
        raise UserError(f"{path} was made from other inputs:\n  {listed}\nTo fix: {OTHER_CACHE_HINT}")
    remove_work_folder(discarded_folder(Path(path)))
    return True


def lacks_taps(path: Path | str, inputs: dict[str, dict]) -> bool:
    """Whether the finished cache at `path` lacks only taps: it was made from all `inputs` except those of the taps."""
    if not inputs.get("taps") or not (Path(path) / schema.INFO).is_file():
        return False
    cache = Cache(path)
    others = {stage: made_from for stage, made_from in inputs.items() if stage != "taps"}
    return "taps" not in cache.info and not _changes(cache, others)


def _changes(cache: Cache, inputs: dict[str, dict]) -> list[str]:
    stages, asked = cache.info["stages"], json.loads(json.dumps(inputs))
    return [line for stage in asked for line in _differences(stage, stages.get(stage, {}), asked[stage])]


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        pairs = [(f"{name}.{key}", old.get(key, "nothing"), new.get(key, "nothing")) for key in keys]
        return [line for pair in pairs for line in _differences(*pair)]
    wants = "this version of hspcgan" if ".code" in name else "manifest"
    return [] if old == new else [f"{name}: cache has {_shortened(old)}, {wants} wants {_shortened(new)}"]


def _shortened(value: Any) -> Any:
    """Shortens a sha256 to its first digits, as `hspcgan stats` does."""
    return value[:12] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value
