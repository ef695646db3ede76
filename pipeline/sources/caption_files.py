"""The captions of one image in NAME.txt and NAME.json: which file counts, and what in it is a caption."""

import json
from typing import Any

from hspcgan.model.common.errors import UserError


def captions_of(text: bytes | None, content: bytes | None, name: str, lines: bool) -> tuple[object, ...]:
    """
    The captions of an image; `text` and `content` are its .txt and its .json, None where it has no such file.

    The .txt counts; the .json where there is no .txt, where that is empty, or where the .json has more captions.
    `lines`: each line of the .txt is a caption, else the whole text.
    Raises UserError with the reason where neither has one.
    """
    written = _in_text(text, lines) if text is not None else ()
    if content is None:
        if not written:
            raise UserError(f"no captions: {name}.txt is empty" if text is not None else f"no captions of {name}")
        return written
    try:
        listed = _in_json(content, name)
    except UserError:
        if not written:
            raise
        return written
    return listed if len(listed) > len(written) else written


def _in_text(text: bytes, lines: bool) -> tuple[object, ...]:
    if not text.strip():
        return ()
    return tuple(text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").splitlines()) if lines else (text,)


def _in_json(content: bytes, name: str) -> tuple[object, ...]:
    """`captions` (a list or a text), else `caption`, of a JSON object."""
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
