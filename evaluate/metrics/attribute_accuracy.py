"""Does the image show each thing that its caption names? A scorer chooses between the caption and wrong versions of it.

A wrong version differs in one word or phrase: another colour, the other size or beak length, another place or
relation, or a thing left unnamed. The scorer is right where the image is closest to the caption itself. Real images of
the same captions are the ceiling, since no scorer is perfect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measured, Seen
from hspcgan.evaluate.metrics.clip_score import unit
from hspcgan.evaluate.metrics.colour_swap import COLOURS

KINDS = ("colour", "size", "length", "place", "relation", "presence")
PAIRS = {"size": ("small", "large"), "length": ("short", "long")}
RELATIONS = ("beside", "under", "above")
PLACES = {  # what a caption of another place says instead
    "branch": "is perched on a branch",
    "grass": "stands on the grass",
    "water": "swims on the water",
    "sky": "flies in the sky",
}
THINGS = ("crest", "collar", "flower", "nest")

_COLOUR = "|".join((*COLOURS, "grey"))
_NAMED_COLOUR = re.compile(rf"\b(?:(an?) )?({_COLOUR})\b")
_PLACE = re.compile(rf"\b(?:is \w+(?:ed|ing)|\w+s) (?:on|in) (?:a|the) ({'|'.join(PLACES)})\b")
_THERE = re.compile(rf"^there is an? (?:(?:{_COLOUR}) )?\w+ (?:{'|'.join(RELATIONS)}) ")


def wrong_versions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Everything that a caption names and that can be wrong: its kind, and the caption with each wrong alternative.

    "a small bird flies in the sky" → ("size", ["a large bird flies in the sky"]),
    ("place", ["a small bird is perched on a branch", …]).
    """
    for match in _NAMED_COLOUR.finditer(text):
        others = [colour for colour in COLOURS if colour != match[2].replace("grey", "gray")]
        yield "colour", [_replaced(text, match, _with_article(match[1], colour)) for colour in others]
    for kind, pair in PAIRS.items():
        for match in re.finditer(rf"\b({'|'.join(pair)})\b", text):
            yield kind, [_replaced(text, match, pair[1 - pair.index(match[1])])]
    for match in _PLACE.finditer(text):
        yield "place", [_replaced(text, match, clause) for place, clause in PLACES.items() if place != match[1]]
    for match in re.finditer(rf"\b({'|'.join(RELATIONS)})\b", text):
        yield "relation", [_replaced(text, match, word) for word in RELATIONS if word != match[1]]
    for thing in THINGS:
        if (without := _without(text, thing)) is not None:
            yield "presence", [without]


def attribute_accuracy(seen: Seen) -> list[Measured]:
    """Share of right choices: a part for each kind that the captions name, over single choices."""
    kinds: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for _, kind, right in choices(seen.images, seen.captions, seen.text_features):
        kinds[kind].append(right)
    return [_one(kind, right) for kind, right in kinds.items() if right]


def caption_accuracy(seen: Seen) -> list[Measured]:
    """Share of captions of which everything named is right."""
    rows: dict[int, bool] = {}
    for row, _, right in choices(seen.images, seen.captions, seen.text_features):
        rows[row] = rows.get(row, True) and right
    return [intervals.share(rows)] if rows else []


def accuracy(
    images: np.ndarray, captions: Sequence[str], text_features: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, tuple[float, int]]:
    """Share of right choices of each kind that the captions name, and how many choices that were; see `choices`."""
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for _, kind, found in choices(images, captions, text_features):
        right[kind].append(found)
    return {kind: (float(np.mean(found)), len(found)) for kind, found in right.items() if found}


def choices(
    images: np.ndarray, captions: Sequence[str], text_features: Callable[[Sequence[str]], np.ndarray]
) -> Iterator[tuple[int, str, bool]]:
    """Caption row, kind, and whether the caption scores above all its wrong versions, for each thing that it names.

    Args:
        images: image features [N, d], row by row those of the captions' images.
        text_features: texts → [N, d] in the same space.
    """
    asked = [(row, kind, wrong) for row, caption in enumerate(captions) for kind, wrong in wrong_versions(caption)]
    texts = list(dict.fromkeys(text for row, _, wrong in asked for text in (captions[row], *wrong)))
    if not texts:
        return
    features = unit(text_features(texts))
    place = {text: i for i, text in enumerate(texts)}
    for row, kind, wrong in asked:
        scores = features[[place[text] for text in (captions[row], *wrong)]] @ images[row]
        yield row, kind, bool(scores[0] > scores[1:].max())


def _one(kind: str, right: Sequence[bool]) -> Measured:
    """Single choices are not rows of the captions: `rows` stays empty."""
    return replace(intervals.share(dict(enumerate(right))), part=kind, rows={})


def _replaced(text: str, match: re.Match[str], words: str) -> str:
    return text[: match.start()] + words + text[match.end() :]


def _with_article(article: str | None, colour: str) -> str:
    return colour if article is None else f"{'an' if colour == 'orange' else 'a'} {colour}"


def _without(text: str, thing: str) -> str | None:
    """The caption without its mention of a thing; None where it has none.

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
