"""Reads a cache under construction: lists and reads the complete shards of `CACHE.partial`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hspcgan.model.common.user_files import MAX_JSON, read_bytes
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.ragged import offsets_of
from hspcgan.pipeline.cache.cache_json import work_folder
from hspcgan.pipeline.cache.partial.shards import Arrays, Tables, read_column, read_shard, shard_complete, shard_stats
from hspcgan.pipeline.cache.tables.digests import Places, digests, first_rows

MAX_UNMERGED_COUNTS = 256  # shards whose counts of phrases are in memory at a time


class ShardStore:
    """The shards of each stage of the unfinished cache for `target`, in its work folder."""

    def __init__(self, target: Path | str) -> None:
        self.target = Path(target)
        self.path = work_folder(self.target)

    def folder(self, stage: str) -> Path:
        return self.path / stage

    def plan(self, stage: str) -> dict[str, Any]:
        """Returns {fingerprint, inputs} of a stage; empty if the stage was not begun or its plan.json is damaged."""
        return read_json(self.folder(stage) / "plan.json", {"fingerprint", "inputs"})

    def has(self, stage: str, index: int) -> bool:
        return shard_complete(self.folder(stage), index)

    def read(self, stage: str, index: int, only: Iterable[str] | None = None) -> tuple[Tables, Arrays]:
        return read_shard(self.folder(stage), index, only)

    def shards(self, stage: str) -> list[int]:
        """Indices of the finished shards."""
        names = self.folder(stage).glob("[0-9]*") if self.folder(stage).exists() else ()
        found = (int(path.name) for path in names if path.name.isdecimal())
        return sorted(index for index in found if self.has(stage, index))

    def stats(self, stage: str) -> list[dict[str, Any]]:
        return [shard_stats(self.folder(stage), index) for index in self.shards(stage)]

    def is_complete(self, stage: str) -> bool:
        """Whether the stage was marked as done and its plan and all its shards still exist."""
        marker = read_json(self.folder(stage) / "complete.json", {"shards"})
        shards = self.shards(stage)
        whole = shards == list(range(len(shards)))
        return bool(marker and self.plan(stage)) and whole and marker["shards"] == len(shards)

    def column(self, stage: str, table: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
        """Reads a column from all shards of a stage; with `leaf`, only that field of a list of structs."""
        parts = [self.column_of(stage, index, table, name, leaf) for index in self.shards(stage)]
        kind = parts[0].type if parts else schema.SHARDS[stage].tables[table].field(name).type
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], kind)

    def column_of(self, stage: str, index: int, table: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
        """Reads a column from one shard, like `column`."""
        return read_column(self.folder(stage), index, table, name, leaf)

    def phrases(self, templates: Mapping[str, str]) -> pa.Table:
        """Returns the parse stage's unique phrases (schema.PHRASES), sorted by kind and text; ids are row numbers."""
        tables, first = [schema.PHRASES.empty_table()], 0
        for kind, name in schema.COLUMNS.items():
            found = self._counted(name)
            found = found.take(pc.array_sort_indices(found["text"].combine_chunks()))
            start, end = (pa.scalar(part) for part in templates[kind].split("{}"))
            columns = {
                "phrase": pa.array(np.arange(first, first + len(found), dtype=np.int32)),
                "kind": pa.array([kind]).take(pa.array(np.zeros(len(found), np.int32))),
                "text": found["text"],
                "prompt": pc.binary_join_element_wise(start, found["text"], end, ""),
                "count": found["count"],
            }
            tables.append(pa.table(columns, schema=schema.PHRASES))
            first += len(found)
        return pa.concat_tables(tables).combine_chunks()

    def _counted(self, column: str) -> pa.Table:
        """Returns a table with `text` and `count` of the unique phrases in a column, counted shard by shard."""
        parts: list[pa.Table] = []
        for index in self.shards("parse"):
            lists = self.column_of("parse", index, "concepts", column, "phrase")
            mentions = pa.chunked_array([chunk.flatten().field("phrase") for chunk in lists.chunks], pa.string())
            parts.append(pa.Table.from_arrays(mentions.value_counts().flatten(), ["text", "count"]))
            if len(parts) == MAX_UNMERGED_COUNTS:
                parts = [_sums(parts)]
        return _sums([pa.table({"text": pa.array([], pa.string()), "count": pa.array([], pa.int64())}), *parts])

    def first_captions(self) -> tuple[np.ndarray, np.ndarray]:
        """
        Finds the row in which each caption first occurs, counted over all ingest shards.

        Returns the row of the first caption of each shard and the end, int64 [shards + 1], and for each caption the row
        of the first equal caption, int32 [C].
        """
        found = [digests(self.column_of("ingest", index, "captions", "text")) for index in self.shards("ingest")]
        starts = offsets_of(np.array([len(part) for part in found], np.int64))
        return starts, first_rows(np.concatenate([np.zeros((0, 2), np.uint64), *found]))

    def unique_texts(self, templates: Mapping[str, str]) -> Iterator[pa.Table]:
        """Yields the texts for the encode stage: unique captions, then the unique prompts that do not equal a caption.

        Each table has the columns `text` and `is_caption`.
        """
        starts, first = self.first_captions()
        known = []
        for number, index in enumerate(self.shards("ingest")):
            rows = np.arange(starts[number], starts[number + 1])
            fresh = np.flatnonzero(first[rows] == rows)
            texts = self.column_of("ingest", index, "captions", "text").take(pa.array(fresh))
            known.append(digests(texts))
            yield pa.table({"text": texts, "is_caption": np.ones(len(texts), bool)})
        prompts = self.phrases(templates)["prompt"].unique()
        others = prompts.filter(pa.array(Places(known).find(prompts) < 0))
        yield pa.table({"text": others, "is_caption": np.zeros(len(others), bool)})


def _sums(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts).group_by("text").aggregate([("count", "sum")]).rename_columns(["text", "count"])


def read_json(path: Path, keys: set[str]) -> dict[str, Any]:
    """Reads a JSON object from a file; returns {} if the file is absent or damaged, or lacks one of the keys."""
    try:
        value = json.loads(read_bytes(path, MAX_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and keys <= value.keys() else {}
