"""Cleans captions for ingest: one line of visible, normalised Unicode, or the reason for rejecting the caption."""

import html
import re
import unicodedata
from html.entities import html5

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.sources.base import MAX_CHARACTERS, RejectedText, reject_if_long

MAX_WORDS = 1000
"""Longer strings are not captions: CLIP reads 77 tokens, and the time to parse grows with the length."""
_TAGS = (
    "a|abbr|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|canvas|caption|center|cite|code|col|"
    "data|dd|del|details|dfn|dialog|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|"
    "html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|menu|meta|nav|noscript|object|ol|option|p|param|"
    "picture|pre|q|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "template|textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr"
)
"""HTML elements; other words in angle brackets are kept as words of the caption."""

_ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'=<>]+)"""
_TAG = re.compile(rf"</?(?:{_TAGS})(?:{_ATTRIBUTE})*\s*/?>|<![A-Za-z-][^<>]*>|<\?[A-Za-z][^<>]*>|(?-i:<PERSON>)", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_JOINERS = "\u200c\u200d"
"""Invisible characters that are kept, since Persian words and joined emoji need them."""


def clean_caption(text: object) -> str:
    """
    Returns a caption in NFC on one line.

    HTML tags become spaces and entities become characters; control characters, U+FFFD and runs of white space become
    single spaces; invisible format characters (byte order marks, direction overrides, soft hyphens) are removed. Emoji
    and all scripts, also right-to-left, are kept. <PERSON>, which replaces names in Conceptual 12M, becomes "person".
    Raises UserError with the reason for a value that is not a string (bytes are decoded as UTF-8), is not valid
    Unicode, is empty, has no letter or digit, or is longer than 1,000 words or 10,000 characters.
    """
    text = reject_if_long(text)
    if isinstance(text, RejectedText):
        raise UserError(text.why)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    if isinstance(text, str) and len(text) > 3 and 3 * text.count("\0") >= len(text):
        raise UserError("the text is UTF-16 or UTF-32 without a byte order mark; save it as UTF-8")
    if not isinstance(text, str):
        raise UserError(f"not a string: {beginning(text)!r}")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UserError("not valid Unicode: the text has a lone surrogate")
    plain = _ENTITY.sub(_character, _TAG.sub(_word, text))
    visible = " ".join("".join(map(_visible, plain)).split())
    _require_short(visible)  # first, since the time to normalise combining marks grows with the square of their number
    clean = " ".join(unicodedata.normalize("NFC", visible).split())
    if not clean:
        raise UserError("only control characters or markup" if text.strip() else "empty")
    if not any(char.isalnum() for char in clean):
        raise UserError(f"no letter or digit: {clean[:40]!r}")
    _require_short(clean)
    return clean


def beginning(value: object) -> str:
    """Returns the first 40 characters of a value as text, for a message."""
    try:
        return str(value)[:40]
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def _require_short(text: str) -> None:
    words = text.count(" ") + 1
    if words > MAX_WORDS or len(text) > MAX_CHARACTERS:
        raise UserError(
            f"{format_count(words, 'word')}, {len(text):,} characters; a caption may have up to {MAX_WORDS:,} words "
            f"and {MAX_CHARACTERS:,} characters"
        )


def _word(tag: re.Match[str]) -> str:
    return " person" if tag[0] == "<PERSON>" else " "


def _character(entity: re.Match[str]) -> str:
    """Returns the character of an entity, or an unknown entity as it is; `html.unescape` reads "&notes;" as "¬es;"."""
    return html.unescape(entity[0]) if entity[0][1] == "#" else html5.get(entity[0][1:], entity[0])


def _visible(char: str) -> str:
    """Returns the character, a space for a control or replacement character, or "" for a format character."""
    kind = unicodedata.category(char)
    if kind == "Cc" or char == "\ufffd":
        return " "
    return "" if kind == "Cf" and char not in _JOINERS else char
