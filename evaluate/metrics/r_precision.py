"""R-precision: whether an image scores highest with its own caption, among those of other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.cosine import cosine

CANDIDATES = 100  # number of captions to retrieve from


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
