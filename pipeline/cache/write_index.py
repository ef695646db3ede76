"""Writes index.h5: copies of the table columns that training batches need, as arrays for memory-mapping.

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
from hspcgan.pipeline.cache.arrays.hdf5_file import mapped, new_hdf5
from hspcgan.pipeline.cache.arrays.index import ITEM_FIELDS
from hspcgan.pipeline.cache.arrays.ragged import offsets_of
from hspcgan.pipeline.cache.tables.digests import BLOCK, Places, digests, text_numbers


def write_index(folder: Path) -> None:
    """Writes index.h5 next to the Parquet tables of a cache; only one column is in memory at a time."""
    with new_hdf5(folder / schema.INDEX_FILE) as file:
        for name, array in index_arrays(folder):
            group = file.require_group(name.split("/")[0])
            group.create_dataset(name.split("/")[1], data=array, track_times=False)


def index_arrays(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the array of each dataset in index.h5, computed from the Parquet tables in a folder.

    sample/split uint8 [S], index into SPLITS · sample/captions int64 [S + 1], sample i has caption rows captions[i] …
    captions[i + 1] − 1 · caption/sample int32 [C], row of the sample · caption/text int64 [C], 63 bits of the caption's
    BLAKE2b, equal for equal strings in every cache · phrase/kinds int64 [4], KINDS[k] has rows kinds[k] …
    kinds[k + 1] − 1 · phrase/mean float32 [3, d], mean raw feature of the phrases of each kind, zeros for a kind
    without phrases · for each kind KIND/offsets int64 [C + 1], caption i has items offsets[i] … offsets[i + 1] − 1, and
    ITEM_FIELDS. Raises UserError for a split, kind or key that the format does not allow.
    """
    yield "sample/split", _positions(_column(folder, schema.SAMPLES_FILE, "split"), schema.SPLITS, "split", np.uint8)
    keys = Places(digests(block) for block in _blocks(folder, schema.SAMPLES_FILE, "key"))
    owner = np.concatenate([_sample_rows(block, keys) for block in _blocks(folder, schema.CAPTIONS_FILE, "key")])
    yield "sample/captions", offsets_of(np.bincount(owner, minlength=len(keys.order)))
    yield "caption/sample", owner
    yield "caption/text", np.concatenate([text_numbers(b) for b in _blocks(folder, schema.CAPTIONS_FILE, "text")])
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


def _column(folder: Path, file: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
    """Reads a column of a table; with `leaf`, only that field of a list of structs."""
    return pq.ParquetFile(folder / file).read(columns=[leaf or name])[name]


def _blocks(folder: Path, file: str, name: str) -> Iterator[pa.Array]:
    """Yields a table's column in blocks; the first block is empty, so that an empty table also yields a block."""
    yield pa.array([], pa.string())
    for batch in pq.ParquetFile(folder / file).iter_batches(BLOCK, columns=[name]):
        yield batch[name]


def _sample_rows(keys: pa.Array, samples: Places) -> np.ndarray:
    found = samples.find(keys)
    if len(found) and found.min() < 0:
        missing = keys[int(found.argmin())].as_py()
        raise UserError(f"{schema.CAPTIONS_FILE} has the key {missing!r}, which is not in {schema.SAMPLES_FILE}")
    return found


def _positions(values: pa.ChunkedArray, known: tuple[str, ...], what: str, dtype: type) -> np.ndarray:
    """Returns the position of each value in `known`. Raises UserError for a value that is not in it."""
    found = pc.index_in(values, value_set=pa.array(known))
    if found.null_count:
        missing = values.filter(pc.is_null(found))[0].as_py()
        raise UserError(f"a table of the cache has the {what} {missing!r}, expected one of {', '.join(known)}")
    return _numpy(found, dtype)


def _numpy(values: pa.Array | pa.ChunkedArray, dtype: type) -> np.ndarray:
    array = values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(zero_copy_only=False)
    return array.astype(dtype)
