"""Precision, recall, density and coverage: how real single images look, and how much of the real set is covered.

Kynkäänniemi et al. 2019 (precision, recall) and Naeem et al. 2020 (density, coverage), with k nearest neighbours in a
scorer's features. Intervals are over the images (precision, density) or the real images (recall, coverage), with the
other set as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measured, Seen

K = 5
BLOCK = 512  # rows of a distance matrix in memory at a time: against 20,000 others, 82 MB


def precision(seen: Seen) -> list[Measured]:
    """Share of images that lie among the real ones: within the k-th neighbour's distance of at least one."""
    return [intervals.share(dict(enumerate(_compared(seen)["precision"].tolist())))]


def recall(seen: Seen) -> list[Measured]:
    """Share of real images that lie among the drawn ones."""
    return [_without_rows(intervals.share(dict(enumerate(_compared(seen)["recall"].tolist()))))]


def density(seen: Seen) -> list[Measured]:
    """Mean number of real neighbourhoods that an image lies in, divided by k; above 1 where real images are dense."""
    return [intervals.mean(dict(enumerate(_compared(seen)["density"].tolist())))]


def coverage(seen: Seen) -> list[Measured]:
    """Share of real images that have a drawn one within their k-th real neighbour's distance."""
    return [_without_rows(intervals.share(dict(enumerate(_compared(seen)["coverage"].tolist()))))]


def compare(drawn: np.ndarray, real: np.ndarray, k: int = K) -> dict[str, np.ndarray]:
    """Values by image (precision, density, [N]) and by real image (recall, coverage, [R])."""
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


def _compared(seen: Seen) -> dict[str, np.ndarray]:
    return seen.once("prdc", lambda: compare(seen.images, seen.reference))


def _without_rows(measured: Measured) -> Measured:
    """Values of real images are not values of the captions' rows."""
    return Measured(measured.value, measured.n, measured.se, measured.low, measured.high)


def _kth_distance(points: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to its k-th nearest other point, [N]."""
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for _, distances in _distances(points, points)])


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Euclidean distances of blocks of rows of `a` to all rows of `b`, in float64.

    |x − y|² = |x|² + |y|² − 2 x·y: matrix products are much faster than differences of rows. The mean of `b` is
    subtracted from both, so that little is lost to rounding.
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
