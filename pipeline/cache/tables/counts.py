"""Computes the counts in cache.json from the tables of a cache, for the writer and for `validate`."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hspcgan.pipeline.cache import schema


def count(folder: Path) -> dict[str, int]:
    """Counts the rows of each table, tokens, truncated captions, and captions without an entity.

    `rows_in` is the sum of samples, captions and rejects.
    """
    samples, captions, phrases, rejects = (
        pq.ParquetFile(folder / name)
        for name in (schema.SAMPLES_FILE, schema.CAPTIONS_FILE, schema.PHRASES_FILE, schema.REJECTS_FILE)
    )
    sizes = [file.metadata.num_rows for file in (samples, captions, rejects)]
    columns = captions.read(columns=["n_tokens", "truncated", "entities.list.element.word"])
    entities = pc.list_value_length(columns["entities"])
    return {
        "rows_in": sum(sizes), "samples": sizes[0], "captions": sizes[1], "rejects": sizes[2],
        "phrases": phrases.metadata.num_rows, "tokens": _sum(columns["n_tokens"]),
        "empty_graphs": _sum(pc.equal(entities, 0)), "truncated": _sum(columns["truncated"]),
    }  # fmt: skip


def _sum(values: pa.ChunkedArray) -> int:
    return pc.sum(values).as_py() or 0
