"""Reads the captions of one image from NAME.txt or NAME.json."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import json_problem, parse_json, require_utf8
from hspcgan.pipeline.sources.base import RejectedText, short_repr
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES

MAX_CAPTIONS = 1000
"""Captions of one image; a shard has 128 images. All of them together may have MAX_CAPTION_BYTES."""


class _EmptyError(UserError):
    """The error for a file without captions, in which nothing is lost if another file is used."""


def captions_of(files: Mapping[str, Callable[[], bytes]], name: str, lines: bool) -> tuple[object, ...]:
    """
    Returns the captions of an image; `files` maps the suffixes .txt and .json to functions that read the files.

    The .txt is used, unless it has no captions or the .json has more. Captions that only the other file has, and the
    reason why the other file cannot be read, follow as RejectedText. `lines`: each line of the .txt is a caption;
    otherwise the whole file is one caption. A JSON list in a .txt is read as a list of captions. Raises UserError with
    the reasons if no file has captions, and for too many captions.
    """
    found: dict[str, tuple[object, ...]] = {}
    problems: list[UserError] = []
    for suffix in sorted(files, reverse=True):  # .txt first
        try:
            content = files[suffix]()
            found[suffix] = _in_text(content, name, lines) if suffix == ".txt" else _in_json(content, name)
        except UserError as error:
            problems.append(error)
    if not found:
        raise UserError("; ".join(map(str, problems)) or f"no captions for {name}")
    used = max(found, key=lambda suffix: len(found[suffix]))  # the first of several
    require_few(found[used], name)
    known = {"", *map(_words, found[used])}
    others = [text for suffix in found for text in found[suffix] if _words(text) not in known]
    whys = [f"{name}{used} is used, which does not have the caption {short_repr(_decode(text))}" for text in others]
    whys += [str(error) for error in problems if not isinstance(error, _EmptyError)]
    return found[used] + tuple(map(RejectedText, whys))


def require_few(captions: Sequence[object], name: str) -> None:
    """Raises UserError if the captions of an image are more than MAX_CAPTIONS, or than MAX_CAPTION_BYTES together."""
    if len(captions) > MAX_CAPTIONS:
        raise UserError(f"{len(captions):,} captions for {name}, more than the {MAX_CAPTIONS:,} allowed")
    size = sum(len(text) for text in captions if isinstance(text, str | bytes))
    if size > MAX_CAPTION_BYTES:
        raise UserError(f"captions of {size:,} characters for {name}, more than the {MAX_CAPTION_BYTES:,} allowed")


def _words(text: object) -> str:
    """Returns what captions are compared by: their words, since a file may end with a line break."""
    text = _decode(text)
    return " ".join(text.split()) if isinstance(text, str) else short_repr(text)


def _decode(text: object) -> object:
    return text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text


def _in_text(text: bytes, name: str, lines: bool) -> tuple[object, ...]:
    if not text.strip():
        raise _EmptyError(f"no captions: {name}.txt is empty")
    require_utf8(text, f"{name}.txt")
    try:
        listed = parse_json(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list) and listed:
        return tuple(listed)
    return tuple(text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").splitlines()) if lines else (text,)


def _in_json(content: bytes, name: str) -> tuple[object, ...]:
    """Returns the captions in a JSON object: in `captions`, or in `caption` if there is no `captions`."""
    try:
        found: Any = parse_json(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON: {name}.json: {json_problem(error)}") from error
    captions = found.get("captions", found.get("caption")) if isinstance(found, dict) else None
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not captions:
        wanted = '{"captions": ["…", …]} or {"caption": "…"}'
        lost = captions if isinstance(found, dict) else found
        kind = UserError if lost else _EmptyError
        raise kind(f"no captions: {name}.json has {str(found)[:60]!r}, expected {wanted}")
    return tuple(captions)
