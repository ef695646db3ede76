"""How much do images of one caption differ from noise to noise? Compared with real scenes that the caption fits."""

from __future__ import annotations

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measured, Seen


def pixel_deviation(images: np.ndarray) -> float:
    """Standard deviation of a pixel over the images of one caption, averaged over pixels, channels and captions.

    Args:
        images: uint8 [C, S, H, W, 3], S images of each of C captions, S ≥ 2.
    Returns:
        In units of the pixels' range: 0 is no difference, 0.5 the most that there can be.
    """
    if images.ndim != 5 or images.shape[1] < 2:
        raise ValueError(f"images have shape {images.shape}, expected [C, S, H, W, 3] with S of 2 or more")
    return float(np.mean([(of_one / 255.0).std(axis=0).mean() for of_one in images]))


def diversity(seen: Seen) -> list[Measured]:
    """Mean of the captions' `pixel_deviation`; `extra["variations"]` yields uint8 [S, H, W, 3] for each of them."""
    variations = seen.extra.get("variations")
    if variations is None:
        return []
    return [intervals.mean({row: pixel_deviation(images[None]) for row, images in enumerate(variations)})]
