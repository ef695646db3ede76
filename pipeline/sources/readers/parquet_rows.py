"""Reads the rows of a Parquet table, and the images in its cells; a cell without a Python value costs only its row."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import open_regular
from hspcgan.pipeline.sources.readers.columns import Row, require_columns

BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def parquet_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a Parquet table; see `read_rows`. The first column is that of the images."""
    try:
        with open_regular(table) as stream, pq.ParquetFile(stream) as file:
            require_columns(table, file.schema_arrow.names, columns)
            number = 0
            for batch in file.iter_batches(1024, columns=columns):  # few, since rows may contain images
                cells = [_values(_column(batch[name], name == columns[0])) for name in columns]
                for row in zip(*cells, strict=True):
                    number += 1
                    bad = [
                        f"{name} {cell}"
                        for name, cell in zip(columns, row, strict=True)
                        if isinstance(cell, _Unreadable)
                    ]
                    yield number, "; ".join(bad) or dict(zip(columns, row, strict=True))
    except (pa.ArrowException, OSError) as error:
        if "Invalid UTF8" in str(error):  # raised by pyarrow while it reads a dictionary of strings
            raise UserError(f"{table}: a dictionary-encoded (categorical) column has text that is not UTF-8; "
                             "write the column as plain strings") from error  # fmt: skip
        raise UserError(f"{table} is not a complete Parquet file: {error}") from error


@dataclass(frozen=True)
class _Unreadable:
    """A cell that has no Python value, such as a date after the year 9999 or invalid UTF-8 in a map."""

    kind: pa.DataType
    reason: str

    def __str__(self) -> str:
        return f"cannot be read: a value of type {self.kind}: {self.reason}"


def _values(cells: pa.Array) -> list[Any]:
    """Converts a column to Python values; cells that cannot be converted become `_Unreadable`."""
    try:
        return cells.to_pylist()
    except (ArithmeticError, ValueError, LookupError, ImportError, pa.ArrowException):
        return [_value(cell) for cell in cells]


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except (ArithmeticError, ValueError, LookupError, ImportError, pa.ArrowException) as error:
        return _Unreadable(cell.type, str(error))


def _column(cells: pa.Array, holds_images: bool) -> pa.Array:
    """Converts strings in a column to bytes; in the image column, also converts plain binary cells to {bytes}."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if holds_images and any(is_kind(cells.type) for is_kind in BINARY):
        return pa.StructArray.from_arrays([cells.cast(pa.large_binary())], ["bytes"], mask=cells.is_null())
    return cells.cast(_as_bytes(cells.type))


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    """Returns a type with string replaced by binary, so that invalid UTF-8 rejects one caption, not the whole table."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_as_bytes(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(part.name, _as_bytes(part.type)) for part in kind])
    return pa.large_binary() if any(is_kind(kind) for is_kind in STRINGS) else kind


@dataclass
class ImageGroup:
    """The images in one row group of a Parquet table, each as {bytes, path}; `first` is the number of its first row."""

    table: Path
    first: int
    cells: pa.ChunkedArray

    def has(self, table: Path, number: int) -> bool:
        """Whether a row of a table is in this group."""
        return table == self.table and 0 <= number - self.first < len(self.cells)

    def image(self, number: int) -> bytes | None:
        """Returns the bytes of the image file in a row."""
        cell = self.cells[number - self.first].as_py()
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        return content.encode() if isinstance(content, str) else content  # a string is not an image: ingest rejects it


def read_images(table: Path, column: str, number: int) -> ImageGroup:
    """Reads the row group that contains row `number` (from 1); raises UserError if it is missing or damaged."""
    try:
        with open_regular(table) as stream, pq.ParquetFile(stream) as file:
            first = 1
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                if number < first + count:
                    return ImageGroup(table, first, file.read_row_group(group, columns=[column])[column])
                first += count
    except pa.ArrowException as error:
        raise UserError(f"{table.name} is not a complete Parquet file: {error}") from error
    raise UserError(f"{table.name} ends before row {number}")
