"""Reads the rows of a JSONL, CSV, TSV or Parquet table one at a time; an unreadable row is reported, not skipped.

In JSONL and TSV, each line is a row; in CSV too, except that quoted cells may contain line breaks. A quote that is
never closed invalidates only its own line: later lines that are complete rows are still read as rows. TSV has no
quotes; everything between two tabs is the cell.
"""

import csv
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import open_regular

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
MAX_CELL = 2**24
"""Characters; the default limit of csv, 2**17, is too low for other columns. Long captions are rejected one by one."""
MAX_LINE = 2**26
"""Characters; a file with a longer line is not a table."""
MAX_BREAKS = 20
"""Line breaks in one quoted cell."""
MAX_SHOWN = 500
"""Characters of the found columns in a message; the first line of a file that is not a table can be of any length."""
BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
Row = dict[str, Any] | str
"""A row as a dictionary by column, or the reason why the row cannot be read."""


def read_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a table; raises UserError if the table is unreadable or lacks a column."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
    return readers[table.suffix.lower()](table, columns)


def _require_columns(table: Path, there: list[str], columns: list[str]) -> None:
    twice = sorted({name for name in columns if there.count(name) > 1})
    if twice:
        raise UserError(f"{table}: several columns have the name {', '.join(twice)}; rename all but one of each")
    missing = [name for name in columns if name not in there]
    if missing:
        raise UserError(
            f"{table}: no column {', '.join(missing)}; found {', '.join(there)[:MAX_SHOWN] or 'none'}; set "
            "data.image_column, data.caption_columns and data.split_column to columns of the table"
        )


def _jsonl(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    seen: dict[str, None] = {}  # columns of all rows, in order; a column that no row has is a wrong name
    with open_regular(table) as file:
        for number, line in enumerate(_lines_with_limit(table, file), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if line.strip():
                    yield number, f"not JSON: {error}"
                continue
            if not isinstance(row, dict):
                yield number, f"not an object with {', '.join(columns)}: {str(row)[:60]!r}"
                continue
            seen.update(dict.fromkeys(row))
            missing = [name for name in columns if name not in row]
            yield number, f"lacks {', '.join(missing)}" if missing else row
    if seen:
        _require_columns(table, list(seen), columns)


def _csv(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(MAX_CELL)
    # Bytes that are not UTF-8 become surrogates, so that only one caption is rejected, not the table.
    with io.TextIOWrapper(open_regular(table), "utf-8-sig", "surrogateescape", newline="") as text:
        file = _lines_with_limit(table, text)
        try:
            header = _cells(table, next(file, ""))
        except csv.Error as error:
            raise UserError(f"{table}, line 1, the header: {_reason(error)}") from error
        _require_columns(table, header, columns)
        opened = 0  # line with a quote that was never closed
        lines = _Lines(file)
        for number, line in lines:
            try:
                cells = _cells(table, line)
            except csv.Error as error:
                whole = _joined(table, lines, line, len(header))
                if whole is None:
                    opened = opened or number + 1
                    yield number, f"line {number + 1} is not a row: {_reason(error)}"
                else:
                    yield number, dict(zip(header, whole, strict=True))
                continue
            if opened and line.count('"') % 2:  # it may be the end of a cell with line breaks
                yield number, f"line {number + 1} is not a row: it seems to close the quote in line {opened}"
                opened = 0
            elif len(cells) == len(header):
                yield number, dict(zip(header, cells, strict=True))
            elif cells:
                yield number, f"{len(cells)} cells, expected {len(header)} as in the header: {line[:60]!r}"


def _lines_with_limit(table: Path, file: Any) -> Iterator[Any]:
    """Yields the lines of an open file; raises UserError for a line that is too long for a row."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise UserError(f"{table} has a line of more than {MAX_LINE:,} characters; expected a text table")
        yield line


class _Lines:
    """The lines of a file with their numbers from 1; `peek` returns the next lines without consuming them."""

    def __init__(self, file: Iterable[str]) -> None:
        self.file, self.ahead, self.number = iter(file), deque[str](), 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while line := self.ahead.popleft() if self.ahead else next(self.file, ""):
            self.number += 1
            yield self.number, line

    def peek(self, count: int) -> list[str]:
        """Returns the next lines, at most `count`, without consuming them."""
        self.ahead.extend(islice(self.file, max(0, count - len(self.ahead))))
        return list(islice(self.ahead, count))

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.ahead.popleft()
        self.number += count


def _joined(table: Path, lines: _Lines, line: str, count: int) -> list[str] | None:
    """Returns the cells of a row with line breaks in a quoted cell; None if a following line looks like a new row."""
    for extra, following in enumerate(lines.peek(MAX_BREAKS), start=1):
        line += following
        if following.count('"') % 2 == 0 and _is_row(table, following, count):
            return None
        try:
            cells = _cells(table, line)
        except csv.Error as error:
            if "unexpected end" not in str(error):
                return None
            continue
        if len(cells) != count:
            return None
        lines.skip(extra)
        return cells
    return None


def _is_row(table: Path, line: str, count: int) -> bool:
    try:
        return len(_cells(table, line)) == count
    except csv.Error:
        return False


def _cells(table: Path, line: str) -> list[str]:
    if table.suffix.lower() == ".tsv":
        return next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE), [])
    return next(csv.reader(io.StringIO(line, newline=""), strict=True), [])


def _reason(error: csv.Error) -> str:
    if "unexpected end" not in str(error):
        return str(error)
    return 'a quote is opened but not closed; inside quotes, write "" for a quote'


def _parquet(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    try:
        with open_regular(table) as stream, pq.ParquetFile(stream) as file:
            _require_columns(table, file.schema_arrow.names, columns)
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
