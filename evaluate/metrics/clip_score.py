"""Scores by a CLIP that reads image and caption: raw cosine, and whether an image finds its own caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measured, Seen

CANDIDATES = 100  # captions among which an image must find its own


def clip_score(seen: Seen) -> list[Measured]:
    """Mean raw cosine of each image with its caption (Hessel et al. 2021, without their factor 2.5)."""
    return [intervals.mean(dict(enumerate(_own_cosines(seen).tolist())))]


def r_precision(seen: Seen) -> list[Measured]:
    """Share of images whose own caption has the highest cosine among 100 (AttnGAN's R-precision, R = 1)."""
    found = found_first(seen.images, seen.text_features(seen.captions), seen.captions, CANDIDATES)
    return [intervals.share(dict(enumerate(found.tolist())))]


def found_first(images: np.ndarray, texts: np.ndarray, captions: Sequence[str], candidates: int) -> np.ndarray:
    """bool [N]: whether the caption of image features [N, d] beats those of the `candidates - 1` rows after it.

    The rows wrap around; a caption with the same words as the image's own is not counted against it.
    """
    own, words, beaten = cosine(images, texts), np.array(captions, dtype=object), np.zeros(len(texts), dtype=bool)
    for step in range(1, min(candidates, len(texts))):  # one other caption at a time: N × N cosines need much memory
        other = np.roll(np.arange(len(texts)), -step)
        beaten |= (cosine(images, texts[other]) >= own) & (words[other] != words)
    return ~beaten


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of rows [N, d] with rows [N, d] → [N]."""
    return np.einsum("nd,nd->n", unit(a), unit(b))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows [N, d] divided by their length."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _own_cosines(seen: Seen) -> np.ndarray:
    return cosine(seen.images, seen.text_features(seen.captions))
