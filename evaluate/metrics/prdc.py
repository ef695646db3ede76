"""Precision, recall, density and coverage: how realistic images are, and how much of the real set they cover.

Follows Kynkäänniemi et al. 2019 (precision, recall) and Naeem et al. 2020 (density, coverage), with the k nearest
neighbours in the features of a scorer. Intervals are over generated images (precision, density) or real images
(recall, coverage), with the other set fixed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput

K = 5
BLOCK = 512  # rows of a distance matrix in memory at a time: 82 MB for 20,000 columns


def precision(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of generated images in at least one real neighbourhood (see `compare`)."""
    return [intervals.share(dict(enumerate(_compared(inputs)["precision"].tolist())))]


def recall(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of real images in at least one neighbourhood of a generated image (see `compare`)."""
    return [_without_rows(intervals.share(dict(enumerate(_compared(inputs)["recall"].tolist()))))]


def density(inputs: MetricInput) -> list[Measurement]:
    """Returns the mean number of real neighbourhoods that contain a generated image, divided by k (see `compare`)."""
    return [intervals.mean(dict(enumerate(_compared(inputs)["density"].tolist())))]


def coverage(inputs: MetricInput) -> list[Measurement]:
    """Returns the share of real neighbourhoods that contain a generated image (see `compare`)."""
    return [_without_rows(intervals.share(dict(enumerate(_compared(inputs)["coverage"].tolist()))))]


def compare(drawn: np.ndarray, real: np.ndarray, k: int = K) -> dict[str, np.ndarray]:
    """Returns values per generated image (precision, density, [N]) and per real image (recall, coverage, [R]).

    The neighbourhood of an image is the ball around it, with the distance to its k-th nearest neighbour as radius. The
    neighbours of real images are real, those of generated images are generated.
    """
    k = min(k, len(drawn) - 1, len(real) - 1)
    radius_drawn, radius_real = _kth_distance(drawn, k), _kth_distance(real, k)
    inside = np.zeros(len(drawn), dtype=np.int64)
    recalled, covered = np.zeros(len(real), dtype=bool), np.zeros(len(real), dtype=bool)
    for rows, distances in _distances(real, drawn):  # [block of real, N]
        within = distances < radius_real[rows, None]
        inside += within.sum(0)
        covered[rows] = within.any(1)
        recalled[rows] = (distances < radius_drawn[None]).any(1)
    return {"precision": inside > 0, "density": inside / k, "recall": recalled, "coverage": covered}


def _compared(inputs: MetricInput) -> dict[str, np.ndarray]:
    return inputs.compute_once("prdc", lambda: compare(inputs.images, inputs.reference))


def _without_rows(measured: Measurement) -> Measurement:
    """Returns a copy without `rows` (caption row → value), because these values belong to real images, not captions."""
    return Measurement(measured.value, measured.n, measured.se, measured.low, measured.high)


def _kth_distance(points: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance of each point to its k-th nearest other point, [N]."""
    blocks = (distances for _, distances in _distances(points, points))
    # copied, since a view of a block would keep the whole block in memory
    return np.concatenate([np.partition(distances, k, axis=1)[:, k].copy() for distances in blocks])


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields Euclidean distances from blocks of rows of `a` to all rows of `b`, in float64.

    Uses |x − y|² = |x|² + |y|² − 2 x·y, because matrix products are much faster than differences of rows. The mean of
    `b` is subtracted from both to limit rounding errors.
    """
    centre = b.mean(0, dtype=np.float64)
    for rows in _blocks(len(a)):
        x = a[rows].astype(np.float64) - centre
        squares = np.empty((len(x), len(b)))
        for columns in _blocks(len(b)):
            y = b[columns].astype(np.float64) - centre
            squares[:, columns] = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * (x @ y.T)
        yield rows, np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))
