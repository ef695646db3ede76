"""Exports the concepts and features of a cache as plain Parquet, for pandas, DuckDB, Ray and other table readers."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder, require_outside_cache
from hspcgan.model.common.progress import progress_bar
from hspcgan.pipeline.cache.reader import Cache

ROWS = 4096  # captions or phrases in one row group


def export(cache: Cache, folder: Path, tokens: bool = False) -> list[Path]:
    """
    Writes samples.parquet, captions.parquet (with `sentence`, float32 [d]), phrases.parquet (with `feature`, float32
    [d]) and rejects.parquet into a new folder; `tokens` adds the token features of each caption, a list of [d] rows.

    Features become float32, since not every reader supports float16. Returns the paths of the files. Raises UserError
    if the folder exists or is inside a cache. The folder is written atomically.
    """
    if folder.exists():
        raise UserError(f"{folder} already exists; give another folder, or remove this folder")
    require_outside_cache(folder)
    with atomic_folder(folder) as work:
        for name, table in (("samples", cache.samples), ("rejects", cache.rejects)):
            with open(work / f"{name}.parquet", "xb") as file:  # pyarrow rejects paths that are not UTF-8
                pq.write_table(table, file)
        _with_vectors(cache.phrases, "feature", cache.phrase_text, work / "phrases.parquet")
        _with_vectors(cache.captions, "sentence", cache.sentence, work / "captions.parquet", cache if tokens else None)
    return sorted(folder.iterdir())


def _with_vectors(table: pa.Table, name: str, vectors: np.ndarray, path: Path, tokens_of: Cache | None = None) -> None:
    """Writes the table plus a column of float32 vectors [rows, d], in row groups so that memory use stays constant."""
    width = vectors.shape[1]
    schema = table.schema.append(pa.field(name, pa.list_(pa.float32(), width)))
    if tokens_of is not None:
        schema = schema.append(pa.field("token_features", pa.list_(pa.list_(pa.float32(), width))))
    with open(path, "xb") as file, pq.ParquetWriter(file, schema) as writer:
        for start in progress_bar(range(0, table.num_rows, ROWS), f"export {path.stem}"):
            part = table.slice(start, ROWS)
            block = np.asarray(vectors[start : start + ROWS], dtype=np.float32)  # [rows, d]
            columns = [*part.columns, _vectors(block)]
            if tokens_of is not None:
                rows = [tokens_of.tokens(row) for row in range(start, start + part.num_rows)]
                offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
                flat = _vectors(np.concatenate(rows).astype(np.float32))
                columns.append(pa.ListArray.from_arrays(offsets, flat))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _vectors(block: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), block.shape[1])
