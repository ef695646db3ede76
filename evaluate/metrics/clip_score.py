"""Metrics from CLIP features of images and captions: raw cosine, and R-precision (retrieval of the right caption)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput

CANDIDATES = 100  # number of captions to retrieve from


def clip_score(inputs: MetricInput) -> list[Measurement]:
    """Returns the mean raw cosine between images and their captions (Hessel et al. 2021, without their factor 2.5)."""
    return [intervals.mean(dict(enumerate(_own_cosines(inputs).tolist())))]


def r_precision(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of images whose caption ranks first among 100 (R-precision with R = 1, as in AttnGAN)."""
    found = ranks(inputs.images, inputs.text_features(inputs.captions), inputs.captions, CANDIDATES)
    share = intervals.share({row: rank == 1 for row, rank in enumerate(found.tolist())})
    return [replace(share, details={"rank": dict(enumerate(found.tolist()))})]


def ranks(images: np.ndarray, texts: np.ndarray, captions: Sequence[str], candidates: int) -> np.ndarray:
    """Returns int [N]: the rank of each image's caption by cosine, among it and the next `candidates - 1` captions.

    Rank 1 is best. The first row follows the last row. Captions with the same text as the image's caption are ignored;
    other captions with an equal score count as better.
    """
    own, words = cosine(images, texts), np.array(captions, dtype=object)
    better = np.zeros(len(texts), dtype=np.int64)
    for step in range(1, min(candidates, len(texts))):  # one offset at a time, because N × N cosines need much memory
        other = np.roll(np.arange(len(texts)), -step)
        better += (cosine(images, texts[other]) >= own) & (words[other] != words)
    return better + 1


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the cosine of corresponding rows; [N, d], [N, d] → [N]."""
    return np.einsum("nd,nd->n", unit(a), unit(b))


def unit(rows: np.ndarray) -> np.ndarray:
    """Divides each row of [N, d] by its norm."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _own_cosines(inputs: MetricInput) -> np.ndarray:
    return cosine(inputs.images, inputs.text_features(inputs.captions))
