"""Reads the rows of a JSONL, CSV, TSV or Parquet table one at a time; an unreadable row is reported, not skipped."""

from collections.abc import Iterator
from pathlib import Path

from hspcgan.pipeline.sources.readers.columns import Row
from hspcgan.pipeline.sources.readers.parquet_rows import parquet_rows
from hspcgan.pipeline.sources.readers.text_rows import csv_rows, jsonl_rows

READERS = {".jsonl": jsonl_rows, ".csv": csv_rows, ".tsv": csv_rows, ".parquet": parquet_rows}
"""The readers of rows by the suffix of a table."""


def read_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a table; raises UserError if the table is unreadable or lacks a column."""
    return READERS[table.suffix.lower()](table, columns)
