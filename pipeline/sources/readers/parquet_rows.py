"""Reads the rows of a Parquet table, and the images in its cells; a cell without a Python value costs only its row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import open_regular
from hspcgan.pipeline.sources.readers.columns import Row, require_columns
from hspcgan.pipeline.sources.readers.parquet_pages import page_sizes

MAX_PAGE = 200_000_000
"""Bytes; reading a page takes up to four times its size: the page as stored, uncompressed, as Arrow and as Python."""
MAX_BATCH, MAX_ROWS = 2**27, 1024
"""Bytes and number of the rows that are read at a time; more bytes only if one page is larger."""
MAX_VALUES = 2**20
"""Values in the cells of a column that are converted to Python at a time; empty ones take no bytes in a file."""

BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def parquet_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a Parquet table; see `read_rows`. The first column is that of the images."""
    try:
        with open_regular(table) as stream, _opened(stream) as file:
            require_columns(table, file.schema_arrow.names, columns)
            number = 0
            for batch in _batches(table, stream, file, columns, range(file.num_row_groups)):
                cells = [_values(batch[name], name == columns[0]) for name in columns]
                for row in zip(*cells, strict=True):
                    number += 1
                    bad = [
                        f"{name} {cell}"
                        for name, cell in zip(columns, row, strict=True)
                        if isinstance(cell, _Unreadable)
                    ]
                    yield number, "; ".join(bad) or dict(zip(columns, row, strict=True))
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: the name of a column is not UTF-8; rename the column") from error
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


def _values(cells: pa.Array, holds_images: bool) -> list[Any]:
    """Converts a column to Python values; cells that cannot be converted become `_Unreadable`."""
    if (count := _count(cells)) > MAX_VALUES:
        if len(cells) == 1:
            return [_Unreadable(cells.type, f"{count:,} values, more than the {MAX_VALUES:,} allowed")]
        parts = (cells[: len(cells) // 2], cells[len(cells) // 2 :])
        return [value for part in parts for value in _values(part, holds_images)]
    cells = _column(cells, holds_images)
    try:
        return cells.to_pylist()
    except (ArithmeticError, ValueError, LookupError, ImportError, pa.ArrowException):
        return [_value(cell) for cell in cells]


def _count(cells: pa.Array) -> int:
    """Returns the number of values in an array, including those inside lists, maps and structs."""
    if isinstance(cells, pa.ExtensionArray):
        cells = cells.storage
    if pa.types.is_map(cells.type):  # maps have no `flatten`
        cells = cells.cast(pa.list_(cells.type.field(0).type))
    parts = cells.flatten() if cells.type.num_fields else []
    return len(cells) + sum(map(_count, parts if isinstance(parts, list) else [parts]))


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


class ImageRows:
    """The images in the rows of a Parquet table, each as {bytes, path}, read in order from row `start` (from 1)."""

    def __init__(self, table: Path, column: str, start: int) -> None:
        self.table = table
        self._batches = _image_batches(table, column, start)
        self._first, self._cells = start, pa.array([])

    def reaches(self, table: Path, number: int) -> bool:
        """Whether a row of a table is one of the rows that were read last, or follows them."""
        return table == self.table and number >= self._first

    def image(self, number: int) -> bytes | None:
        """Returns the bytes of the image file in a row; raises UserError if the table is damaged or has fewer rows."""
        while number >= self._first + len(self._cells):
            found = next(self._batches, None)
            if found is None:
                raise UserError(f"{self.table.name} ends before row {number}")
            self._first, self._cells = found
        cell = self._cells[number - self._first].as_py()
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        return content.encode() if isinstance(content, str) else content  # a string is not an image: ingest rejects it


def _image_batches(table: Path, column: str, start: int) -> Iterator[tuple[int, pa.Array]]:
    """Yields (number of its first row, cells) for parts of a column, from the row group that contains row `start`."""
    try:
        with open_regular(table) as stream, _opened(stream) as file:
            first, group = 1, 0
            while group < file.num_row_groups and start >= first + file.metadata.row_group(group).num_rows:
                first, group = first + file.metadata.row_group(group).num_rows, group + 1
            for batch in _batches(table, stream, file, [column], range(group, file.num_row_groups)):
                yield first, batch[column]
                first += len(batch)
    except pa.ArrowException as error:
        raise UserError(f"{table.name} is not a complete Parquet file: {error}") from error


def _opened(stream: BinaryIO) -> pq.ParquetFile:
    """Opens a Parquet file such that a column is read page by page, not as a whole."""
    return pq.ParquetFile(stream, buffer_size=2**20)


def _batches(
    table: Path, stream: BinaryIO, file: pq.ParquetFile, columns: list[str], groups: Iterable[int]
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of row groups in small batches; raises UserError for pages of more than MAX_PAGE bytes."""
    together: list[int] = []  # small row groups; a call of iter_batches takes longer the more row groups a file has
    held, rows = 0, MAX_ROWS
    for group in groups:
        size, most = _sizes(table, stream, file, columns, group)
        if together and held + size > MAX_BATCH:
            yield from _read(file, columns, together, rows)
            together, held, rows = [], 0, MAX_ROWS
        together.append(group)
        held, rows = held + size, min(rows, most)
    if together:
        yield from _read(file, columns, together, rows)


def _read(file: pq.ParquetFile, columns: list[str], groups: list[int], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(rows, row_groups=groups, columns=columns):
        step = max(1, MAX_BATCH // _longest_repeated(batch))
        yield from (batch.slice(start, step) for start in range(0, len(batch), step))


def _sizes(table: Path, stream: BinaryIO, file: pq.ParquetFile, columns: list[str], group: int) -> tuple[int, int]:
    """Returns the bytes of these columns in a row group, and the number of rows that may be read at a time."""
    metadata = file.metadata.row_group(group)
    total, at_once = 0, 1  # bytes of a row on average, or of a large page
    if metadata.num_rows == 0:
        return 0, MAX_ROWS  # it may have no pages
    for chunk in map(metadata.column, range(metadata.num_columns)):
        path = chunk.path_in_schema
        name = next((name for name in columns if path == name or path.startswith(f"{name}.")), None)
        if name is None:
            continue
        total += chunk.total_uncompressed_size
        sizes = page_sizes(stream, chunk)
        if chunk.total_uncompressed_size <= MAX_PAGE:  # one read per page would be slow on a server
            at_once += chunk.total_uncompressed_size // metadata.num_rows
            if chunk.has_dictionary_page and not pa.types.is_dictionary(file.schema_arrow.field(name).type):
                at_once += next(sizes, 0)  # each row may repeat a long value
            continue
        size = max(sizes, default=0)
        if size > MAX_PAGE:
            raise UserError(
                f"{table}: row group {group + 1} has {size:,} bytes in one page of the column {name}, more than "
                f"the {MAX_PAGE:,} allowed; write fewer rows per group, without cells of that size, with pandas: "
                "`read_parquet(OLD).to_parquet(NEW, row_group_size=50)`"
            )
        at_once += size
    return total, max(1, min(MAX_ROWS, MAX_BATCH // at_once))


def _longest_repeated(batch: pa.RecordBatch) -> int:
    """Returns the bytes of the longest value in the dictionaries of a batch, at least 1."""
    found = [column.dictionary for column in batch.columns if pa.types.is_dictionary(column.type)]
    texts = [values for values in found if any(is_kind(values.type) for is_kind in (*BINARY, *STRINGS))]
    return max((pc.max(pc.binary_length(values)).as_py() or 1 for values in texts), default=1) or 1
