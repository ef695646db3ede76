"""Fréchet and kernel distances between features of generated and of real images, by clean-fid's own functions.

Distances depend on N (small sets look further apart), so both sets have the same size, and so does the floor that they
are compared with: the distance of two disjoint sets of real images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measured, Seen
from hspcgan.model.common.errors import UserError

KID_SUBSET, KID_SUBSETS = 1000, 100  # clean-fid's defaults


def fid(seen: Seen) -> list[Measured]:
    """Fréchet distance; the interval by `frechet_fast`, whose value is the same."""
    value = frechet(seen.images, seen.reference)
    return [intervals.distance(value, frechet_fast, seen.images, seen.reference, seen.seed)]


def kid(seen: Seen) -> list[Measured]:
    """Kernel distance; unbiased, so small sets can give values below zero."""
    value = kernel(seen.images, seen.reference, seen.seed)
    return [intervals.distance(value, kernel_fast, seen.images, seen.reference, seen.seed)]


def method() -> str:
    """Part of the figures' identity."""
    return f"clean-fid {version('clean-fid')}; uint8 as PNG"


def frechet(features: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two feature sets [N, d] as Gaussians (clean-fid's `fid_from_feats`).

    UserError for fewer than two rows, which have no covariance.
    """
    from cleanfid.fid import fid_from_feats

    _check(features, reference)
    return float(fid_from_feats(features.astype(np.float64), reference.astype(np.float64)))


def frechet_fast(features: np.ndarray, reference: np.ndarray) -> float:
    """The same distance from singular values, without a matrix root: for the many subsets of an interval.

    With X and Y the centred rows, tr √(Σ₁Σ₂) = ‖X Yᵀ‖* / √((N−1)(R−1)), the sum of singular values. Where there are
    more rows than dimensions, the triangular factors of X and Y take their place.
    """
    a, b = features.astype(np.float64), reference.astype(np.float64)
    x, y = a - a.mean(0), b - b.mean(0)
    scale_x, scale_y = len(x) - 1, len(y) - 1
    traces = (x**2).sum() / scale_x + (y**2).sum() / scale_y
    x, y = _triangular(x), _triangular(y)
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum() / np.sqrt(scale_x * scale_y)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + traces - 2 * root)


def _triangular(rows: np.ndarray) -> np.ndarray:
    """The factor R of rows = Q R where there are more rows than columns; otherwise the rows."""
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def kernel(features: np.ndarray, reference: np.ndarray, seed: int = 0) -> float:
    """Kernel distance (polynomial, degree 3) of two feature sets [N, d] (clean-fid's `kernel_distance`).

    clean-fid averages over random subsets of up to 1,000 rows; sets no larger than that are taken whole, once.
    """
    from cleanfid.fid import kernel_distance

    _check(features, reference)
    whole = len(features) == len(reference) <= KID_SUBSET
    with _numpy_seeded(seed):
        return kernel_distance(
            features.astype(np.float64),
            reference.astype(np.float64),
            num_subsets=1 if whole else KID_SUBSETS,
            max_subset_size=KID_SUBSET,
        )


def kernel_fast(features: np.ndarray, reference: np.ndarray) -> float:
    """The unbiased estimate of the squared kernel distance (Gretton et al. 2012, eq. 3) on at most 1,000 rows each."""
    x, y = features[:KID_SUBSET].astype(np.float64), reference[:KID_SUBSET].astype(np.float64)
    inner = [(first @ second.T / x.shape[1] + 1) ** 3 for first, second in ((x, x), (y, y), (x, y))]
    own = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in inner[:2])
    return float(own - 2 * inner[2].mean())


def progress(untrained: float, trained: float, floor: float) -> float | None:
    """Share of the distance from the untrained generator to real images that is covered: 1 is the floor.

    All three are distances to the same reference with the same N. None when the untrained one is no worse than the
    floor: the scorer cannot tell images apart.
    """
    return (untrained - trained) / (untrained - floor) if untrained > floor else None


def _check(features: np.ndarray, reference: np.ndarray) -> None:
    for name, rows in (("features", features), ("reference", reference)):
        if rows.ndim != 2 or len(rows) < 2:
            raise UserError(f"{name} have shape {rows.shape}; a distance needs [N, d] with N of 2 or more")
    if features.shape[1] != reference.shape[1]:
        raise UserError(f"features of {features.shape[1]} and {reference.shape[1]} dimensions cannot be compared")


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seeds numpy's global random state, which clean-fid draws from, and restores it."""
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)
