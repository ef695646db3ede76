"""The cache under construction: `CACHE.partial`, locked, filled shard by shard, assembled and renamed at the end."""

import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache import schema, shards
from hspcgan.pipeline.cache.assemble import assemble
from hspcgan.pipeline.cache.atomic import write_whole
from hspcgan.pipeline.cache.info import fingerprint
from hspcgan.pipeline.cache.lock import lock, unlock
from hspcgan.pipeline.cache.ownership import refuse_foreign, refuse_mounted, work_folder
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.shards import Arrays, Tables, read_shard, shard_complete, shard_stats, write_shard

MEND = "`hspcgan prepare MANIFEST --rebuild`, or give another `cache:`"


def is_current(path: Path | str, inputs: dict[str, dict]) -> bool:
    """Whether the finished cache at `path` was made from these inputs per stage; False where there is no cache.

    UserError when it was made from others (each differing key is named), and when it cannot be opened. Clears away
    what a run that was killed after the cache was complete left behind.
    """
    if not (Path(path) / schema.INFO).is_file():
        return False
    stages = Cache(path).info["stages"]
    asked = json.loads(json.dumps(inputs))
    changes = [line for stage in asked for line in _differences(stage, stages.get(stage, {}), asked[stage])]
    if changes:
        raise UserError(f"{path} was made from other inputs:\n  " + "\n  ".join(changes) + f"\nTo mend: {MEND}")
    shutil.rmtree(_spent(Path(path)), ignore_errors=True)
    return True


class PartialCache:
    """`CACHE.partial`: shards of the stages, resumable at each shard; a context manager that holds the lock.

    Args:
        path: where the finished cache will be.
        replace: swap out a finished cache there in `finish`; without it, one being there is a UserError.

    ValueError, too, for what `refuse_foreign` and `refuse_mounted` name.
    """

    def __init__(self, path: Path | str, replace: bool = False) -> None:
        self.target, self.replace = Path(path), replace
        self.path = work_folder(self.target)
        self._lock: IO[str] | None = None
        self._refuse_existing()

    def _refuse_existing(self) -> None:
        refuse_foreign(self.target)
        refuse_mounted(self.target)
        if (self.target / schema.INFO).exists() and not self.replace:
            raise UserError(f"{self.target} exists already; to mend: {MEND}")

    def __enter__(self) -> "PartialCache":
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.path)
        try:
            self._refuse_existing()
        except ValueError:
            self.__exit__()
            raise
        shutil.rmtree(_spent(self.target), ignore_errors=True)
        self._clear()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._lock is not None
        unlock(self._lock, self.path)

    def _clear(self) -> None:
        """Removes what earlier processes were killed over, or had no room for, and no later one would go on with."""
        for left in (self.path / "final", self.path / "copy", *self.path.glob(f"*/{shards.UNFINISHED}")):
            shutil.rmtree(left, ignore_errors=True)

    def folder(self, stage: str) -> Path:
        return self.path / stage

    def begin(self, stage: str, inputs: Mapping[str, Any]) -> None:
        """Opens a stage. What an earlier run left of it and of later stages is kept only if made from equal inputs.

        `inputs`: JSON-able, all that the stage's result depends on; no paths, no times.
        """
        plan = self._asked(stage, inputs)
        left = self._plan(stage)
        if self.folder(stage).exists() and left.get("fingerprint") != plan["fingerprint"]:
            why = "inputs changed" if left else "its plan.json is missing or damaged"
            print(f"{stage}: {why}, discarding it and later stages in {self.path}", file=sys.stderr)
            for later in filter(Path.exists, map(self.folder, schema.STAGES[schema.STAGES.index(stage) :])):
                shutil.rmtree(later)
        self.folder(stage).mkdir(exist_ok=True)
        _write_json(self.folder(stage) / "plan.json", plan)

    def _asked(self, stage: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        position = schema.STAGES.index(stage)
        before = schema.STAGES[position - 1] if position else None
        if before and not self.is_complete(before):
            raise UserError(f"{stage} needs the {before} stage, which is not complete in {self.path}; run it first")
        so_far = self._plan(before)["fingerprint"] if before else ""
        return {"fingerprint": fingerprint(inputs, so_far), "inputs": inputs}

    def is_made_from(self, stage: str, inputs: Mapping[str, Any]) -> bool:
        """Whether the stage is complete, from these inputs; the stages before it must be. Nothing is discarded."""
        return self.is_complete(stage) and self._plan(stage)["fingerprint"] == self._asked(stage, inputs)["fingerprint"]

    def _plan(self, stage: str) -> dict[str, Any]:
        return _read_json(self.folder(stage) / "plan.json", {"fingerprint", "inputs"})

    def has(self, stage: str, index: int) -> bool:
        return shard_complete(self.folder(stage), index)

    def write(
        self,
        stage: str,
        index: int,
        tables: Mapping[str, pa.Table],
        arrays: Mapping[str, np.ndarray] | None = None,
        stats: Mapping[str, Any] | None = None,
    ) -> None:
        """One shard, whole or not at all; `stats` never reaches the finished cache."""
        write_shard(self.folder(stage), stage, index, tables, arrays, stats)

    def read(self, stage: str, index: int, only: Iterable[str] | None = None) -> tuple[Tables, Arrays]:
        return read_shard(self.folder(stage), index, only)

    def shards(self, stage: str) -> list[int]:
        """Indices of the finished shards."""
        names = self.folder(stage).glob("[0-9]*") if self.folder(stage).exists() else ()
        return sorted(index for index in (int(path.name) for path in names) if self.has(stage, index))

    def stats(self, stage: str) -> list[dict[str, Any]]:
        return [shard_stats(self.folder(stage), index) for index in self.shards(stage)]

    def complete(self, stage: str, shards: int) -> None:
        """Marks a stage as done; UserError when its shards are not 0 … shards − 1."""
        there, wanted = set(self.shards(stage)), set(range(shards))
        if wanted - there:
            missing = sorted(wanted - there)[:10]
            raise UserError(f"{self.folder(stage)} lacks shards {missing}; run the stage again, it resumes")
        if there - wanted:
            raise UserError(f"{self.folder(stage)} has shards {sorted(there - wanted)[:10]} too many; remove it")
        _write_json(self.folder(stage) / "complete.json", {"shards": shards})

    def is_complete(self, stage: str) -> bool:
        """Whether the stage was marked as done and its plan and all its shards are still there."""
        marker = _read_json(self.folder(stage) / "complete.json", {"shards"})
        return bool(marker and self._plan(stage)) and self.shards(stage) == list(range(marker["shards"]))

    def phrases(self, templates: Mapping[str, str]) -> pa.Table:
        """Unique phrases of the parse stage as schema.PHRASES: by kind, then text; ids are row numbers."""
        counts: Counter[tuple[int, str]] = Counter()
        for index in self.shards("parse"):
            table = self.read("parse", index)[0]["concepts"]
            for place, kind in enumerate(schema.KINDS):
                values = table[schema.COLUMNS[kind]].combine_chunks().flatten()
                counts.update((place, text) for text in values.field("phrase").to_pylist())
        rows = [
            {"phrase": row, "kind": schema.KINDS[place], "text": text,
             "prompt": templates[schema.KINDS[place]].format(text), "count": counts[place, text]}
            for row, (place, text) in enumerate(sorted(counts))
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=schema.PHRASES)

    def texts(self, templates: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """What the encode stage must encode: unique caption texts; unique prompts that are no caption; each sorted."""
        captions: set[str] = set()
        for index in self.shards("ingest"):
            captions.update(self.read("ingest", index, only=["captions"])[0]["captions"]["text"].to_pylist())
        prompts = set(self.phrases(templates)["prompt"].to_pylist())
        return sorted(captions), sorted(prompts - captions)

    def finish(self, info: Mapping[str, Any]) -> Path:
        """Assembles, validates and renames the cache, and removes what it was made from.

        `info`: clip {name, sha256, embed_dim, context_length}, templates, tools, parser, and, where views were asked
        for, taps {clip_sha256, views, blocks}; the rest is added here.
        """
        from hspcgan.pipeline.cache.validate import validate

        stages = schema.stages_of(info)
        unfinished = [stage for stage in stages if not self.is_complete(stage)]
        if unfinished:
            raise UserError(f"{self.path}: not complete: {', '.join(unfinished)}; run `hspcgan prepare MANIFEST`")
        plans = {stage: self._plan(stage) for stage in stages}
        final = self.path / "final"
        shutil.rmtree(final, ignore_errors=True)
        final.mkdir()
        assemble(self, final, {
            "format": schema.FORMAT, "fingerprint": plans[stages[-1]]["fingerprint"], "normalised": False, **info,
            "stages": {stage: plan["inputs"] for stage, plan in plans.items()},
        })  # fmt: skip
        validate(final, checksums=False)  # taken a moment ago
        return self.install(final)

    def install(self, final: Path) -> Path:
        """Renames a finished cache, a folder inside `self.path`, to its place, and removes all that is left."""
        old = self.path / "replaced"
        if self.target.exists():
            if old.exists():  # an earlier run was killed on these lines
                shutil.rmtree(old)
            os.replace(self.target, old)
        os.replace(final, self.target)
        spent = _spent(self.target)
        os.replace(self.path, spent)  # so that a kill from here on leaves nothing that looks like work to resume
        shutil.rmtree(spent, ignore_errors=True)  # another process may be clearing it away too, in is_current
        return self.target


def _spent(target: Path) -> Path:
    """Where a finished run's shards are while they are being removed."""
    return target.with_name(f".{target.name}.spent")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def _read_json(path: Path, keys: set[str]) -> dict[str, Any]:
    """The object in a file that `_write_json` wrote; empty where it is absent, or what a power cut left of it."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and keys <= value.keys() else {}


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        pairs = [(f"{name}.{key}", old.get(key, "nothing"), new.get(key, "nothing")) for key in keys]
        return [line for pair in pairs for line in _differences(*pair)]
    return [] if old == new else [f"{name}: {_shortened(old)} in the cache, {_shortened(new)} asked for"]


def _shortened(value: Any) -> Any:
    """A sha256 by its first digits, as `stats` tells it."""
    return value[:12] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value
