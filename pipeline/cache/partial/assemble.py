"""Assembles finished shards into the files of the cache, shard by shard; only digests of strings stay in memory.

The bytes depend only on the contents of the shards: HDF5 without timestamps; Parquet with one row group per shard, or
of ROW_GROUP captions.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.hdf5_file import new_hdf5
from hspcgan.pipeline.cache.arrays.image_store import shard_images
from hspcgan.pipeline.cache.arrays.ragged import offsets_of
from hspcgan.pipeline.cache.cache_json import size_and_sha256, with_sha256
from hspcgan.pipeline.cache.partial.reader import ShardStore
from hspcgan.pipeline.cache.tables.counts import count
from hspcgan.pipeline.cache.tables.digests import Places, digests, first_rows
from hspcgan.pipeline.cache.tables.regroup import regroup
from hspcgan.pipeline.cache.write_index import write_index

BLOCK = 4096  # number of captions or phrases whose features are in memory at a time
ROW_GROUP = 2**14  # captions per row group; with few rows per group, the metadata takes longer to read than the rows


class EncodedShards:
    """The features that the encode stage wrote, mapped into memory.

    `find` returns the positions of texts (captions or prompts); the other methods take positions.
    """

    def __init__(self, store: ShardStore) -> None:
        shards = store.shards("encode")
        if not shards:
            raise UserError(f"{store.path}: no usable captions; fix the data (the reasons are in the table of rejects)")
        self.arrays = [self._mapped(store, shard) for shard in shards]
        self.starts = offsets_of(np.array([len(arrays["sentence"]) for arrays in self.arrays]))
        self.n_tokens, self.truncated = (
            store.column("encode", "texts", name).to_numpy() for name in ("n_tokens", "truncated")
        )
        self.places = Places(digests(store.column_of("encode", shard, "texts", "text")) for shard in shards)
        self.width = self.arrays[0]["sentence"].shape[1]
        if self.places.repeated >= 0:
            shard = int(np.searchsorted(self.starts, self.places.repeated, side="right")) - 1
            texts = store.column_of("encode", shards[shard], "texts", "text")
            text = texts[self.places.repeated - int(self.starts[shard])].as_py()
            raise UserError(f"encode: {text!r} is in two shards; remove {store.folder('encode')}, then run again")

    @staticmethod
    def _mapped(store: ShardStore, shard: int) -> dict[str, np.ndarray]:
        arrays = store.read("encode", shard, only=["sentence", "tokens", "offsets"])[1]
        return {name: np.asarray(array) for name, array in arrays.items()}  # slices of a memmap are slow

    def find(self, texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Returns the position of each text, int32. Raises UserError for a text without features."""
        found = self.places.find(texts)
        if len(found) and found.min() < 0:
            text = texts[int(found.argmin())].as_py()
            raise UserError(f"encode: no features for {text!r}; run the encode stage again")
        return found

    def sentences(self, places: np.ndarray) -> np.ndarray:
        """Returns the sentence features of the texts, float16 [n, d]."""
        rows = np.empty((len(places), self.width), np.float16)
        for number, (shard, row) in enumerate(self._shard_rows(places)):
            rows[number] = self.arrays[shard]["sentence"][row]
        return rows

    def token_counts(self, places: np.ndarray) -> np.ndarray:
        """Returns the number of token rows of each text, int64; 0 for a prompt."""
        counts = np.concatenate([np.diff(arrays["offsets"]) for arrays in self.arrays])
        return counts[places]

    def tokens(self, places: np.ndarray) -> np.ndarray:
        """Returns the token features of the texts, concatenated, float16 [ΣT, d]."""
        parts = [np.zeros((0, self.width), np.float16)]
        for shard, row in self._shard_rows(places):
            start, stop = self.arrays[shard]["offsets"][row : row + 2]
            parts.append(self.arrays[shard]["tokens"][start:stop])
        return np.concatenate(parts)

    def _shard_rows(self, places: np.ndarray) -> Iterator[tuple[int, int]]:
        shards = np.searchsorted(self.starts, places, side="right") - 1
        return zip(shards.tolist(), (places - self.starts[shards]).tolist(), strict=True)


class PhraseIds:
    """Finds the id of a phrase by its kind and text; the id is the row number in phrases.parquet."""

    def __init__(self, phrases: pa.Table) -> None:
        self.first: dict[str, int] = {}
        self.places: dict[str, Places] = {}
        for kind in schema.KINDS:
            self.first[kind] = sum(len(places.order) for places in self.places.values())
            self.places[kind] = Places([digests(phrases["text"].filter(pc.equal(phrases["kind"], kind)))])

    def of(self, kind: str, mentions: pa.Array) -> np.ndarray:
        """Returns the id of each phrase mention, int32 [n]."""
        encoded = mentions.dictionary_encode()
        return (self.places[kind].find(encoded.dictionary) + self.first[kind])[encoded.indices.to_numpy()]


def assemble(store: ShardStore, final: Path, info: Mapping[str, Any]) -> None:
    """Writes all files into the empty folder `final`, cache.json last.

    Raises UserError if rows were lost (rows in ≠ rows out + rejects), keys repeat or a text has no features.
    """
    encoded = EncodedShards(store)
    texts = (store.column_of("ingest", shard, "captions", "text") for shard in store.shards("ingest"))
    places = np.concatenate([encoded.find(part) for part in texts])
    phrases = store.phrases(info["templates"])
    pq.write_table(phrases, final / schema.PHRASES_FILE)
    _write_parquet(final / schema.SAMPLES_FILE, schema.SAMPLES, _ingested(store, "samples"))
    _write_parquet(final / schema.REJECTS_FILE, schema.REJECTS, _ingested(store, "rejects"))
    captions = _captions(store, encoded, places, PhraseIds(phrases))
    _write_parquet(final / schema.CAPTIONS_FILE, schema.CAPTIONS, regroup(captions, ROW_GROUP))
    size = write_images(final / schema.IMAGES_FILE, store)
    if "taps" in info:
        write_array(final / schema.TAPS_FILE, store, "taps", "taps")
    _write_features(final / schema.FEATURES_FILE, encoded, places, encoded.find(phrases["prompt"]))
    counts = _checked_counts(store, final)
    write_index(final)
    files = {name: size_and_sha256(final / name) for name in schema.contents_of(info)}
    whole = with_sha256({**info, "counts": counts, "image_size": size, "files": files})
    (final / schema.INFO).write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")


def _ingested(store: ShardStore, table: str) -> Iterator[pa.Table]:
    for shard in store.shards("ingest"):
        yield store.read("ingest", shard, only=[table])[0][table]


def _captions(store: ShardStore, encoded: EncodedShards, places: np.ndarray, ids: PhraseIds) -> Iterator[pa.Table]:
    start = 0  # captions in earlier shards
    for shard in store.shards("ingest"):
        captions = store.read("ingest", shard, only=["captions"])[0]["captions"]
        concepts = store.read("parse", shard, only=["concepts"])[0]["concepts"]
        if captions["caption_id"] != concepts["caption_id"]:
            raise UserError(
                f"parse: shard {shard} does not have the captions of ingest; remove {store.folder('parse')}, then run "
                "again"
            )
        here = places[start : start + len(captions)]
        start += len(captions)
        columns = {name: captions[name] for name in ("caption_id", "key", "text")}
        columns |= {"n_tokens": encoded.n_tokens[here], "truncated": encoded.truncated[here]}
        for kind, name in schema.COLUMNS.items():
            column = concepts[name].combine_chunks()
            found = ids.of(kind, column.flatten().field("phrase"))
            columns[name] = _with_ids(column, found, schema.CAPTIONS.field(name).type)
        columns["graph"] = concepts["graph"]
        yield pa.table([columns[name] for name in schema.CAPTIONS.names], schema=schema.CAPTIONS)


def _with_ids(column: pa.Array, ids: np.ndarray, wanted: pa.ListType) -> pa.Array:
    """Returns the list column with each phrase replaced by its id."""
    items = column.flatten()
    fields = [items.field(name) for name in (f.name for f in items.type)]
    fields[0] = pa.array(ids, pa.int32())
    struct = pa.StructArray.from_arrays(fields, fields=list(wanted.value_type))
    offsets = offsets_of(column.value_lengths().to_numpy(zero_copy_only=False))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), struct)


def _write_parquet(path: Path, columns: pa.Schema, tables: Iterator[pa.Table]) -> None:
    with pq.ParquetWriter(path, columns) as writer:
        for table in tables:
            if len(table):
                writer.write_table(table.combine_chunks(), row_group_size=len(table))


def write_array(path: Path, store: ShardStore, stage: str, name: str) -> None:
    """Writes an array of a stage, one row per sample, as the only dataset of a file."""
    shards = store.shards(stage)
    shapes = [store.read(stage, shard, only=[name])[1][name].shape for shard in shards]
    with new_hdf5(path) as file:
        shape = (sum(s[0] for s in shapes), *shapes[0][1:])
        rows = file.create_dataset(name, shape, schema.SHARDS[stage].arrays[name][0], track_times=False)
        start = 0
        for shard, shape in zip(shards, shapes, strict=True):
            if shape[0]:
                rows[start : start + shape[0]] = store.read(stage, shard, only=[name])[1][name]
            start += shape[0]


def write_images(path: Path, store: ShardStore) -> int:
    """Writes images.h5 from the ingest shards, raw or encoded; returns their height and width in pixels (equal)."""

    def parts() -> Iterator[dict[str, np.ndarray]]:
        for shard in store.shards("ingest"):
            yield store.read("ingest", shard, only=["image", "image_offsets"])[1]

    size = max(shard_images(part).shape[-1] for part in parts())
    if "image_offsets" not in next(parts()):
        write_array(path, store, "ingest", "image")
        return size
    offsets = offsets_of(np.concatenate([np.diff(part["image_offsets"]) for part in parts()]))
    with new_hdf5(path) as file:
        file.create_dataset("offsets", data=offsets, track_times=False)
        data = file.create_dataset("bytes", (int(offsets[-1]),), "uint8", track_times=False)
        start = 0
        for part in parts():
            data[start : start + len(part["image"])] = part["image"]
            start += len(part["image"])
    return size


def _write_features(path: Path, encoded: EncodedShards, captions: np.ndarray, prompts: np.ndarray) -> None:
    """Writes features.h5; `captions` and `prompts` are positions in the encoded features."""
    offsets = offsets_of(encoded.token_counts(captions))
    with new_hdf5(path) as file:
        phrases = _dataset(file, "phrase/text", (len(prompts), encoded.width), "float16")
        for block in _blocks(len(prompts)):
            phrases[block] = encoded.sentences(prompts[block])
        sentences = _dataset(file, "caption/sentence", (len(captions), encoded.width), "float16")
        tokens = _dataset(file, "caption/tokens", (int(offsets[-1]), encoded.width), "float16")
        _dataset(file, "caption/offsets", offsets.shape, "int64")[:] = offsets
        for block in _blocks(len(captions)):
            sentences[block] = encoded.sentences(captions[block])
            tokens[offsets[block.start] : offsets[block.stop]] = encoded.tokens(captions[block])


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    group = file.require_group(name.split("/")[0])
    return group.create_dataset(name.split("/")[1], shape, dtype, track_times=False)


def _checked_counts(store: ShardStore, final: Path) -> dict[str, int]:
    counts = count(final)
    rows_in = sum(stats["rows_in"] for stats in store.stats("ingest"))
    if rows_in != counts["rows_in"]:
        raise UserError(
            f"ingest read {rows_in} rows, but wrote {counts['rows_in']}: {counts['samples']} samples, "
            f"{counts['captions']} captions and {counts['rejects']} rejects; this is a bug in the source's reader"
        )
    keys = store.column("ingest", "samples", "key")
    again = np.flatnonzero(first_rows(digests(keys)) != np.arange(len(keys)))
    if len(again):
        twice = sorted(set(keys.take(pa.array(again)).to_pylist()))
        raise UserError(f"ingest: duplicate keys ({len(twice)}), such as {twice[:5]}; rename the images")
    return counts
