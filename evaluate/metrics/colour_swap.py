"""Does the image show the caption's colours? A scorer must prefer the caption to itself with one colour swapped."""

from __future__ import annotations

import hashlib
import re

from hspcgan.evaluate.metrics.base import Figure, Scored, figure
from hspcgan.evaluate.metrics.clip_score import cosine

# English's eleven basic colour terms (Berlin and Kay 1969), gray in both spellings.
COLOURS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "gray")
_SPELLED = re.compile(rf"\b(?:(an?) )?({'|'.join(COLOURS)}|grey)\b", re.IGNORECASE)


def colour_swap(scored: Scored) -> list[Figure]:
    """Share of images with a higher cosine to their caption than to the caption with one colour swapped.

    Captions without a colour have no part in it; without any such caption there is no figure.
    """
    swapped = [swap_colour(text) for text in scored.texts]
    rows = [row for row, text in enumerate(swapped) if text is not None]
    if not rows:
        return []
    own, other = [scored.texts[row] for row in rows], [text for text in swapped if text is not None]
    figures = []
    for scorer in scored.scorers:
        images = scored.images.seen_by(scorer)[rows]
        preferred = cosine(images, scorer.text_features(own)) > cosine(images, scorer.text_features(other))
        figures.append(
            figure(
                "colour_swap",
                scorer,
                float(preferred.mean()),
                len(rows),
                scored.split,
                "higher",
                f"caption preferred to itself with one colour swapped; {scorer.mode}",
            )
        )
    return figures


def swap_colour(text: str) -> str | None:
    """The text with one of its colours replaced by one that it does not name, a/an mended; None where there is none
    of either.

    Which colour goes and which comes depends on the text alone.
    "a red bird with an orange beak" → for instance "a red bird with a blue beak".
    """
    found = list(_SPELLED.finditer(text))
    if not found:
        return None
    named = {match[2].lower().replace("grey", "gray") for match in found}
    digest = hashlib.sha256(text.encode()).digest()
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
