"""Tables that list images: JSONL, CSV, TSV or Parquet with a column of paths and columns of captions.

`data.path` is a table, or a folder of tables of one format (a table named test or val, such as test.csv or
test-00000-of-00002.parquet, is the test split).
Paths are relative to `data.images`, by default the folder of the table, and must stay inside it. A Parquet table may
also contain the images, as in Hugging Face datasets: a column of {bytes, path}, in which `path` is used if `bytes` is
null. Rows with equal images, by path or by bytes, are joined; a row in another split than the first is rejected. A
caption cell has one caption or, in JSONL and Parquet, a list of captions. `text_rows` defines what a row is.
"""

import ast
import hashlib
import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.model.common.user_files import read_bytes
from hspcgan.pipeline.sources.base import (
    TEST_NAMES,
    Entry,
    Item,
    RejectedText,
    list_folders,
    reject_if_long,
    short_repr,
)
from hspcgan.pipeline.sources.files_below import name_hint
from hspcgan.pipeline.sources.fingerprints import hash_lines
from hspcgan.pipeline.sources.readers.caption_files import MAX_CAPTIONS, require_few
from hspcgan.pipeline.sources.readers.parquet_rows import ImageRows
from hspcgan.pipeline.sources.readers.table_rows import READERS, read_rows
from hspcgan.pipeline.sources.split import ImageStates, first_of_each_key, split_by_image

MAX_LIST = 100_000  # characters
MAX_PATH = 4096
"""Characters of a path on Linux."""
_PART = re.compile(r"-\d+-of-\d+$")
_EXPECTED = "a .jsonl, .csv, .tsv or .parquet file, or a folder of such files in one format"


@dataclass
class _Record:
    path: Path | None = None
    cell: tuple[Path, int] | None = None  # the table and the row that contain the image
    captions: list[object] = field(default_factory=list)
    problem: str | None = None

    def add(self, captions: list[object], where: str) -> None:
        """Adds the captions of a row; an image with too many of them becomes a reject without captions."""
        if self.problem is not None:
            return
        self.captions += captions
        try:
            require_few(self.captions, where)
        except UserError as error:
            self.captions, self.problem = [], str(error)


class TableSource:
    """Images listed in tables; keys are paths without suffix, or the sha256 of the bytes of an image in the table."""

    def __init__(
        self,
        path: Path,
        test_fraction: float,
        images: Path | None,
        image_column: str,
        caption_columns: Sequence[str],
        split_column: str | None,
    ) -> None:
        self.fraction, self.image_column = test_fraction, image_column
        self._pictures = ImageStates()
        self.caption_columns, self.split_column = caption_columns, split_column
        self.tables = _find_tables(path)
        self.images = images or (path if path.is_dir() else path.parent)
        self._rows: ImageRows | None = None  # of the table that was read last
        if not self.images.is_dir():
            raise UserError(f"data.images {self.images} is not a folder; image paths are relative to it")

    def entries(self) -> Sequence[Entry]:
        return self._entries

    @cached_property
    def _entries(self) -> list[Entry]:
        listed: dict[str, Entry] = {}  # by path below `images`, or by sha256
        unusable = []
        for table in self.tables:
            for number, row in read_rows(table, self._columns()):
                where = f"{table.name}#{number}"
                captions: list[object] = []
                try:
                    if isinstance(row, str):
                        raise UserError(row)
                    captions = self._captions(row, where)
                    name, entry = self._check_row(table, number, row)
                    known = listed.setdefault(name, entry)
                    if known.split != entry.split:
                        raise UserError(f"in two splits: image {known.where} is already in the {known.split} split")
                except ValueError as error:
                    unusable.append(Entry(where, "train", where, _Record(captions=captions, problem=str(error))))
                    continue
                known.ref.add(captions, known.where)
        # Sorted by path; images in tables stay in row order, so that each row group is read once.
        entries = sorted(listed.values(), key=lambda entry: "" if entry.ref.path is None else entry.where)
        entries, others = first_of_each_key(entries)
        unusable = others + unusable
        return split_by_image(entries, self.fraction, lambda entry: self._pictures.identity(entry.ref.path)) + unusable

    def _check_row(self, table: Path, number: int, row: dict[str, Any]) -> tuple[str, Entry]:
        """Returns a name that identifies a row's image, and the row's entry; raises UserError for an unusable row."""
        image = row[self.image_column]
        if isinstance(image, dict) and not image.keys() & {"bytes", "path"}:
            raise UserError(f"{self.image_column} has the fields {', '.join(image)[:60]}; expected bytes or path")
        content, path = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (None, image)
        split = self._split(table, row)
        if isinstance(content, bytes):
            key = hashlib.sha256(content).hexdigest()
            return key, Entry(key, split, f"{table.name}#{number}", _Record(cell=(table, number)))
        name = self._relative_path(path)
        return name, Entry(PurePosixPath(name).with_suffix("").as_posix(), split, name, _Record(self.images / name))

    def _captions(self, row: dict[str, Any], where: str) -> list[object]:
        cells = [row[name] for name in self.caption_columns]
        for cell in cells:
            if isinstance(cell, list) and len(cell) > MAX_CAPTIONS:
                require_few(cell, where)  # now, since each value takes time
        captions = [text for cell in cells for text in _texts(cell)]
        require_few(captions, where)
        return captions

    def _columns(self) -> list[str]:
        split = [self.split_column] if self.split_column else []
        return [self.image_column, *self.caption_columns, *split]

    def _relative_path(self, value: Any) -> str:
        """Returns the normalised path of an image, relative to `images`; raises UserError for other paths."""
        if isinstance(value, str | bytes) and len(value) > MAX_PATH:
            shown = short_repr(_decode(value[:100]))
            raise UserError(f"{self.image_column} is not the path of an image: {shown} ({len(value):,} characters)")
        text = _decode(value)
        if not isinstance(text, str) or not text or "\0" in text:
            raise UserError(f"{self.image_column} is not the path of an image: {short_repr(text)}")
        if "://" in text:
            raise UserError(
                f"{self.image_column} is a URL: {short_repr(text)}; download the image into {self.images} and give "
                "its path"
            )
        path = PurePosixPath(text)
        home = self.images.absolute().as_posix()
        if path.is_absolute() and path.is_relative_to(home):
            path = path.relative_to(home)
        inside = posixpath.normpath(path)
        if inside.split("/")[0] in ("..", ".", ""):
            raise UserError(
                f"path is outside data.images: {short_repr(text)} is not inside {self.images}; set data.images to a "
                "folder that contains both"
            )
        return inside

    def _split(self, table: Path, row: dict[str, Any]) -> str:
        if self.split_column is None:
            return "test" if _PART.sub("", table.stem.lower()) in TEST_NAMES else "train"
        cell = row[self.split_column]
        value = str(_decode(cell[:MAX_LIST] if isinstance(cell, str | bytes) else cell)).lower()
        if value not in {"train", *TEST_NAMES}:
            raise UserError(f"{self.split_column} is not train, test or val: {short_repr(value)}")
        return "train" if value == "train" else "test"

    def read(self, entry: Entry) -> Item:
        record: _Record = entry.ref
        captions = tuple(record.captions)
        problem = record.problem or (None if captions else "no captions in its rows")
        try:
            return Item(entry, self._image(record), captions, problem)
        except FileNotFoundError as error:
            return Item(entry, None, captions, f"cannot be read: {error.strerror}{name_hint(record.path)}")
        except (OSError, ValueError) as error:  # ValueError: a name that is not valid Unicode
            return Item(entry, None, captions, f"cannot be read: {getattr(error, 'strerror', None) or error}")

    def _image(self, record: _Record) -> bytes | None:
        if record.path is not None:
            return read_bytes(record.path)
        if record.cell is None:
            return None
        table, number = record.cell
        rows, self._rows = self._rows, None  # not kept after an error
        if rows is None or not rows.reaches(table, number):
            rows = ImageRows(table, self.image_column, number)
        content, self._rows = rows.image(number), rows
        return content

    def signature(self) -> str:
        self.entries()  # raises for a file that is not a table before its bytes are hashed, which can be very many
        lines = [f"{table.name}\t{file_sha256(table)}" for table in self.tables]
        for entry in self._entries:
            path = entry.ref.path
            if path is not None:
                lines.append(f"{entry.where}\t{self._pictures.state(path)}")
        return hash_lines(lines)


def _find_tables(path: Path) -> list[Path]:
    inside = [] if path.is_file() else [p for p in path.iterdir() if not p.name.startswith(".")]  # macOS's ._x.csv
    tables = sorted(p for p in inside or [path] if p.suffix.lower() in READERS)
    folder = next((table for table in tables if table.is_dir()), None)
    if folder is not None:
        raise UserError(f"{folder} is a folder, not a table; to read the tables in it, set data.path to it")
    kinds = {table.suffix.lower() for table in tables}
    if len(kinds) != 1 or kinds - set(READERS):
        found = list_folders(path) if path.is_dir() else path.name
        raise UserError(
            f"{path} is not a table or a folder of tables in one format; found {found}; expected {_EXPECTED}"
        )
    return tables


def _decode(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _texts(value: Any) -> list[object]:
    """Returns the captions in a cell; ingest later rejects empty cells and values that are not strings."""
    items = ["" if item is None else item for item in (value if isinstance(value, list) else [value])]
    texts = [text for item in items for text in (_parse_list_cell(item) or [item])]
    return [_restore_bytes(reject_if_long(_reject_if_nested(text))) for text in texts]


def _reject_if_nested(text: object) -> object:
    """Replaces a list or an object, which is no caption and can be large, by RejectedText."""
    return RejectedText(f"not a string: {short_repr(text)!r}") if isinstance(text, list | dict) else text


def _parse_list_cell(cell: object) -> list[str]:
    """Returns the strings in a cell that has a list literal in JSON or Python syntax: '["a bird", "a cat"]'."""
    if not isinstance(cell, str | bytes) or len(cell) > MAX_LIST:
        return []
    text = _decode(cell)
    if not text.strip().startswith("["):
        return []
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
            return found
    return []


def _restore_bytes(text: object) -> object:
    """Restores the bytes of a CSV cell that was not UTF-8; returns other values unchanged."""
    if isinstance(text, str) and any("\udc80" <= char <= "\udcff" for char in text):
        return text.encode("utf-8", "surrogateescape")
    return text
