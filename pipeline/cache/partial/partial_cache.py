"""The cache under construction: `CACHE.partial`, locked, filled shard by shard, assembled and renamed at the end."""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import make_folder, remove_folder, write_atomically
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import discarded_folder
from hspcgan.pipeline.cache.fingerprint import fingerprint
from hspcgan.pipeline.cache.lock import lock, remove_work_folder, unlock
from hspcgan.pipeline.cache.partial.assemble import assemble
from hspcgan.pipeline.cache.partial.ownership import require_own_target, require_writable_target
from hspcgan.pipeline.cache.partial.reader import ShardStore
from hspcgan.pipeline.cache.partial.shards import UNFINISHED, write_shard
from hspcgan.pipeline.cache.partial.up_to_date import OTHER_CACHE_HINT
from hspcgan.pipeline.cache.validate import validate

log = logging.getLogger("hspcgan.pipeline")

SCRATCH = ".scratch.partial"
"""Named like the folder of an unfinished shard, so that it is removed after a kill."""


class PartialCache(ShardStore):
    """`CACHE.partial`: the shards of all stages, resumable after each shard; a context manager that holds the lock.

    Args:
        path: path of the finished cache.
        replace: whether `finish` replaces an existing cache at `path`; if false, an existing cache is a UserError.

    Also raises UserError like `require_own_target` and `require_writable_target`.
    """

    def __init__(self, path: Path | str, replace: bool = False) -> None:
        super().__init__(path)
        self.replace = replace
        self._lock: IO[str] | None = None
        self._require_no_existing()

    def _require_no_existing(self) -> None:
        require_own_target(self.target)
        require_writable_target(self.target)
        if (self.target / schema.INFO).exists() and not self.replace:
            raise UserError(f"{self.target} already exists; to fix: {OTHER_CACHE_HINT}")

    def __enter__(self) -> "PartialCache":
        make_folder(self.path)
        self._lock = lock(self.path)
        try:
            self._require_no_existing()
        except ValueError:
            self.__exit__()
            raise
        remove_work_folder(discarded_folder(self.target))
        self._clear()
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._lock is not None
        if any(exception):  # on a full disk an unfinished assembly would keep the disk full
            self._clear()
        unlock(self._lock, self.path)

    def _clear(self) -> None:
        """Removes unfinished shards and the folders `final` and `copy` of earlier processes; they cannot be resumed."""
        for left in (self.path / "final", self.path / "copy", *self.path.glob(f"*/{UNFINISHED}")):
            shutil.rmtree(left, ignore_errors=True)

    def begin(self, stage: str, inputs: Mapping[str, Any]) -> None:
        """Begins a stage; if its shards were made from other inputs, removes them and all later stages.

        `inputs`: everything that the result of the stage depends on, as JSON, without paths and times.
        """
        plan = self._expected_plan(stage, inputs)
        left = self.plan(stage)
        if self.folder(stage).exists() and left.get("fingerprint") != plan["fingerprint"]:
            why = "inputs changed" if left else "its plan.json is missing or damaged"
            log.warning(f"{stage}: {why}; discarding this and later stages in {self.path}")
            for later in schema.STAGES[schema.STAGES.index(stage) :]:
                remove_folder(self.folder(later))
        self.folder(stage).mkdir(exist_ok=True)
        _write_json(self.folder(stage) / "plan.json", plan)

    def _expected_plan(self, stage: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        position = schema.STAGES.index(stage)
        before = schema.STAGES[position - 1] if position else None
        if before and not self.is_complete(before):
            raise UserError(f"{stage} needs the {before} stage, which is not complete in {self.path}; run it first")
        so_far = self.plan(before)["fingerprint"] if before else ""
        return {"fingerprint": fingerprint(inputs, so_far), "inputs": inputs}

    def is_made_from(self, stage: str, inputs: Mapping[str, Any]) -> bool:
        """Whether a stage is complete and was made from these inputs.

        Raises UserError if the stage is complete but the previous stage is not.
        """
        return (
            self.is_complete(stage)
            and self.plan(stage)["fingerprint"] == self._expected_plan(stage, inputs)["fingerprint"]
        )

    def write(
        self,
        stage: str,
        index: int,
        tables: Mapping[str, pa.Table],
        arrays: Mapping[str, np.ndarray] | None = None,
        stats: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes one shard atomically; `stats` is not part of the finished cache."""
        write_shard(self.folder(stage), stage, index, tables, arrays, stats)

    def scratch(self, stage: str) -> Path:
        """Creates an empty folder for temporary files of a running stage; `complete` removes it."""
        folder = self.folder(stage) / SCRATCH
        remove_folder(folder)
        folder.mkdir()
        return folder

    def complete(self, stage: str, shards: int) -> None:
        """Marks a stage as done; raises UserError if its shards are not exactly 0 … shards − 1."""
        shutil.rmtree(self.folder(stage) / SCRATCH, ignore_errors=True)
        there, wanted = set(self.shards(stage)), set(range(shards))
        if wanted - there:
            missing = sorted(wanted - there)[:10]
            raise UserError(f"{self.folder(stage)} lacks shards {missing}; run the stage again to resume")
        if there - wanted:
            raise UserError(
                f"{self.folder(stage)} has unexpected extra shards {sorted(there - wanted)[:10]}; remove them"
            )
        _write_json(self.folder(stage) / "complete.json", {"shards": shards})

    def finish(self, info: Mapping[str, Any]) -> Path:
        """Assembles and validates the cache, renames it to the target, and removes the shards.

        `info`: clip {name, sha256, embed_dim, context_length}, templates, tools, parser, and if there are views also
        taps {clip_sha256, views, blocks}; the other fields are added here.
        """
        stages = schema.stages_of(info)
        unfinished = [stage for stage in stages if not self.is_complete(stage)]
        if unfinished:
            raise UserError(
                f"{self.path}: stages not complete: {', '.join(unfinished)}; run `hspcgan prepare MANIFEST`"
            )
        plans = {stage: self.plan(stage) for stage in stages}
        final = self.path / "final"
        remove_folder(final)
        final.mkdir()
        assemble(self, final, {
            "format": schema.FORMAT, "fingerprint": plans[stages[-1]]["fingerprint"], "normalised": False, **info,
            "stages": {stage: plan["inputs"] for stage, plan in plans.items()},
        })  # fmt: skip
        validate(final, checksums=False)  # they were computed just now
        return self.install(final)

    def install(self, final: Path) -> Path:
        """Renames a finished cache, a folder inside `self.path`, to the target, and removes the work folder."""
        old = self.path / "replaced"
        if self.target.exists():
            remove_folder(old)  # left if an earlier run was killed at this point
            os.replace(self.target, old)
        os.replace(final, self.target)
        spent = discarded_folder(self.target)
        os.replace(self.path, spent)  # after a kill from here on there is nothing to resume
        remove_work_folder(spent)
        return self.target


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True) + "\n")
