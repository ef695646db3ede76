"""index.h5: what a training batch needs of a cache's tables, as integer arrays that are mapped into memory.

Legend: S samples, C captions, P phrases; E items of a kind (entities, attributes or relations) in all captions.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.hdf5_file import mapped, new_hdf5

ITEM_FIELDS = {
    "entity": ("phrase", "word"),
    "attribute": ("phrase", "entity"),
    "relation": ("phrase", "subject", "object"),
}
"""Fields of each kind of concept that a batch reads, int32 [E] each as KIND/FIELD."""


def write_index(folder: Path) -> None:
    """Writes index.h5 beside the Parquet tables of a cache; memory holds one column at a time."""
    with new_hdf5(folder / schema.INDEX_FILE) as file:
        for name, array in index_arrays(folder):
            group = file.require_group(name.split("/")[0])
            group.create_dataset(name.split("/")[1], data=array, track_times=False)


def index_arrays(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The datasets of index.h5 by name, from the Parquet tables in a folder.

    sample/split uint8 [S], index into SPLITS · sample/captions int64 [S + 1], sample i has caption rows captions[i] …
    captions[i + 1] − 1 · caption/sample int32 [C], its sample's row · caption/text int32 [C], equal for equal texts,
    numbered in order of first appearance · phrase/kinds int64 [4], KINDS[k] has rows kinds[k] … kinds[k + 1] − 1 ·
    phrase/mean float32 [3, d], the mean raw feature of each kind's phrases, zeros for a kind without any · for each
    kind KIND/offsets int64 [C + 1], caption i has items offsets[i] … offsets[i + 1] − 1, and ITEM_FIELDS.
    UserError for a split, a kind or a key that the format does not allow.
    """
    yield "sample/split", _positions(_column(folder, schema.SAMPLES_FILE, "split"), schema.SPLITS, "split", np.uint8)
    keys = _column(folder, schema.SAMPLES_FILE, "key")
    owner = _positions(_column(folder, schema.CAPTIONS_FILE, "key"), keys, "sample", np.int32)
    yield "sample/captions", offsets_of(np.bincount(owner, minlength=len(keys)))
    yield "caption/sample", owner
    texts = _column(folder, schema.CAPTIONS_FILE, "text").combine_chunks().dictionary_encode()
    yield "caption/text", _numpy(texts.indices, np.int32)
    kinds = _positions(_column(folder, schema.PHRASES_FILE, "kind"), schema.KINDS, "kind", np.int64)
    bounds = offsets_of(np.bincount(kinds, minlength=len(schema.KINDS)))
    yield "phrase/kinds", bounds
    yield "phrase/mean", _means(mapped(folder / schema.FEATURES_FILE, "phrase/text"), bounds)
    for kind, fields in ITEM_FIELDS.items():
        for number, field in enumerate(fields):
            name = schema.COLUMNS[kind]
            column = _column(folder, schema.CAPTIONS_FILE, name, f"{name}.list.element.{field}").combine_chunks()
            if not number:
                yield f"{kind}/offsets", offsets_of(_numpy(column.value_lengths(), np.int64))
            yield f"{kind}/{field}", _numpy(column.flatten().field(field), np.int32)


def _means(features: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    means = np.zeros((len(bounds) - 1, features.shape[1]), np.float32)
    for kind, (start, stop) in enumerate(pairwise(bounds.tolist())):
        if stop > start:
            means[kind] = features[start:stop].mean(0, dtype=np.float64)
    return means


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """int64 [n + 1]: where each of n lists begins when they lie behind one another, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _column(folder: Path, file: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
    """A column of a table; with `leaf` only that field of its list of structs."""
    return pq.ParquetFile(folder / file).read(columns=[leaf or name])[name]


def _positions(values: pa.ChunkedArray, known: tuple[str, ...] | pa.ChunkedArray, what: str, dtype: type) -> np.ndarray:
    """The position of each value in `known`."""
    found = pc.index_in(values, value_set=pa.array(known) if isinstance(known, tuple) else known.combine_chunks())
    if found.null_count:
        missing = values.filter(pc.is_null(found))[0].as_py()
        raise UserError(f"{what} {missing!r} of a table is not one of the cache's")
    return _numpy(found, dtype)


def _numpy(values: pa.Array | pa.ChunkedArray, dtype: type) -> np.ndarray:
    array = values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)
    return array.astype(dtype)
