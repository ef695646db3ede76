"""Tests the colours of images: an image must be closer to its caption than to the caption with one colour swapped."""

from __future__ import annotations

import hashlib
import re

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.cosine import cosine

# The eleven basic colour terms of English (Berlin and Kay 1969); gray in both spellings.
COLOURS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "gray")
_SPELLED = re.compile(rf"\b(?:(an?) )?({'|'.join(COLOURS)}|grey)\b", re.IGNORECASE)


def colour_swap(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of images with a higher cosine to their caption than to the caption with one colour swapped.

    Captions without a colour are skipped; if all are skipped, nothing is measured.
    """
    swapped = {row: text for row, caption in enumerate(inputs.captions) if (text := swap_colour(caption)) is not None}
    if not swapped:
        return []
    rows = list(swapped)
    images, own = inputs.images[rows], inputs.text_features(inputs.captions)[rows]
    preferred = cosine(images, own) > cosine(images, inputs.text_features(list(swapped.values())))
    return [intervals.share(dict(zip(rows, preferred.tolist(), strict=True)))]


def swap_colour(text: str, variant: int = 0) -> str | None:
    """Replaces one colour in a caption with a colour that the caption does not contain; corrects 'a' and 'an'.

    The choice of colours depends only on caption and variant. None if the caption contains no colour or all colours.
    "a red bird with an orange beak" → for instance "a red bird with a blue beak".
    """
    found = list(_SPELLED.finditer(text))
    if not found:
        return None
    named = {match[2].lower().replace("grey", "gray") for match in found}
    digest = hashlib.sha256((f"{variant}/{text}" if variant else text).encode()).digest()
    match = found[digest[0] % len(found)]
    others = [colour for colour in COLOURS if colour not in named]
    if not others:
        return None
    colour = others[digest[1] % len(others)]
    if match[1] is None:
        return text[: match.start()] + _cased(colour, match[2]) + text[match.end() :]
    article = _cased("an" if colour == "orange" else "a", match[1])
    return f"{text[: match.start()]}{article} {_cased(colour, match[2])}{text[match.end() :]}"


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word
