"""Checks cache.json, which lists the size and sha256 of every other file of a cache and is written last."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256, resolve_links
from hspcgan.model.common.user_files import (
    MAX_JSON,
    UnfitFileError,
    decode_utf8,
    is_local,
    read_bytes,
    require_characters,
)
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.fingerprint import fingerprint

REBUILD_HINT = "rebuild the cache with `hspcgan prepare MANIFEST --rebuild`"
COUNTS = ("rows_in", "samples", "captions", "rejects", "phrases", "tokens", "empty_graphs", "truncated")
ANY = "*"  # any field of an object
OPTIONAL = {
    "parser": {"alignment": {ANY: int}},
    "stages": {"ingest": {"data": {}}, "encode": {"tokens": bool}},
}
"""The types of fields that an object may lack."""
NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def unreadable_error(path: Path, error: Exception, what: str = "") -> Exception:
    """Returns the error to raise for a file of a cache that a library cannot read.

    A damaged file is a UserError that advises a rebuild; other causes are reported as they are: a lock, a missing
    permission, a failing disk.
    """
    if "unable to lock file" in str(error):
        return UserError(f"{path} is locked by another process, or its file system has no locks ({error}); set "
                         "HDF5_USE_FILE_LOCKING=FALSE in the environment, or wait for that process")  # fmt: skip
    if "h5clear" in str(error):  # HDF5 marks a file that a program opens for writing
        return UserError(f"{path} is open for writing in another program, or was when that program was killed; close "
                         f"the program, or remove the mark with `h5clear -s {path}`")  # fmt: skip
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, os.strerror(error.errno), str(path))
    reason = " ".join((f"{what} ({error})" if what else str(error)).split())
    return UserError(f"{path} is truncated or damaged: {reason}; {REBUILD_HINT}")


def work_folder(target: Path) -> Path:
    """Returns `CACHE.partial`, the folder in which the cache for `target` is built."""
    place = resolve_links(target) if target.name in ("", "..") else target
    return place.parent / f"{place.name}.partial"


def discarded_folder(target: Path) -> Path:
    """Returns the path to which the work folder of a finished cache is renamed before it is removed."""
    return target.with_name(f".{target.name}.spent")


def with_sha256(info: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields plus `sha256`, the hash of the fields as sorted JSON, which detects later changes."""
    fields = {name: value for name, value in info.items() if name != "sha256"}
    return {**fields, "sha256": fingerprint(fields)}


def size_and_sha256(path: Path, report: Callable[[int], object] = lambda count: None) -> dict[str, Any]:
    """Returns {size, sha256} of a file, for `files` in cache.json; `report` is called with each block's size."""
    return {"size": path.stat().st_size, "sha256": file_sha256(path, report)}


def read_info(path: Path) -> dict[str, Any]:
    """Reads a local or remote cache.json. Raises UserError, with the fix, if it is damaged or has another format."""
    return parse_info(read_raw(path), path)


def read_raw(path: Path) -> bytes:
    """Returns the content of a cache.json; UserError if it is larger than MAX_JSON, which the file of a URL may be."""
    try:
        return read_bytes(path, MAX_JSON) if is_local(path) else path.read_bytes()
    except UnfitFileError as error:
        raise UserError(f"{error}; move its folder away and {REBUILD_HINT}") from error


def parse_info(raw: bytes, path: Path) -> dict[str, Any]:
    """Like `read_info`, for bytes that were already read from `path`."""
    try:
        info = _object(decode_utf8(raw, path.name))
        require_characters(info, Path(path.name))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); move its folder away and {REBUILD_HINT}") from error
    if info.get("format") is True or info.get("format") != schema.FORMAT:
        raise UserError(
            f"{path.parent} has format {json.dumps(info.get('format'))[:40]}, but this version reads "
            f"{schema.FORMAT}; {REBUILD_HINT}"
        )
    files = info.get("files")
    if isinstance(files, dict) and schema.FEATURES_FILE in files and schema.INDEX_FILE not in files:
        raise UserError(f"{path.parent} has an older layout without {schema.INDEX_FILE}; {REBUILD_HINT}")
    wrong = list(_type_errors(info, _expected_types(info))) or list(_type_errors(info, OPTIONAL, required=False))
    wrong = wrong or [
        f"counts.{name} is 0, expected at least 1" for name in schema.NEVER_EMPTY if not info["counts"][name]
    ]
    templates = info["templates"].items() if not wrong else ()
    wrong += [
        f"templates.{kind} is {text[:40]!r}, expected one {{}}" for kind, text in templates if text.count("{}") != 1
    ]
    if wrong:
        raise UserError(f"{path} is damaged: {'; '.join(wrong)}; {REBUILD_HINT}")
    if with_sha256(info) != info:
        raise UserError(f"{path} is damaged: its fields do not match its sha256; {REBUILD_HINT}")
    return info


def _object(raw: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except RecursionError:
        raise UserError("nested too deeply") from None
    except ValueError as error:  # Python's message for a long integer recommends to raise its limit
        raise UserError(str(error).partition(";")[0]) from error
    if not isinstance(value, dict):
        raise UserError(f"expected an object, got {NAMES[type(value)]}")
    return value


def _expected_types(info: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the required fields of format 1 with their types.

    A dict stands for a JSON object with at least these fields, [int] for a list of integers.
    """
    optional = {"taps": {"clip_sha256": str, "views": [str], "blocks": [int]}, "store": {"format": str}}
    return {
        "fingerprint": str, "sha256": str, "normalised": bool, "image_size": int, "tools": {},
        "parser": {"annotator": str},
        "counts": dict.fromkeys(COUNTS, int), "templates": dict.fromkeys(schema.KINDS, str),
        "clip": {"name": str, "sha256": str, "embed_dim": int, "context_length": int},
        **{name: fields for name, fields in optional.items() if name in info},
        "stages": {stage: {} for stage in schema.stages_of(info)},
        "files": {name: {"size": int, "sha256": str} for name in schema.contents_of(info)},
    }  # fmt: skip


def _type_errors(value: Any, shape: Any, name: str = "", required: bool = True) -> Iterator[str]:
    kind = type(shape) if isinstance(shape, dict | list) else shape
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        yield f"{name} is {json.dumps(value)[:40]}, expected {NAMES[kind]}"
    elif isinstance(value, int) and not 0 <= value < 2**63:
        yield f"{name} is {json.dumps(value)[:40]}, expected a number from 0 to 2^63 − 1"
    elif kind is list:
        for number, item in enumerate(value):
            yield from _type_errors(item, shape[0], f"{name}.{number}", required)
    elif kind is dict:
        for key, inner in (dict.fromkeys(value, shape[ANY]) if ANY in shape else shape).items():
            path = f"{name}.{key}" if name else key
            if key in value:
                yield from _type_errors(value[key], inner, path, required)
            elif required:
                yield f"{path} is missing"
