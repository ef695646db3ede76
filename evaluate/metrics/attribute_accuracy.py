"""Tests whether images show the attributes in their captions: a scorer compares each caption with wrong versions.

A wrong version differs in one word or phrase: another colour, the other size or beak length, another place or
relation, or an omitted object. A choice is right if the image is closest to the caption itself. The score of real
images with the same captions is the ceiling, since no scorer is perfect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.colour_swap import COLOURS
from hspcgan.evaluate.metrics.cosine import unit

KINDS = ("colour", "size", "length", "place", "relation", "presence")
PAIRS = {"size": ("small", "large"), "length": ("short", "long")}
RELATIONS = ("beside", "under", "above")
PLACES = {  # place → clause in a caption
    "branch": "is perched on a branch",
    "grass": "stands on the grass",
    "water": "swims on the water",
    "sky": "flies in the sky",
}
THINGS = ("crest", "collar", "flower", "nest")
BLOCK = 256  # number of captions to encode together with their wrong versions

_COLOUR = "|".join((*COLOURS, "grey"))
_NAMED_COLOUR = re.compile(rf"\b(?:(an?) )?({_COLOUR})\b")
_PLACE = re.compile(rf"\b(?:is \w+(?:ed|ing)|\w+s) (?:on|in) (?:a|the) ({'|'.join(PLACES)})\b")
_THERE = re.compile(rf"^there is an? (?:(?:{_COLOUR}) )?\w+ (?:{'|'.join(RELATIONS)}) ")


@dataclass(frozen=True)
class NamedAttribute:
    """An attribute in a caption, and versions of the caption in which this attribute is wrong."""

    kind: str  # one of KINDS
    word: str  # such as red, small, branch, beside, crest
    wrong: list[str]  # the caption with each wrong alternative


@dataclass(frozen=True)
class Choice:
    """The scorer's choice for one attribute of caption `row`; right if the caption scores above all wrong versions."""

    row: int
    kind: str
    word: str
    right: bool


def named_attributes(text: str) -> Iterator[NamedAttribute]:
    """Yields every attribute in a caption, with versions of the caption in which this attribute is wrong.

    "a small bird flies in the sky" → ("size", "small", ["a large bird flies in the sky"]),
    ("place", "sky", ["a small bird is perched on a branch", …]).
    """
    for match in _NAMED_COLOUR.finditer(text):
        others = [colour for colour in COLOURS if colour != match[2].replace("grey", "gray")]
        wrong = [_replaced(text, match, _with_article(match[1], colour)) for colour in others]
        yield NamedAttribute("colour", match[2], wrong)
    for kind, pair in PAIRS.items():
        for match in re.finditer(rf"\b({'|'.join(pair)})\b", text):
            yield NamedAttribute(kind, match[1], [_replaced(text, match, pair[1 - pair.index(match[1])])])
    for match in _PLACE.finditer(text):
        others = [clause for place, clause in PLACES.items() if place != match[1]]
        yield NamedAttribute("place", match[1], [_replaced(text, match, clause) for clause in others])
    for match in re.finditer(rf"\b({'|'.join(RELATIONS)})\b", text):
        others = [word for word in RELATIONS if word != match[1]]
        yield NamedAttribute("relation", match[1], [_replaced(text, match, word) for word in others])
    for thing in THINGS:
        if (without := _without(text, thing)) is not None:
            yield NamedAttribute("presence", thing, [without])


def attribute_accuracy(inputs: MetricInput) -> list[Measurement]:
    """Returns one value per kind of attribute: the share of correct choices.

    The result table stores this share for each caption, and the choices in the column `attributes`.
    """
    found = _choices(inputs)
    by_kind = [_share_correct(kind, [one for one in found if one.kind == kind]) for kind in KINDS]
    parts = [part for part in by_kind if part is not None]
    if parts:
        attributes: dict[int, list[dict[str, Any]]] = {}
        for one in found:
            attributes.setdefault(one.row, []).append({"kind": one.kind, "word": one.word, "right": one.right})
        parts[0] = replace(parts[0], details={"attributes": attributes})
    return parts


def caption_accuracy(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of captions for which all choices are correct."""
    rows: dict[int, bool] = {}
    for one in _choices(inputs):
        rows[one.row] = rows.get(one.row, True) and one.right
    return [intervals.share(rows)] if rows else []


def choices(
    images: np.ndarray, captions: Sequence[str], text_features: Callable[[Sequence[str]], np.ndarray]
) -> Iterator[Choice]:
    """Yields a choice for each attribute in each caption; the arguments are those of `version_scores`."""
    for row, thing, scores in version_scores(images, captions, text_features):
        yield Choice(row, thing.kind, thing.word, bool(scores[0] > scores[1:].max()))


def version_scores(
    images: np.ndarray, captions: Sequence[str], text_features: Callable[[Sequence[str]], np.ndarray]
) -> Iterator[tuple[int, NamedAttribute, np.ndarray]]:
    """Yields for each attribute: caption row, attribute, and the scores of the caption and of its wrong versions.

    Args:
        images: image features [N, d]; row i belongs to captions[i].
        text_features: captions → [N, d] in the same space.
    """
    for start in range(0, len(captions), BLOCK):
        block = captions[start : start + BLOCK]
        asked = [(row, thing) for row, caption in enumerate(block) for thing in named_attributes(caption)]
        texts = list(dict.fromkeys(text for row, thing in asked for text in (block[row], *thing.wrong)))
        if not texts:
            continue
        features = unit(text_features(texts))
        place = {text: i for i, text in enumerate(texts)}
        for row, thing in asked:
            rows = [place[text] for text in (block[row], *thing.wrong)]
            yield start + row, thing, features[rows] @ images[start + row]


def _choices(inputs: MetricInput) -> list[Choice]:
    return inputs.compute_once("choices", lambda: list(choices(inputs.images, inputs.captions, inputs.text_features)))


def _share_correct(kind: str, found: Sequence[Choice]) -> Measurement | None:
    """Returns the share of correct choices of one kind; None if there are no choices.

    The `rows` of the result are the shares per caption.
    """
    if not found:
        return None
    by_row: dict[int, list[bool]] = {}
    for one in found:
        by_row.setdefault(one.row, []).append(one.right)
    rows = {row: sum(right) / len(right) for row, right in by_row.items()}
    return replace(intervals.share(dict(enumerate(one.right for one in found))), part=kind, rows=rows)


def _replaced(text: str, match: re.Match[str], words: str) -> str:
    return text[: match.start()] + words + text[match.end() :]


def _with_article(article: str | None, colour: str) -> str:
    return colour if article is None else f"{'an' if colour == 'orange' else 'a'} {colour}"


def _without(text: str, thing: str) -> str | None:
    """Removes an object from a caption; returns None if the caption does not contain the object.

    "a red bird with a crest and blue wings" → "a red bird with blue wings";
    "there is a nest under the small bird" → "the small bird".
    """
    if not re.search(rf"\b{thing}\b", text):
        return None
    if _THERE.match(text):
        return _THERE.sub("", text)
    item = rf"an? (?:(?:{_COLOUR}) )?{thing}\b"
    for mention in (rf"wears {item} and ", rf" and has {item}$", rf", {item}", rf"{item}, ", rf" and {item}"):
        if re.search(mention, text):
            return re.sub(mention, "", text, count=1)
    for mention in (rf"{item} and (?!has )", rf" with {item}", rf" (?:has|wears) {item}"):
        if re.search(mention, text):
            return re.sub(mention, "", text, count=1)
    return None
