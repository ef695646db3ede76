"""A caption as HTML with its entities, attributes and relations marked; everything in it is escaped."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

REACH = 6  # tokens: how far a word may lie from the index that the parser gave it, since tokenizers differ


def marked(caption: dict[str, Any]) -> Markup:
    """The text with a `<mark>` of class entity, attribute or relation around each word that says one."""
    text = caption["text"]
    kinds = _kinds(caption)
    parts, at = [], 0
    for start, end, kind in _runs(text, kinds):
        parts.append(escape(text[at:start]))
        parts.append(Markup('<mark class="{}">{}</mark>').format(kind, text[start:end]))
        at = end
    parts.append(escape(text[at:]))
    return Markup("").join(parts)


def _kinds(caption: dict[str, Any]) -> dict[tuple[int, int], str]:
    """Token span → kind; an entity's head stays one, whatever else a word is part of."""
    tokens = [match.span() for match in re.finditer(r"\w+|[^\w\s]", caption["text"])]
    words = [caption["text"][start:end].lower() for start, end in tokens]
    kinds: dict[tuple[int, int], str] = {}
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
    """Whether a word can be a form of the lemma: perched, perch; flies, fly; but not bird, beak."""
    return word == lemma or (len(lemma) > 2 and word.startswith(lemma[: max(2, len(lemma) - 1)]))


def _runs(text: str, kinds: dict[tuple[int, int], str]) -> list[tuple[int, int, str]]:
    """Spans in order, neighbours of one kind with nothing but space between them taken together."""
    runs: list[tuple[int, int, str]] = []
    for (start, end), kind in sorted(kinds.items()):
        if runs and runs[-1][2] == kind and not text[runs[-1][1] : start].strip():
            runs[-1] = (runs[-1][0], end, kind)
        else:
            runs.append((start, end, kind))
    return runs
