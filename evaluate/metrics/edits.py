"""Edit consistency (Fig. 6 of the paper): whether an image follows an edit of one colour and otherwise stays the same.

`extra["edits"]` holds pairs of images from the same noise: one for a caption, one for the caption with one colour
swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.attribute_accuracy import version_scores
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.cosine import cosine


@dataclass(frozen=True)
class EditedPairs:
    """Features from one scorer before and after edits; edit i changed before_texts[i] to after_texts[i]."""

    before: np.ndarray  # float32 [E, d]
    after: np.ndarray  # float32 [E, d]
    before_texts: Sequence[str]
    after_texts: Sequence[str]


def edit_consistency(inputs: MetricInput) -> list[Measurement]:
    """Returns the four parts of the metric; `stayed` is missing if no caption has attributes besides the edited colour.

    followed: share of edits for which both images are closer to the caption they were drawn from than to the other.
    direction: cosine between image difference and caption difference (Gal et al. 2022, directional similarity).
    stayed: share of edits for which the scorer chooses the same versions of all other attributes (colour, place …) for
    both images; captions without other attributes do not count.
    kept: cosine of the two images; it is 1 if the image does not change, so interpret it together with the other parts.
    """
    pairs: EditedPairs | None = inputs.extra.get("edits")
    if pairs is None or not len(pairs.before):
        return []
    before, after = inputs.text_features(pairs.before_texts), inputs.text_features(pairs.after_texts)
    followed = (cosine(pairs.before, before) > cosine(pairs.before, after)) & (
        cosine(pairs.after, after) > cosine(pairs.after, before)
    )
    direction = _cosine_or_zero(pairs.after - pairs.before, after - before)
    kept = cosine(pairs.before, pairs.after)
    return [
        _no_rows(intervals.share(dict(enumerate(followed.tolist())), "followed")),
        _no_rows(intervals.mean(dict(enumerate(direction.tolist())), "direction")),
        _no_rows(intervals.mean(dict(enumerate(kept.tolist())), "kept")),
        *([_no_rows(intervals.share(stayed, "stayed"))] if (stayed := _unchanged_choices(pairs, inputs)) else []),
    ]


def _unchanged_choices(pairs: EditedPairs, inputs: MetricInput) -> dict[int, bool]:
    """Returns for each edit whether the scorer's choices for all other attributes stay the same."""
    before = version_scores(pairs.before, pairs.before_texts, inputs.text_features)
    after = version_scores(pairs.after, pairs.after_texts, inputs.text_features)
    rows: dict[int, bool] = {}
    # Both captions name the same attributes in the same order, since they differ only in one colour.
    for (row, thing, old), (_, _, new) in zip(before, after, strict=True):
        if pairs.after_texts[row] not in thing.wrong:
            rows[row] = rows.get(row, True) and bool(old.argmax() == new.argmax())
    return rows


def _cosine_or_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the cosine of corresponding rows; 0 for a zero row, the difference between two equal images."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("nd,nd->n", a, b) / np.where(lengths > 0, lengths, 1) * (lengths > 0)


def _no_rows(measured: Measurement) -> Measurement:
    """Returns a copy without `rows` (caption row → value), because these values belong to edits, not to captions."""
    return Measurement(measured.value, measured.n, measured.se, measured.low, measured.high, measured.part)
