"""Sorts the texts of the encode stage into the order of its batches, on disk with DuckDB, and reads them by shard."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.pipeline.cache.tables.regroup import regroup

BLOCK = 4096  # texts in memory as Python strings at once
MEMORY = "512MB"  # limit for DuckDB, which sorts on disk beyond it
COLUMNS = pa.schema([("text", pa.string()), ("is_caption", pa.bool_())])


def write_order(
    texts: Iterable[pa.Table], lengths: Callable[[pa.Table], np.ndarray], folder: Path, shard_texts: int
) -> Path:
    """
    Writes a Parquet file in `folder` with the rows of `texts`, sorted by length and text; each row group is a shard.

    Args:
        texts: tables of unique texts, `text` and `is_caption`.
        lengths: function from such a table to the number of tokens of each text, int32 [n].
        shard_texts: rows per row group; the last row group may be smaller.

    Errors that `texts` or `lengths` raise are raised as they are, not as DuckDB's errors.
    """
    import duckdb

    failed: list[Exception] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for table in regroup(texts, BLOCK):
                yield from table.append_column("length", pa.array(lengths(table), pa.int32())).to_batches()
        except Exception as error:  # DuckDB keeps only its text
            failed.append(error)
            raise

    rows = pa.RecordBatchReader.from_batches(COLUMNS.append(pa.field("length", pa.int32())), batches())
    path = folder / "texts.parquet"
    settings = {"memory_limit": MEMORY, "threads": 1, "temp_directory": str(folder)}
    try:
        with (
            duckdb.connect(config=settings) as base,  # type: ignore[arg-type]  # its texts and numbers
            pq.ParquetWriter(path, COLUMNS) as writer,
        ):
            base.register("texts", rows)
            found = base.sql("SELECT text, is_caption FROM texts ORDER BY length, text").fetch_arrow_reader(BLOCK)
            ordered = (pa.Table.from_batches([batch]).cast(COLUMNS) for batch in found)
            for shard in regroup(ordered, shard_texts):
                writer.write_table(shard, row_group_size=len(shard))
    except Exception:
        if failed:
            raise failed[0] from None
        raise
    return path


def shard_sizes(path: Path) -> list[int]:
    """Returns the number of texts in each shard of a file from `write_order`."""
    groups = pq.ParquetFile(path).metadata
    return [groups.row_group(index).num_rows for index in range(groups.num_row_groups)]


def read_shard(path: Path, index: int) -> list[tuple[str, bool]]:
    """Reads a shard of a file from `write_order` as pairs (text, whether it is a caption), the input of the mapper."""
    table = pq.ParquetFile(path).read_row_group(index, use_threads=False)
    return list(zip(table["text"].to_pylist(), table["is_caption"].to_pylist(), strict=True))


def texts_of(path: Path) -> Iterator[str]:
    """Yields the texts of a file from `write_order` one by one; keeps only one block of them in memory."""
    for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=["text"]):
        yield from batch["text"].to_pylist()
