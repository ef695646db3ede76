"""Measures how much the images of one caption differ if only the noise differs.

The value of real images is that of other toy scenes which match the same caption.
"""

from __future__ import annotations

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput


def pixel_deviation(images: np.ndarray) -> float:
    """Returns the standard deviation of a pixel over the images of a caption, averaged over pixels and captions.

    Args:
        images: uint8 [C, S, H, W, 3], S images for each of C captions, S ≥ 2.
    Returns:
        A share of the pixel range: 0 if images are equal, at most 0.5.
    """
    if images.ndim != 5 or images.shape[1] < 2:
        raise ValueError(f"images have shape {images.shape}, expected [C, S, H, W, 3] with S of 2 or more")
    return float(np.mean([(of_one / 255.0).std(axis=0).mean() for of_one in images]))


def diversity(inputs: MetricInput) -> list[Measurement]:
    """Returns the mean of `pixel_deviation` over captions; `extra["variations"]` has uint8 [S, H, W, 3] per caption."""
    variations = inputs.extra.get("variations")
    if variations is None:
        return []
    return [intervals.mean({row: pixel_deviation(images[None]) for row, images in enumerate(variations)})]
