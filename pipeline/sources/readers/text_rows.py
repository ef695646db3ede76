"""Reads the rows of a JSONL, CSV or TSV table.

In JSONL and TSV, each line is a row; in CSV too, except that quoted cells may contain line breaks. A quote that is
never closed invalidates only its own line: later lines that are complete rows are still read as rows. TSV has no
quotes; everything between two tabs is the cell.
"""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import json_problem, lines_of, open_regular, parse_json, require_utf8
from hspcgan.pipeline.sources.readers.columns import Row, delimiter_hint, require_columns

MAX_CELL = 2**24
"""Characters; the default limit of csv, 2**17, is too low for other columns. Long captions are rejected one by one."""
MAX_LINE = 2**26
"""Characters; a file with a longer line is not a table."""
MAX_JSON = 2**23
"""Bytes of a line of JSONL, which takes up to 64 times as much in memory; a file with a longer line is not a table."""
MAX_BREAKS = 20
"""Line breaks in one quoted cell."""
OTHER_FILES = {
    b"\x1f\x8b": "is compressed with gzip; unpack it with `gunzip -c FILE > NEW_FILE`",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; unpack it with `zstd -dc FILE > NEW_FILE`",
    b"PK\3\4": "is a zip archive or an Excel workbook; unpack it, or save it as CSV in UTF-8",
    b"PAR1\x15": "is a Parquet table; rename it to end with .parquet",
}
"""What a file that is no text begins with, and the fix."""


def jsonl_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a table with a JSON object in each line; see `read_rows`."""
    seen: dict[str, None] = {}  # columns of all rows, in order; a column that no row has is a wrong name
    with open_regular(table) as file:
        for number, line in enumerate(lines_of(file, table, MAX_JSON), start=1):
            if number == 1:
                _require_text(table, line)
                _require_one_line(table, line.strip())
            try:
                row = parse_json(line.rstrip(b"\r\n"))  # its line break is no part of a truncated string
            except (ValueError, RecursionError) as error:
                if line.strip():
                    yield number, f"not JSON: {json_problem(error)}"
                continue
            if not isinstance(row, dict):
                yield number, f"not an object with {', '.join(columns)}: {str(row)[:60]!r}"
                continue
            seen.update(dict.fromkeys(row))
            missing = [name for name in columns if name not in row]
            yield number, f"lacks {', '.join(missing)}" if missing else row
    if seen:
        require_columns(table, list(seen), columns)


def csv_rows(table: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """Yields (row number from 1, row) of a CSV or TSV table, which starts with a header; see `read_rows`."""
    csv.field_size_limit(MAX_CELL)
    # Bytes that are not UTF-8 become surrogates, so that only one caption is rejected, not the table.
    with io.TextIOWrapper(open_regular(table), "utf-8-sig", "surrogateescape", newline="") as text:
        file = _lines_with_limit(table, text)
        first = next(file, "")
        beginning = first[:8].encode("utf-8", "surrogateescape")
        require_utf8(beginning, table)
        _require_text(table, beginning)
        if first.lower().startswith("sep="):
            raise UserError(
                f"{table}, line 1: {first.strip()[:20]!r} is not the header but a line for Excel; remove it"
            )
        try:
            header = _cells(table, first)
        except csv.Error as error:
            hint = "" if "," in first else delimiter_hint([first.rstrip()], columns)
            raise UserError(f"{table}, line 1, the header: {hint or _reason(error)}") from error
        require_columns(table, header, columns)
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
                yield (
                    number,
                    (f"{format_count(len(cells), 'cell')}, expected {len(header)} as in the header: {line[:60]!r}"),
                )


def _require_text(table: Path, beginning: bytes) -> None:
    """Raises UserError, with the fix, for a file of another kind that has the name of a text table."""
    found = next((problem for mark, problem in OTHER_FILES.items() if beginning.startswith(mark)), None)
    if found is not None:
        raise UserError(f"{table} {found}")


def _require_one_line(table: Path, first: bytes) -> None:
    """Raises UserError for JSON that is a list, or an object over several lines, by the first line of the file."""
    if first in (b"[", b"{") or first.startswith(b"[{"):
        items = "." if first == b"{" else ".[]"
        raise UserError(
            f"{table} is {'an object over several lines' if items == '.' else 'a list'} in JSON, expected an object in "
            f"each line; convert it with `jq -c {items} FILE > NEW_FILE`"
        )


def _lines_with_limit(table: Path, file: TextIO) -> Iterator[str]:
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
    return (
        f"a quote is opened but not closed (a cell may contain at most {MAX_BREAKS} line breaks); "
        'inside quotes, write "" for a quote'
    )
