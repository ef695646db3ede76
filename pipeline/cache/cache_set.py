"""Reads several caches (parts) as one: the rows of the parts are concatenated in the given order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.image_store import RAW
from hspcgan.pipeline.cache.arrays.index import ITEM_FIELDS
from hspcgan.pipeline.cache.arrays.joined import JoinedArray
from hspcgan.pipeline.cache.arrays.ragged import Ragged, offsets_of
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT
from hspcgan.pipeline.cache.fingerprint import fingerprint
from hspcgan.pipeline.cache.reader import Cache

OFFSET_DATASETS = ("caption/offsets", "sample/captions", *(f"{kind}/offsets" for kind in ITEM_FIELDS))
"""Datasets of offsets, [n + 1]."""


def open_cache(folders: Sequence[Path | str]) -> Cache:
    """Opens one folder as a `Cache`, or several as a `CacheSet`; raises UserError as these classes do."""
    return Cache(folders[0]) if len(folders) == 1 else CacheSet(folders)


class CacheSet(Cache):
    """Caches with equal CLIP, templates, annotator and image size, read as one; each part keeps its ids and splits.

    The fingerprint is computed from those of the parts, in order. A phrase in several parts occurs once per part.

    Raises:
        UserError: as `Cache`, and if the parts differ in a property that they must share (the message names it).
    """

    checks = False  # each part checks its own tables and arrays

    def __init__(self, folders: Sequence[Path | str]) -> None:
        self.parts = [Cache(folder) for folder in folders]
        self.path = Path(" + ".join(str(part.path) for part in self.parts))
        self._require_alike()
        self.info = self._joined_info()

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self.parts, "path": self.path, "info": self.info}

    def _require_alike(self) -> None:
        first, *others = self.parts
        if len({part.path.resolve() for part in self.parts}) < len(self.parts):
            raise UserError(f"{self.path}: `cache` lists a folder twice; list each folder once")
        for part in others:
            for name, own in _common_properties(first).items():
                found = _common_properties(part)[name]
                if found != own:
                    raise UserError(
                        f"{part.path} has {name} {found}, and {first.path} has {own}: caches that are read as one "
                        f"must have the same {name}; {REBUILD_HINT}, with equal settings"
                    )

    def _joined_info(self) -> dict[str, Any]:
        infos = [part.info for part in self.parts]
        joined = {name: value for name, value in infos[0].items() if all(info.get(name) == value for info in infos)}
        stages = {
            stage: inputs if all(info["stages"].get(stage) == inputs for info in infos) else {}
            for stage, inputs in infos[0]["stages"].items()
        }
        stages["encode"] = {**stages["encode"], "tokens": self.parts[0].has_tokens}
        names = [name for name in infos[0]["files"] if all(name in info["files"] for info in infos)]
        files = {name: _file([info["files"][name] for info in infos]) for name in names}
        return joined | {
            "fingerprint": fingerprint({"parts": [info["fingerprint"] for info in infos]}),
            "counts": {name: sum(info["counts"][name] for info in infos) for name in infos[0]["counts"]},
            **{name: infos[0][name] for name in ("clip", "templates", "image_size", "parser", "tools")},
            "stages": stages, "files": files, "stores": [info.get("store", RAW) for info in infos],
        }  # fmt: skip

    @cached_property
    def images(self) -> Any:
        """The images of all parts, uint8 [S, 3, H, W], RGB."""
        return JoinedArray([part.images for part in self.parts])

    @cached_property
    def concepts(self) -> dict[str, Ragged]:
        """Phrase ids and edges of each caption by kind, int32; each cache of the set checks its own edges."""
        found = [part.concepts for part in self.parts]

        def joined(kind: str, name: str) -> Any:
            return JoinedArray([own[kind].fields[name] for own in found], self._shifts(f"{kind}/{name}"))

        return {
            kind: Ragged(self._index(f"{kind}/offsets"), {name: joined(kind, name) for name in fields})
            for kind, fields in ITEM_FIELDS.items()
        }

    def split_rows(self, split: str) -> np.ndarray:
        """Returns the sample rows of a split, int64; empty for a split that the format does not define."""
        starts = self._starts(lambda part: part.info["counts"]["samples"])
        return np.concatenate([part.split_rows(split) + start for part, start in zip(self.parts, starts, strict=True)])

    def split_counts(self) -> dict[str, int]:
        """Returns the number of images in each split that has images."""
        counts = [part.split_counts() for part in self.parts]
        found = {split: sum(count.get(split, 0) for count in counts) for split in schema.SPLITS}
        return {split: count for split, count in found.items() if count}

    @cached_property
    def phrase_mean(self) -> dict[str, np.ndarray]:
        """Mean raw feature of the phrases of each kind, float32 [d]; parts are weighted by their number of phrases."""
        weights = np.array([np.diff(part._index("phrase/kinds")) for part in self.parts], np.float64)
        means = np.array([part._index("phrase/mean") for part in self.parts], np.float64)  # [parts, kinds, d]
        total = (weights[..., None] * means).sum(0) / np.maximum(weights.sum(0), 1)[:, None]
        return dict(zip(schema.KINDS, total.astype(np.float32), strict=True))

    def blocks(self, name: str, columns: Sequence[str] | None = None, rows: int = 2**14) -> Iterator[pa.Table]:
        """Yields a table, concatenated over all parts, in blocks of at most `rows` rows."""
        for part, first in zip(self.parts, self._first_phrases, strict=True):
            yield from (_with_phrases_from(block, first) for block in part.blocks(name, columns, rows))

    def column(self, name: str, column: str) -> pa.ChunkedArray:
        """Returns one column of a table, concatenated over all parts."""
        return pa.concat_tables([block.select([column]) for block in self.blocks(name, [column])])[column]

    def sample_shards(self) -> list[int]:
        return [size for part in self.parts for size in part.sample_shards()]

    def _table(self, name: str, columns: pa.Schema) -> pa.Table:
        tables = (part._table(name, columns) for part in self.parts)
        return pa.concat_tables(
            [_with_phrases_from(table, first) for table, first in zip(tables, self._first_phrases, strict=True)]
        )

    def _rows_at(self, name: str, rows: Sequence[int] | np.ndarray, columns: Sequence[str] | None) -> pa.Table:
        wanted = np.asarray(rows, np.int64)
        of_file = "samples" if name == schema.SAMPLES_FILE else "captions"
        starts = self._starts(lambda part: part.info["counts"][of_file])
        parts = np.searchsorted(starts, wanted, side="right") - 1
        tables = [
            _with_phrases_from(part._rows_at(name, wanted[parts == number] - starts[number], columns), first)
            for number, (part, first) in enumerate(zip(self.parts, self._first_phrases, strict=True))
            if number == 0 or (parts == number).any()
        ]
        order = np.argsort(parts, kind="stable")  # row of the tables → place in `rows`
        return pa.concat_tables(tables).take(np.argsort(order))

    @cached_property
    def _first_phrases(self) -> list[int]:
        return self._starts(lambda part: part.info["counts"]["phrases"]).tolist()

    def _starts(self, size: Callable[[Cache], int]) -> np.ndarray:
        """Returns for each part the sum of `size` over the earlier parts, which is the index of its first row."""
        return offsets_of(np.array([size(part) for part in self.parts]))[:-1]

    def _index(self, dataset: str) -> Any:
        return self._joined(dataset, [part._index(dataset) for part in self.parts])

    def _map(self, name: str, dataset: str) -> Any:
        return self._joined(dataset, [part._map(name, dataset) for part in self.parts])

    def _joined(self, dataset: str, parts: Sequence[np.ndarray]) -> JoinedArray:
        return JoinedArray(parts, self._shifts(dataset, parts), fence=dataset in OFFSET_DATASETS)

    def _shifts(self, dataset: str, parts: Sequence[np.ndarray] = ()) -> Sequence[int]:
        """Returns for each part the number to add to its values, if they are row numbers or offsets; otherwise ()."""
        if dataset in OFFSET_DATASETS:
            return offsets_of(np.array([int(part[-1]) for part in parts]))[:-1].tolist()
        if dataset == "caption/sample":
            return self._starts(lambda part: part.info["counts"]["samples"]).tolist()
        return self._first_phrases if dataset.endswith("/phrase") else ()


def _common_properties(cache: Cache) -> dict[str, Any]:
    """Returns the properties that must be equal in all caches that are read as one."""
    info = cache.info
    taps = info.get("taps")
    return {
        "CLIP": f"{info['clip']['name']} (sha256 {info['clip']['sha256'][:12]})",
        "encode.templates": info["templates"],
        "encode.tokens": cache.has_tokens,
        "parse.annotator": info["parser"].get("annotator"),
        "image size": info["image_size"],
        "taps": None if taps is None else {"views": taps["views"], "blocks": taps["blocks"]},
    }


def _file(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"size": sum(part["size"] for part in parts), "sha256": fingerprint({"parts": [p["sha256"] for p in parts]})}


def _with_phrases_from(table: pa.Table, first: int) -> pa.Table:
    """Returns the table of a part with `first` added to its phrase ids."""
    for number, name in enumerate(table.column_names if first else ()):
        column = table[name].combine_chunks()
        if name == "phrase":
            table = table.set_column(number, table.schema.field(name), pa.array(column.to_numpy() + np.int32(first)))
        elif name in schema.COLUMNS.values():
            items = column.flatten()
            fields = [items.field(field.name) for field in items.type]
            fields[0] = pa.array(fields[0].to_numpy(zero_copy_only=False) + np.int32(first))
            struct = pa.StructArray.from_arrays(fields, fields=list(items.type))
            offsets = offsets_of(column.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets), struct, type=column.type)
            table = table.set_column(number, table.schema.field(name), lists)
    return table
