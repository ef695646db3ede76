"""Reads scene graphs for `hspcgan graphs`: predictions from `parse --jsonl`, and gold graphs in FACTUAL's format."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import (
    MAX_BYTES,
    RepeatedKeyError,
    lines_of,
    no_file,
    open_regular,
    parse_json,
    read_text,
)
from hspcgan.pipeline.sources.readers.columns import delimiter_hint

Tuples = list[list[str]]
_TUPLE = re.compile(r"\(([^()]*)\)")
_GRAPH = re.compile(rf"({_TUPLE.pattern}(\s*,\s*{_TUPLE.pattern})*)?")
_MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which Excel writes at the start of a file."""


def read_predictions(path: Path) -> dict[str, Tuples]:
    """
    Reads the tuples of each caption from a file of {"caption", "tuples"} lines.

    Raises UserError for a line of another form (a tuple has 1 to 3 strings), or if two lines have different tuples for
    the same caption.
    """
    found: dict[str, tuple[int, Tuples]] = {}
    for number, (caption, tuples) in enumerate(_jsonl(_existing(path)), start=1):
        first, known = found.setdefault(caption, (number, tuples))
        if set(map(tuple, known)) != set(map(tuple, tuples)):
            raise UserError(
                f"{path}, line {number}: line {first} has different tuples for {caption[:60]!r}; keep one of the lines"
            )
    if not found:
        raise UserError(f"{path} contains no scene graph; make predictions with hspcgan parse --jsonl IN OUT")
    return {caption: tuples for caption, (_, tuples) in found.items()}


def read_gold(path: Path) -> list[tuple[str, Tuples]]:
    """
    Reads gold graphs from FACTUAL's CSV (columns caption, scene_graph: "( man , ride , wave ) , …"), or from lines in
    the format of predictions.

    Raises UserError naming a line that cannot be read. A caption may occur several times, as in FACTUAL.
    """
    rows = list(_csv(path) if _existing(path).suffix.lower() == ".csv" else _jsonl(path))
    if not rows:
        raise UserError(f"{path} contains no scene graph; expected rows of FACTUAL's CSV below its header, or lines "
                         "in the format of hspcgan parse --jsonl")  # fmt: skip
    return rows


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            f"{path}: {no_file(path)}; hspcgan parse --jsonl IN OUT writes predictions; gold is FACTUAL's CSV, or a "
            "file in the format of predictions"
        )
    return path


def _csv(path: Path) -> Iterator[tuple[str, Tuples]]:
    reader = csv.reader(io.StringIO(read_text(path, MAX_BYTES), newline=""), strict=True)
    line = 1  # first line of the row
    try:
        columns = next(reader, [])
        if not {"caption", "scene_graph"} <= set(columns):
            hint = delimiter_hint(columns, ["caption", "scene_graph"])
            found = f"found columns: {', '.join(columns) or 'none'}; expected caption and scene_graph"
            raise UserError(f"{found}; {hint}" if hint else found)
        if max(columns.count("caption"), columns.count("scene_graph")) > 1:
            raise UserError("several columns have the name caption or scene_graph; rename all but one of each")
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield _row(columns, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}; is a quote opened here and not closed?") from error
    except ValueError as error:
        raise UserError(f"{path}, line {line}: {error}") from error


def _row(columns: list[str], cells: list[str]) -> tuple[str, Tuples]:
    if len(cells) != len(columns):
        raise UserError(f"{format_count(len(cells), 'cell')}, expected {len(columns)} as in the header")
    row = dict(zip(columns, cells, strict=True))
    return row["caption"].strip(), _tuples(row["scene_graph"])


def _tuples(graph: str) -> Tuples:
    """Parses "( man , ride , wave ) , ( sky )" to [["man", "ride", "wave"], ["sky"]]; an empty string has no tuples."""
    tuples = [[part.strip() for part in inside.split(",")] for inside in _TUPLE.findall(graph)]
    if not _GRAPH.fullmatch(graph.strip()) or not all(map(all, tuples)):
        raise UserError(f"expected a scene_graph such as '( man , ride , wave ) , ( sky )', got {graph[:60]!r}")
    return tuples


class _Prediction(BaseModel):
    """One line of a file of predictions; a tuple has 1 to 3 words."""

    caption: str
    tuples: list[Annotated[list[str], Field(min_length=1, max_length=3)]]


def _jsonl(path: Path) -> Iterator[tuple[str, Tuples]]:
    with open_regular(path) as file:
        for number, line in enumerate(lines_of(file, path), start=1):
            try:
                row = _Prediction.model_validate(parse_json(line.removeprefix(_MARK)))
            except RepeatedKeyError as error:
                raise UserError(f"{path}, line {number}: {error}; keep one of its values") from error
            except (ValueError, RecursionError) as error:
                expected = '{"caption": "…", "tuples": [["man", "ride", "wave"], ["wave", "is", "big"], ["sky"]]}'
                got = line.decode("utf8", "backslashreplace").strip()[:80]
                raise UserError(
                    f"{path}, line {number}: expected {expected}, where a tuple has 1 to 3 strings, got {got!r}"
                ) from error
            yield row.caption.strip(), row.tuples
