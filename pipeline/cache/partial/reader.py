"""Reads a cache under construction: which shards of `CACHE.partial` are complete, and their rows."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.cache_json import work_folder
from hspcgan.pipeline.cache.partial.shards import Arrays, Tables, read_column, read_shard, shard_complete, shard_stats


class ShardStore:
    """The shards of each stage in the work folder of the cache that will be at `target`."""

    def __init__(self, target: Path | str) -> None:
        self.target = Path(target)
        self.path = work_folder(self.target)

    def folder(self, stage: str) -> Path:
        return self.path / stage

    def plan(self, stage: str) -> dict[str, Any]:
        """The `fingerprint` and `inputs` of a stage; empty if the stage was not begun or the file is damaged."""
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

    def column(self, stage: str, table: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
        """Reads a column from all shards of a stage; with `leaf`, only that field of a list of structs."""
        parts = [self.column_of(stage, index, table, name, leaf) for index in self.shards(stage)]
        kind = parts[0].type if parts else schema.SHARDS[stage].tables[table].field(name).type
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], kind)

    def column_of(self, stage: str, index: int, table: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
        """Reads a column from one shard, like `column`."""
        return read_column(self.folder(stage), index, table, name, leaf)

    def phrases(self, templates: Mapping[str, str]) -> pa.Table:
        """Unique phrases of the parse stage as schema.PHRASES, sorted by kind and text; ids are row numbers."""
        return self.numbered_phrases(templates)[0]

    def numbered_phrases(self, templates: Mapping[str, str]) -> tuple[pa.Table, dict[str, np.ndarray]]:
        """The phrases, and for each kind the ids of all mentions in the order of the captions, int32."""
        tables, ids, first = [schema.PHRASES.empty_table()], {}, 0
        for kind, name in schema.COLUMNS.items():
            lists = self.column("parse", "concepts", name, "phrase")
            mentions = pa.chunked_array([c.flatten().field("phrase") for c in lists.chunks], pa.string())
            texts, codes = numbered(mentions)
            order = pc.array_sort_indices(texts).to_numpy()
            rank = np.empty(len(order), np.int32)
            rank[order] = np.arange(first, first + len(order))
            ids[kind] = rank[codes]
            start, end = (pa.scalar(part) for part in templates[kind].split("{}"))
            known = texts.take(pa.array(order))
            columns = {
                "phrase": pa.array(np.arange(first, first + len(order), dtype=np.int32)),
                "kind": pa.array([kind]).take(pa.array(np.zeros(len(order), np.int32))),
                "text": known,
                "prompt": pc.binary_join_element_wise(start, known, end, ""),
                "count": pa.array(np.bincount(codes, minlength=len(order))[order].astype(np.int64)),
            }
            tables.append(pa.table(columns, schema=schema.PHRASES))
            first += len(order)
        return pa.concat_tables(tables).combine_chunks(), ids

    def texts(self, templates: Mapping[str, str]) -> tuple[pa.Array, pa.Array]:
        """What the encode stage encodes: unique captions, and unique prompts that are not captions; both sorted."""
        captions = _sorted(self.column("ingest", "captions", "text").unique())
        prompts = self.phrases(templates)["prompt"].unique()
        return captions, _sorted(prompts.filter(pc.invert(pc.is_in(prompts, captions))))


def numbered(texts: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Unique strings in order of first appearance, and the number of each string among them, int32.

    The chunks are combined into one array with 64-bit offsets; otherwise each chunk would get a separate dictionary.
    """
    encoded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    return encoded.dictionary.cast(texts.type), encoded.indices.to_numpy()


def _sorted(texts: pa.Array) -> pa.Array:
    return texts.take(pc.array_sort_indices(texts))


def read_json(path: Path, keys: set[str]) -> dict[str, Any]:
    """Reads a JSON object from a file; empty if the file is absent or damaged, or lacks one of the keys."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and keys <= value.keys() else {}
