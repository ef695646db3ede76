"""Reads files that the user chose, as bytes, lines, strings or JSON; rejects large files, pipes and devices."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hspcgan.model.common.errors import UserError

MAX_BYTES = 2**28
"""Default size limit of a file that is read as a whole: 268 MB."""

MAX_TEXT = 2**26
"""Default size limit of a text or JSON file: 67 MB."""

MAX_JSON = 2**24
"""Size limit of a JSON file that describes a cache, a shard or a checkpoint: 17 MB; such files have some kB."""

MAX_LINE = 2**24
"""Size limit for a line, in bytes."""

LONGEST_NAME = 255
"""Size limit for the name of a file or folder, in bytes, on all common file systems."""

KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket",
         stat.S_IFDIR: "a folder", stat.S_IFREG: "a file"}  # fmt: skip

MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
         codecs.BOM_UTF16_BE: "UTF-16"}  # fmt: skip
"""Byte order marks of other encodings; those of UTF-32 come first, since one begins with a mark of UTF-16."""

ZEROS = {b"\1\0\1\0": "UTF-16LE", b"\0\1\0\1": "UTF-16BE", b"\1\0\0\0": "UTF-32LE", b"\0\0\0\1": "UTF-32BE"}
"""The zeros among the first four bytes of a text that begins with ASCII characters, not with a mark."""


class RepeatedKeyError(UserError):
    """The error for a JSON object with a key that occurs twice, since only one of its values could be used."""


class UnfitFileError(UserError, OSError):
    """The error for a path that is not a regular file, or for a file that is too large.

    It is also an OSError, so that code that handles read errors handles this one too.
    """


def open_regular(path: Path, limit: int | None = None) -> BinaryIO:
    """
    Opens a regular file for reading; other files are rejected, because opening a pipe can block.

    Raises UnfitFileError for pipes, devices, sockets, folders and files of more than `limit` bytes, and the OSErrors of
    `open`. A URL (`UPath`) is opened by its library, without these checks.
    """
    if not is_local(path):
        return path.open("rb")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except UnicodeEncodeError as error:
        raise UnfitFileError(f"the file name is not valid Unicode: {str(path)!r}") from error
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # ENXIO: a socket, or a device that is not there
            raise
        raise UnfitFileError(f"expected a regular file, got {kind_of(path)}: {path}") from error
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise UnfitFileError(f"expected a regular file, got {_kind(state)}: {path}")
        if limit is not None and state.st_size > limit:
            raise UnfitFileError(f"the file has {state.st_size:,} bytes, more than the {limit:,} allowed: {path}")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def kind_of(path: Path) -> str:
    """Returns what a local path is, for a message: "a file", "a folder", "a pipe", "a link to nothing" …"""
    try:
        return _kind(path.stat())
    except OSError as error:
        return "a link that points back to itself" if error.errno == errno.ELOOP else "a link to nothing"


def no_file(path: Path) -> str:
    """Returns what a message says of a path that is not a file: "no such file", or "a folder, expected a file" …"""
    return f"{kind_of(path)}, expected a file" if os.path.lexists(path) else "no such file"


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Returns the content of a regular file of at most `limit` bytes; raises the errors of `open_regular`."""
    with open_regular(path, limit) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:  # of a failing disk; unlike an error of `open`, it does not name the file
            error.filename = str(path)
            raise
    if len(data) > limit:
        raise UnfitFileError(f"the file has more than the {limit:,} bytes allowed: {path}")
    return data


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """Returns the content of a UTF-8 file without a byte order mark; raises the errors of `decode_utf8`."""
    return decode_utf8(read_bytes(path, limit), path)


def decode_utf8(data: bytes, path: Path | str) -> str:
    """Decodes the content of a UTF-8 file, without a byte order mark.

    If it is not UTF-8, raises UserError with the path, and the encoding or the position of the first invalid byte.
    """
    require_utf8(data, path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: not UTF-8: {error.reason} at byte {error.start}; save the file as UTF-8"
        ) from error


def require_utf8(data: bytes, path: Path | str) -> None:
    """Raises UserError, with a command that converts the file, if the first bytes of a text are UTF-16 or UTF-32."""
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    name = marked or ZEROS.get(bytes(map(bool, data[:4])))
    if name is not None:
        raise UserError(
            f"{path} is encoded in {name}, expected UTF-8; convert it with `iconv -f {name} -t UTF-8 FILE > NEW_FILE`"
        )


def read_pointer(path: Path, wanted: str) -> Path:
    """Returns the checkpoint that the first line of a file such as `checkpoints/latest` names, a folder next to it.

    Raises UserError if the file is empty or names a folder elsewhere, or if that folder does not contain the file
    `wanted`.
    """
    name = next(iter(read_text(path).strip().splitlines()), "")
    found = path.parent / name
    problem = ""
    if not name:
        problem = "is empty"
    elif name == ".." or Path(name).name != name:
        problem = f"contains {name[:100]}, which is not the name of a folder next to it"
    elif not os.path.isfile(found / wanted):  # False also for a name that no file can have
        problem = f"names {name[:100]}, which is missing"
    if problem:
        raise UserError(f"{path} {problem}; write the name of a complete checkpoint to this file")
    return found


def read_json(path: Path, limit: int = MAX_TEXT) -> Any:
    """Returns the parsed content of a JSON file.

    If the file is not valid JSON, raises UserError with the path, line and column.
    """
    text = read_text(path, limit)
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} is not valid JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; thousands of brackets
        raise UserError(f"{path} cannot be read as JSON: {json_problem(error)}") from error


def parse_json(text: str | bytes) -> Any:
    """Parses JSON as `json.loads` does, but raises RepeatedKeyError where that would use the last of several values."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise RepeatedKeyError(f"the key {next(key for key in counts if counts[key] > 1)[:60]!r} occurs twice")
    return found


def as_path(value: object, what: str) -> Path:
    """Returns a path; raises UserError, which names `what`, for another type or a name that is too long for a file."""
    if not isinstance(value, str | Path):
        raise UserError(f"expected the path of {what}, got a value of type {type(value).__name__}")
    path = Path(value)
    longest = max((len(part.encode(errors="surrogatepass")) for part in path.parts), default=0)
    if longest > LONGEST_NAME:
        raise UserError(
            f"the path of {what} has a name of {longest:,} bytes, at most {LONGEST_NAME} are allowed; shorten it"
        )
    return path


def json_problem(error: Exception) -> str:
    """Returns why `parse_json` failed, from a ValueError or RecursionError; the line only if the text has several."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not {error.encoding.upper()}"
    if isinstance(error, RepeatedKeyError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        if "\n" not in error.doc.strip():
            return f"{error.msg.removesuffix(' at')} at column {error.pos + 1}"
        return f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
    return "a number has too many digits"


def require_characters(content: Any, path: Path) -> None:
    """Raises UserError if parsed JSON contains a lone surrogate, which cannot be encoded as UTF-8."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{path} contains a lone surrogate, not a valid character") from error


def lines_of(file: BinaryIO, path: Path, limit: int = MAX_LINE, longest: int = 0) -> Iterator[bytes]:
    """Yields the lines of an open file; raises UserError for UTF-16, and if a line has more than `limit` bytes.

    A line of up to about `longest` bytes is no error: its first `limit` + 1 bytes are yielded, the others skipped.
    """
    for number, line in enumerate(iter(lambda: file.readline(limit + 1), b"")):
        if number == 0:
            require_utf8(line, path)
        size, rest = len(line), line
        while limit < size <= longest and rest and not rest.endswith(b"\n"):
            rest = file.readline(limit)
            size += len(rest)
        if size > max(limit, longest):
            raise UserError(f"{path} has a line of more than {max(limit, longest):,} bytes; give a text file")
        yield line


def is_local(path: Path) -> bool:
    """Returns whether a path is a local path, not a URL."""
    return getattr(path, "protocol", "") in ("", "file", "local")


def _kind(state: os.stat_result) -> str:
    return KINDS.get(stat.S_IFMT(state.st_mode), "another kind of file")
