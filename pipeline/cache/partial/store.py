"""The reading half of a cache under construction: which shards of `CACHE.partial` are complete, and their rows."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.info import work_folder
from hspcgan.pipeline.cache.partial.shards import Arrays, Tables, read_shard, shard_complete, shard_stats


class ShardStore:
    """The shards of each stage in the work folder of the cache that will be at `target`."""

    def __init__(self, target: Path | str) -> None:
        self.target = Path(target)
        self.path = work_folder(self.target)

    def folder(self, stage: str) -> Path:
        return self.path / stage

    def plan(self, stage: str) -> dict[str, Any]:
        """The stage's `fingerprint` and `inputs`; empty where it was not begun or the file is damaged."""
        return read_json(self.folder(stage) / "plan.json", {"fingerprint", "inputs"})

    def has(self, stage: str, index: int) -> bool:
        return shard_complete(self.folder(stage), index)

    def read(self, stage: str, index: int, only: Iterable[str] | None = None) -> tuple[Tables, Arrays]:
        return read_shard(self.folder(stage), index, only)

    def shards(self, stage: str) -> list[int]:
        """Indices of the finished shards."""
        names = self.folder(stage).glob("[0-9]*") if self.folder(stage).exists() else ()
        return sorted(index for index in (int(path.name) for path in names) if self.has(stage, index))

    def stats(self, stage: str) -> list[dict[str, Any]]:
        return [shard_stats(self.folder(stage), index) for index in self.shards(stage)]

    def is_complete(self, stage: str) -> bool:
        """Whether the stage was marked as done and its plan and all its shards are still there."""
        marker = read_json(self.folder(stage) / "complete.json", {"shards"})
        return bool(marker and self.plan(stage)) and self.shards(stage) == list(range(marker["shards"]))

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


def read_json(path: Path, keys: set[str]) -> dict[str, Any]:
    """The JSON object in a file, if it has these keys; empty where the file is absent or cut short."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and keys <= value.keys() else {}
