"""Finished shards → the files of the cache, streamed shard by shard; memory holds a shard and the unique texts.

The bytes depend on the shards' contents alone: HDF5 without timestamps, Parquet with one row group a shard.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.counts import count
from hspcgan.pipeline.cache.index import write_index
from hspcgan.pipeline.cache.info import sealed, stamp
from hspcgan.pipeline.cache.partial.shards import Arrays
from hspcgan.pipeline.cache.partial.store import ShardStore


class EncodedShards:
    """Features of the encode stage by text, mapped into memory."""

    def __init__(self, store: ShardStore) -> None:
        self.place: dict[str, tuple[int, int]] = {}
        self.tables: list[tuple[np.ndarray, list[bool]]] = []
        self.arrays: list[Arrays] = []
        for shard in store.shards("encode"):
            tables, arrays = store.read("encode", shard)
            for row, text in enumerate(tables["texts"]["text"].to_pylist()):
                if text in self.place:
                    raise UserError(f"encode: {text!r} is in two shards; remove {store.folder('encode')}, run again")
                self.place[text] = (len(self.arrays), row)
            self.tables.append((tables["texts"]["n_tokens"].to_numpy(), tables["texts"]["truncated"].to_pylist()))
            self.arrays.append(arrays)
        if not self.arrays:
            raise UserError(f"{store.path}: no usable captions; fix the data, see its rejects")
        self.width = self.arrays[0]["sentence"].shape[1]

    def sentences(self, texts: list[str]) -> np.ndarray:
        """Float16 [n, d]."""
        places = [self._find(text) for text in texts]
        return np.stack([self.arrays[s]["sentence"][r] for s, r in places]) if places else self.none()

    def tokens(self, texts: list[str]) -> list[np.ndarray]:
        """For each text float16 [T, d]."""
        found = []
        for shard, row in map(self._find, texts):
            start, stop = self.arrays[shard]["offsets"][row : row + 2]
            found.append(self.arrays[shard]["tokens"][start:stop])
        return found

    def counted(self, texts: list[str]) -> tuple[list[int], list[bool]]:
        """Number of tokens and whether the text was truncated, for each text."""
        places = [self._find(text) for text in texts]
        return [int(self.tables[s][0][r]) for s, r in places], [self.tables[s][1][r] for s, r in places]

    def none(self) -> np.ndarray:
        return np.zeros((0, self.width), dtype=np.float16)

    def _find(self, text: str) -> tuple[int, int]:
        if text not in self.place:
            raise UserError(f"encode: no features for {text!r}; run the encode stage again")
        return self.place[text]


def assemble(store: ShardStore, final: Path, info: Mapping[str, Any]) -> None:
    """Writes all files into the empty folder `final`, cache.json last.

    UserError when rows went missing (rows in ≠ rows out + rejects), keys repeat or a text has no features.
    """
    encoded = EncodedShards(store)
    phrases = store.phrases(info["templates"])
    ids = {(kind, text): row for row, (kind, text) in enumerate(zip(*_columns(phrases, "kind", "text"), strict=True))}
    pq.write_table(phrases, final / schema.PHRASES_FILE)
    _write_parquet(final / schema.SAMPLES_FILE, schema.SAMPLES, _ingested(store, "samples"))
    _write_parquet(final / schema.REJECTS_FILE, schema.REJECTS, _ingested(store, "rejects"))
    _write_parquet(final / schema.CAPTIONS_FILE, schema.CAPTIONS, _captions(store, encoded, ids))
    write_array(final / schema.IMAGES_FILE, store, "ingest", "image")
    if "taps" in info:
        write_array(final / schema.TAPS_FILE, store, "taps", "taps")
    _write_features(final / schema.FEATURES_FILE, store, encoded, phrases["prompt"].to_pylist())
    counts = _checked_counts(store, final, phrases)
    write_index(final)
    size = store.read("ingest", 0, only=["image"])[1]["image"].shape[-1]
    files = {name: stamp(final / name) for name in schema.contents_of(info)}
    whole = sealed({**info, "counts": counts, "image_size": size, "files": files})
    (final / schema.INFO).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")


def _columns(table: pa.Table, *names: str) -> list[list]:
    return [table[name].to_pylist() for name in names]


def _ingested(store: ShardStore, table: str) -> Iterator[pa.Table]:
    for shard in store.shards("ingest"):
        yield store.read("ingest", shard, only=[table])[0][table]


def _captions(store: ShardStore, encoded: EncodedShards, ids: Mapping[tuple[str, str], int]) -> Iterator[pa.Table]:
    for shard in store.shards("ingest"):
        captions = store.read("ingest", shard, only=["captions"])[0]["captions"]
        concepts = store.read("parse", shard, only=["concepts"])[0]["concepts"]
        if captions["caption_id"] != concepts["caption_id"]:
            raise UserError(f"parse: shard {shard} has other captions than ingest's; remove {store.folder('parse')}")
        n_tokens, truncated = encoded.counted(captions["text"].to_pylist())
        columns = {name: captions[name] for name in ("caption_id", "key", "text")}
        columns |= {"n_tokens": pa.array(n_tokens, pa.int32()), "truncated": pa.array(truncated, pa.bool_())}
        for kind, name in schema.COLUMNS.items():
            columns[name] = _with_ids(concepts[name].combine_chunks(), kind, ids, schema.CAPTIONS.field(name).type)
        columns["graph"] = concepts["graph"]
        yield pa.table([columns[name] for name in schema.CAPTIONS.names], schema=schema.CAPTIONS)


def _with_ids(column: pa.Array, kind: str, ids: Mapping[tuple[str, str], int], wanted: pa.ListType) -> pa.Array:
    """The list column with each phrase's text replaced by its id."""
    items = column.flatten()
    fields = [items.field(name) for name in (f.name for f in items.type)]
    fields[0] = pa.array([ids[kind, text] for text in fields[0].to_pylist()], pa.int32())
    struct = pa.StructArray.from_arrays(fields, fields=list(wanted.value_type))
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), struct)


def _write_parquet(path: Path, columns: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(path, columns) as writer:
        for table in tables:
            if len(table):
                writer.write_table(table, row_group_size=len(table))


def write_array(path: Path, store: ShardStore, stage: str, name: str) -> None:
    """A stage's array of one row a sample, as the only dataset of its file."""
    shards = store.shards(stage)
    shapes = [store.read(stage, shard, only=[name])[1][name].shape for shard in shards]
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        shape = (sum(s[0] for s in shapes), *shapes[0][1:])
        rows = file.create_dataset(name, shape, schema.SHARDS[stage].arrays[name][0], track_times=False)
        start = 0
        for shard, shape in zip(shards, shapes, strict=True):
            if shape[0]:
                rows[start : start + shape[0]] = store.read(stage, shard, only=[name])[1][name]
            start += shape[0]


def _write_features(path: Path, store: ShardStore, encoded: EncodedShards, prompts: list[str]) -> None:
    texts = [table["text"].to_pylist() for table in _ingested(store, "captions")]
    lengths = [[len(rows) for rows in encoded.tokens(part)] for part in texts]
    captions, tokens = sum(map(len, texts)), sum(map(sum, lengths))
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        dataset = _dataset(file, "phrase/text", (len(prompts), encoded.width), "float16")
        if prompts:
            dataset[:] = encoded.sentences(prompts)
        sentences = _dataset(file, "caption/sentence", (captions, encoded.width), "float16")
        rows = _dataset(file, "caption/tokens", (tokens, encoded.width), "float16")
        offsets = np.concatenate([[0], np.cumsum([n for part in lengths for n in part])]).astype(np.int64)
        _dataset(file, "caption/offsets", (captions + 1,), "int64")[:] = offsets
        start = 0
        for part in texts:
            if part:
                stop = start + len(part)
                sentences[start:stop] = encoded.sentences(part)
                rows[offsets[start] : offsets[stop]] = np.concatenate(encoded.tokens(part))
                start = stop


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    group = file.require_group(name.split("/")[0])
    return group.create_dataset(name.split("/")[1], shape, dtype, track_times=False)


def _checked_counts(store: ShardStore, final: Path, phrases: pa.Table) -> dict[str, int]:
    samples, captions, rejects = (pq.read_table(final / name) for name in
                                  (schema.SAMPLES_FILE, schema.CAPTIONS_FILE, schema.REJECTS_FILE))  # fmt: skip
    counts = count(samples, captions, phrases, rejects)
    rows_in = sum(stats["rows_in"] for stats in store.stats("ingest"))
    if rows_in != counts["rows_in"]:
        raise UserError(
            f"ingest: {rows_in} rows in, but {counts['rows_in']} out: {len(samples)} samples, {len(captions)} captions "
            f"and {len(rejects)} rejects; this is a fault of the source's reader"
        )
    twice = sorted(key for key, times in Counter(samples["key"].to_pylist()).items() if times > 1)
    if twice:
        raise UserError(f"ingest: {len(twice)} keys are not unique, such as {twice[:5]}; rename the images")
    return counts
