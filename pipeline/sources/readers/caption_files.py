"""Reads the captions of one image from NAME.txt or NAME.json."""

import json
from collections.abc import Sequence
from typing import Any

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import require_utf8
from hspcgan.pipeline.sources.fingerprints import MAX_CAPTION_BYTES

MAX_CAPTIONS = 1000
"""Captions of one image; a shard has 128 images. All of them together may have MAX_CAPTION_BYTES."""


def captions_of(text: bytes | None, content: bytes | None, name: str, lines: bool) -> tuple[object, ...]:
    """
    Returns the captions of an image; `text` and `content` are the contents of its .txt and .json, None if absent.

    The .txt is used, unless it is absent or empty or the .json has more captions. `lines`: each line of the .txt is a
    caption; otherwise the whole file is one caption. A JSON list in a .txt is read as a list of captions. Raises
    UserError with the reason if neither has a caption, if the .txt is UTF-16 or UTF-32, or for too many captions.
    """
    captions = _captions_of(text, content, name, lines)
    require_few(captions, name)
    return captions


def require_few(captions: Sequence[object], name: str) -> None:
    """Raises UserError if the captions of an image are more than MAX_CAPTIONS, or than MAX_CAPTION_BYTES together."""
    if len(captions) > MAX_CAPTIONS:
        raise UserError(f"{len(captions):,} captions for {name}, more than the {MAX_CAPTIONS:,} allowed")
    size = sum(len(text) for text in captions if isinstance(text, str | bytes))
    if size > MAX_CAPTION_BYTES:
        raise UserError(f"captions of {size:,} characters for {name}, more than the {MAX_CAPTION_BYTES:,} allowed")


def _captions_of(text: bytes | None, content: bytes | None, name: str, lines: bool) -> tuple[object, ...]:
    written = _in_text(text, name, lines) if text is not None else ()
    if content is None:
        if not written:
            raise UserError(f"no captions: {name}.txt is empty" if text is not None else f"no captions for {name}")
        return written
    try:
        listed = _in_json(content, name)
    except UserError:
        if not written:
            raise
        return written
    return listed if len(listed) > len(written) else written


def _in_text(text: bytes, name: str, lines: bool) -> tuple[object, ...]:
    if not text.strip():
        return ()
    require_utf8(text, f"{name}.txt")
    try:
        listed = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list) and listed:
        return tuple(listed)
    return tuple(text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").splitlines()) if lines else (text,)


def _in_json(content: bytes, name: str) -> tuple[object, ...]:
    """Returns the captions in a JSON object: in `captions`, or in `caption` if there is no `captions`."""
    try:
        found: Any = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"not valid JSON: {name}.json: {reason}") from error
    captions = found.get("captions", found.get("caption")) if isinstance(found, dict) else None
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not captions:
        wanted = '{"captions": ["…", …]} or {"caption": "…"}'
        raise UserError(f"no captions: {name}.json has {str(found)[:60]!r}, expected {wanted}")
    return tuple(captions)
