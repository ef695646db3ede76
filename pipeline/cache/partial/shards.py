"""One shard of a stage on disk: a folder of Parquet tables and .npy arrays, written atomically."""

import errno
import json
import os
import resource
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder
from hspcgan.model.common.user_files import MAX_JSON, read_bytes
from hspcgan.pipeline.cache.schema import OFFSETS, SHARDS, null_columns, shard_format

STATS = "stats.json"
UNFINISHED = ".*.partial"
Tables = dict[str, pa.Table]
Arrays = dict[str, np.ndarray]


def shard_folder(stage_folder: Path, index: int) -> Path:
    return stage_folder / f"{index:06d}"


def write_shard(
    stage_folder: Path,
    stage: str,
    index: int,
    tables: Mapping[str, pa.Table],
    arrays: Mapping[str, np.ndarray] | None = None,
    stats: Mapping[str, Any] | None = None,
) -> None:
    """Checks a shard and writes it atomically.

    Raises UserError if the shard does not have the format of the stage, OSError with its errno if the disk is full.
    """
    arrays = arrays or {}
    _check(stage, tables, arrays)
    with atomic_folder(shard_folder(stage_folder, index)) as work:
        for name, table in tables.items():
            pq.write_table(table, work / f"{name}.parquet")
        for name, array in arrays.items():
            _save(work / f"{name}.npy", array)
        sizes = {path.name: path.stat().st_size for path in work.iterdir()}
        (work / STATS).write_text(json.dumps({"sizes": sizes, "stats": dict(stats or {})}))


def _save(path: Path, array: np.ndarray) -> None:
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        if error.errno is not None:
            raise
        # numpy reports how many items were written, not that the disk is full or the file as large as is allowed
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        number = errno.EFBIG if 0 <= limit <= path.stat().st_size else errno.ENOSPC
        raise OSError(number, f"{os.strerror(number)} ({error})", str(path)) from error


def shard_complete(stage_folder: Path, index: int) -> bool:
    """Whether all files of a shard have their recorded sizes; False if stats.json, which records them, is damaged.

    Such a shard is made again. `rows_in`, `samples` and `notes` are the statistics that stages add up.
    """
    folder = shard_folder(stage_folder, index)
    try:
        marker = json.loads(read_bytes(folder / STATS, MAX_JSON))
        sizes, stats = marker["sizes"].items(), marker["stats"]
        rows = stats["rows_in"] if stage_folder.name == "ingest" else 0
        counts = [rows, stats.get("samples", 0), *stats.get("notes", {}).values()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):  # absent, or damaged
        return False
    if any(type(count) is not int for count in counts):
        return False
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes)


def read_shard(stage_folder: Path, index: int, only: Iterable[str] | None = None) -> tuple[Tables, Arrays]:
    """Reads tables and maps arrays of a shard into memory: all of them, or only those named in `only`."""
    folder = shard_folder(stage_folder, index)
    paths = sorted(p for p in folder.iterdir() if p.name != STATS and (only is None or p.stem in set(only)))
    with _readable(folder):
        tables = {p.stem: _opened(folder, p.stem).read(use_threads=False) for p in paths if p.suffix == ".parquet"}
        arrays = {p.stem: np.load(p, mmap_mode="r", allow_pickle=False) for p in paths if p.suffix == ".npy"}
        for name, (dtype, axes) in shard_format(stage_folder.name, arrays).arrays.items():
            if name in arrays and (arrays[name].dtype != dtype or arrays[name].ndim != axes):
                raise ValueError(f"{name} is {arrays[name].dtype} with {arrays[name].ndim} axes")
    return tables, arrays


def read_column(stage_folder: Path, index: int, table: str, name: str, leaf: str | None = None) -> pa.ChunkedArray:
    """Reads one column of a shard's table; with `leaf`, only that field of a list of structs."""
    folder = shard_folder(stage_folder, index)
    with _readable(folder):
        wanted = f"{name}.list.element.{leaf}" if leaf else name
        column = _opened(folder, table).read(columns=[wanted], use_threads=False)[name]
        if column.null_count:
            raise ValueError(f"{table} has nulls in {name}")
        return column


def _opened(folder: Path, table: str) -> pq.ParquetFile:
    """Opens a table of the shard in a folder; ValueError if it does not have the columns of its stage."""
    file = pq.ParquetFile(folder / f"{table}.parquet")
    if not file.schema_arrow.equals(SHARDS[folder.parent.name].tables[table]):
        raise ValueError(f"{table} has other columns")
    return file


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raises UserError, with the fix, if a read of a shard's files fails in the `with` block."""
    try:
        yield
    except (pa.ArrowException, KeyError, ValueError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the operating system; pyarrow's have no number
        raise UserError(f"{folder} is damaged ({error}); remove this folder and run the same command again") from error


def shard_stats(stage_folder: Path, index: int) -> dict[str, Any]:
    return json.loads((shard_folder(stage_folder, index) / STATS).read_text())["stats"]


def _check(stage: str, tables: Mapping[str, pa.Table], arrays: Mapping[str, np.ndarray]) -> None:
    expected = shard_format(stage, arrays)
    if set(tables) != set(expected.tables) or set(arrays) != set(expected.arrays):
        raise UserError(
            f"a shard of {stage} needs tables {sorted(expected.tables)} and arrays {sorted(expected.arrays)}, "
            f"got {sorted(tables)} and {sorted(arrays)}"
        )
    for name, table in tables.items():
        if not table.schema.equals(expected.tables[name]):
            raise UserError(f"{stage}/{name} has columns {table.schema}, expected {expected.tables[name]}")
        nulls = null_columns(table)
        if nulls:
            raise UserError(f"{stage}/{name} has nulls in {', '.join(nulls)}; only a sample's box may be null")
    for name, array in arrays.items():
        dtype, axes = expected.arrays[name]
        if array.dtype != dtype or array.ndim != axes:
            raise UserError(f"{stage}/{name} is {array.dtype} with {array.ndim} axes, expected {dtype} with {axes}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(f"{stage}/{name} has values that are not finite; check the CLIP weights")
    for name, (table_name, more) in expected.rows.items():
        rows, wanted = len(arrays[name]), len(tables[table_name]) + more
        if rows != wanted:
            raise UserError(f"{stage}/{name} has {rows} rows, expected {wanted} to match the table {table_name}")
    for name in OFFSETS.keys() & arrays.keys():
        offsets, counted = arrays[name], OFFSETS[name]
        rows = len(arrays[counted])
        if offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 0).any():
            raise UserError(
                f"{stage}/{name} must increase from 0 to {rows}, the number of rows of {counted}, "
                f"got {offsets.tolist()}"
            )
