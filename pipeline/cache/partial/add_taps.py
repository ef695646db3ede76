"""Adds CLIP features of image views to a finished cache: runs the taps stage and hard-links all other files."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import size_and_sha256, with_sha256
from hspcgan.pipeline.cache.fingerprint import fingerprint
from hspcgan.pipeline.cache.partial.assemble import write_array
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate


class ExtendedCache(PartialCache):
    """Adds the taps stage to a finished cache; the stage runs in `CACHE.partial` and can be resumed like any stage.

    Raises UserError if `CACHE.partial` contains an unfinished `prepare --rebuild`, which would be lost.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, replace=True)
        self.finished = Cache(path)
        begun = [stage for stage in schema.STAGES if stage != "taps" and self.folder(stage).exists()]
        if begun:
            raise UserError(
                f"{self.path} contains an unfinished `hspcgan prepare --rebuild`; finish it, or remove the folder"
            )

    def _expected_plan(self, stage: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"fingerprint": fingerprint(inputs, self.finished.info["fingerprint"]), "inputs": inputs}

    def finish(self, info: Mapping[str, Any]) -> Path:
        """Builds a new cache from the files of the finished cache and taps.h5, and replaces the finished cache.

        `info`: taps {clip_sha256, views, blocks}.
        """
        plan, old = self.plan("taps"), self.finished.info
        final = self.path / "final"
        shutil.rmtree(final, ignore_errors=True)
        final.mkdir()
        for name in schema.contents_of(old):
            _link(self.finished.path / name, final / name)
        write_array(final / schema.TAPS_FILE, self, "taps", "taps")
        whole = with_sha256({
            **old, "taps": info["taps"], "fingerprint": plan["fingerprint"],
            "stages": {**old["stages"], "taps": plan["inputs"]},
            "files": {**old["files"], schema.TAPS_FILE: size_and_sha256(final / schema.TAPS_FILE)},
        })  # fmt: skip
        (final / schema.INFO).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
        validate(final, checksums=False)
        return self.install(final)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
