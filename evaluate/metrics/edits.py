"""Edit consistency (the paper's Fig. 6): with one colour of the caption edited and the noise kept, does the image
follow, and does all else stay?

`extra["edits"]` holds pairs of images: drawn for a caption, and for the same caption with one colour swapped, from the
same noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.attribute_accuracy import version_scores
from hspcgan.evaluate.metrics.base import Measured, Seen
from hspcgan.evaluate.metrics.clip_score import cosine


@dataclass(frozen=True)
class EditedPairs:
    """Features of one scorer: row i before and after the edit that turned before_texts[i] into after_texts[i]."""

    before: np.ndarray  # float32 [E, d]
    after: np.ndarray  # float32 [E, d]
    before_texts: Sequence[str]
    after_texts: Sequence[str]


def edit_consistency(seen: Seen) -> list[Measured]:
    """Four parts: the share of edits that both images follow, the direction of the change, and two of what stays.

    followed: the image before prefers the caption before, the image after the caption after.
    direction: cosine of the images' difference with the texts' difference (Gal et al. 2022, directional similarity).
    stayed: for everything else that the caption names, the scorer chooses the same version (the same colour, place …)
    in both images; edits of captions that name nothing else do not count.
    kept: cosine of the two images; 1 is no change at all, so it is read together with the other parts.
    """
    pairs: EditedPairs | None = seen.extra.get("edits")
    if pairs is None or not len(pairs.before):
        return []
    before, after = seen.text_features(pairs.before_texts), seen.text_features(pairs.after_texts)
    followed = (cosine(pairs.before, before) > cosine(pairs.before, after)) & (
        cosine(pairs.after, after) > cosine(pairs.after, before)
    )
    direction = _cosine_or_zero(pairs.after - pairs.before, after - before)
    kept = cosine(pairs.before, pairs.after)
    return [
        _no_rows(intervals.share(dict(enumerate(followed.tolist())), "followed")),
        _no_rows(intervals.mean(dict(enumerate(direction.tolist())), "direction")),
        _no_rows(intervals.mean(dict(enumerate(kept.tolist())), "kept")),
        *([_no_rows(intervals.share(stayed, "stayed"))] if (stayed := _stayed(pairs, seen)) else []),
    ]


def _stayed(pairs: EditedPairs, seen: Seen) -> dict[int, bool]:
    """Edit → whether the scorer chooses the same version of everything that was not edited, before and after."""
    before = version_scores(pairs.before, pairs.before_texts, seen.text_features)
    after = version_scores(pairs.after, pairs.after_texts, seen.text_features)
    rows: dict[int, bool] = {}
    # Both captions name the same things in the same order, since they differ in one colour only.
    for (row, thing, old), (_, _, new) in zip(before, after, strict=True):
        if pairs.after_texts[row] not in thing.wrong:
            rows[row] = rows.get(row, True) and bool(old.argmax() == new.argmax())
    return rows


def _cosine_or_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of rows; 0 where a row is zero: an image that did not change moved in no direction."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("nd,nd->n", a, b) / np.where(lengths > 0, lengths, 1) * (lengths > 0)


def _no_rows(measured: Measured) -> Measured:
    """Edits are not rows of the scored captions."""
    return Measured(measured.value, measured.n, measured.se, measured.low, measured.high, measured.part)
