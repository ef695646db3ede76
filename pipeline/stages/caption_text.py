"""Caption texts → clean captions for ingest: one line of visible, normalised Unicode, or the reason of a reject."""

import html
import re
import unicodedata

from hspcgan.model.errors import UserError

MAX_WORDS, MAX_CHARACTERS = 1000, 10_000
"""Longer texts are not captions: CLIP reads 77 tokens, and a parser's time grows with the length."""
_TAG = re.compile(r"<[/!?]?[A-Za-z-][^<>]*>")  # no nesting, so that its time grows with the text's length alone
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_JOINERS = "\u200c\u200d"
"""Invisible, but they shape Persian words and hold emoji together."""


def clean_caption(text: object) -> str:
    """
    A caption in NFC on one line.

    HTML tags become spaces and entities their characters; control characters, U+FFFD and runs of white space become
    single spaces; invisible format characters (byte order marks, direction overrides, soft hyphens) go. Emoji,
    right-to-left and any other script stay. Conceptual 12M's <PERSON>, which stands for a name, becomes "person".
    Raises UserError with the reason for a value that is not a text (bytes are read as UTF-8), is not valid Unicode, is
    empty, has no letter or digit, or is longer than 1,000 words or 10,000 characters.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    if not isinstance(text, str):
        raise UserError(f"not a text: {str(text)[:40]!r}")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UserError("not valid Unicode: a lone surrogate")
    plain = _ENTITY.sub(lambda found: html.unescape(found[0]), _TAG.sub(_word, text))
    clean = " ".join(unicodedata.normalize("NFC", "".join(map(_visible, plain))).split())
    if not clean:
        raise UserError("only control characters or markup" if text.strip() else "empty")
    if not any(char.isalnum() for char in clean):
        raise UserError(f"no letter or digit: {clean[:40]!r}")
    words = clean.count(" ") + 1
    if words > MAX_WORDS or len(clean) > MAX_CHARACTERS:
        raise UserError(f"{words:,} words, {len(clean):,} characters; a caption has {MAX_WORDS:,} words at most, and "
                         f"{MAX_CHARACTERS:,} characters")  # fmt: skip
    return clean


def _word(tag: re.Match[str]) -> str:
    return " person" if tag[0] == "<PERSON>" else " "


def _visible(char: str) -> str:
    """The character, a space for a control or replacement character, nothing for a format character."""
    kind = unicodedata.category(char)
    if kind == "Cc" or char == "\ufffd":
        return " "
    return "" if kind == "Cf" and char not in _JOINERS else char
