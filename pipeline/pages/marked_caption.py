"""Renders a caption as HTML with its entities, attributes and relations marked; all strings are escaped."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

REACH = 6  # largest distance in tokens from the index given by the parser, since tokenizers differ
Span = tuple[int, int]  # start and end of a word in its caption, in characters


def marked(caption: dict[str, Any], changed: Collection[Span] = ()) -> Markup:
    """Returns the caption with a `<mark>` around each entity, attribute or relation word; its CSS class states which.

    Words in `changed` are wrapped in `<ins>`, which underlines them.
    """
    text, kinds = caption["text"], _kinds(caption)
    parts, at = [], 0
    for start, end, kind, is_changed in _runs(text, {**dict.fromkeys(changed, ""), **kinds}, changed):
        word = escape(text[start:end])
        word = Markup("<ins>{}</ins>").format(word) if is_changed else word
        parts += [escape(text[at:start]), Markup('<mark class="{}">{}</mark>').format(kind, word) if kind else word]
        at = end
    return Markup("").join([*parts, escape(text[at:])])


def changed_words(before: str, after: str) -> list[Span]:
    """Returns the spans of the words in `after` that have no matching word in `before`."""
    old, new = ([text[start:end].lower() for start, end in words_of(text)] for text in (before, after))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {i for block in blocks for i in range(block.b, block.b + block.size)}
    return [span for i, span in enumerate(words_of(after)) if i not in kept]


def words_of(text: str) -> list[Span]:
    """Returns the spans of the words and punctuation marks in a caption."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def _kinds(caption: dict[str, Any]) -> dict[Span, str]:
    """Maps each word to its kind; words in an entity are "entity", even if also part of a relation or attribute."""
    tokens = words_of(caption["text"])
    words = [caption["text"][start:end].lower() for start, end in tokens]
    kinds: dict[Span, str] = {}
    for kind, rows in (("relation", caption["relations"]), ("attribute", caption["attributes"])):
        for row in rows:
            for lemma in row["text"].lower().split():
                near = [i for i, word in enumerate(words) if _same(word, lemma) and abs(i - row["word"]) <= REACH]
                if near:
                    kinds[tokens[min(near, key=lambda i: abs(i - row["word"]))]] = kind
    for row in caption["entities"]:
        for span in tokens:
            if row["start"] <= span[0] and span[1] <= row["end"]:
                kinds[span] = "entity"
    return kinds


def _same(word: str, lemma: str) -> bool:
    """Whether a word may be a form of a lemma: "perched" for "perch", "flies" for "fly", but not "bird" for "beak"."""
    return word == lemma or (len(lemma) > 2 and word.startswith(lemma[: max(2, len(lemma) - 1)]))


def _runs(text: str, kinds: dict[Span, str], changed: Collection[Span]) -> list[tuple[int, int, str, bool]]:
    """Returns spans (start, end, kind, changed) in order; equal spans with only spaces between them are joined."""
    runs: list[tuple[int, int, str, bool]] = []
    for (start, end), kind in sorted(kinds.items()):
        look = (kind, (start, end) in changed)
        if runs and runs[-1][2:] == look and not text[runs[-1][1] : start].strip():
            runs[-1] = (runs[-1][0], end, *look)
        else:
            runs.append((start, end, *look))
    return runs
