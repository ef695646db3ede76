"""Fréchet and kernel distances between features of generated and of real images, computed by clean-fid.

Distances depend on N (they are larger for small sets), so both sets have the same size. The floor, the distance of two
disjoint sets of real images, uses the same size too.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.model.common.errors import UserError

KID_SUBSET, KID_SUBSETS = 1000, 100  # clean-fid's defaults
BLOCK = 4096  # number of rows to convert to float64 at a time: 64 MB with 2,048 features


def fid(inputs: MetricInput) -> list[Measurement]:
    """Returns the Fréchet distance; its interval is computed with the equivalent `frechet_fast`."""
    value = frechet(inputs.images, inputs.reference)
    return [intervals.distance(value, frechet_fast, inputs.images, inputs.reference, inputs.seed)]


def kid(inputs: MetricInput) -> list[Measurement]:
    """Returns the kernel distance; it is unbiased, so small sets can give values below zero."""
    value = kernel(inputs.images, inputs.reference, inputs.seed)
    return [intervals.distance(value, kernel_fast, inputs.images, inputs.reference, inputs.seed, most=KID_SUBSET)]


def method() -> str:
    """Returns a description of the method; it is part of the full name of a metric value (as a hash)."""
    return f"clean-fid {version('clean-fid')}; uint8 as PNG"


def frechet(features: np.ndarray, reference: np.ndarray) -> float:
    """Returns the Fréchet distance between Gaussians fitted to two feature sets [N, d]; clean-fid's implementation.

    UserError for fewer than two rows, which have no covariance, and if the distance is not a real number. If there are
    too few images, covariances are singular; the warnings of SciPy and clean-fid about this are not shown, because an
    evaluation prints a warning (`results.write_record.warnings`).
    """
    from cleanfid.fid import frechet_distance

    _check(features, reference)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return float(frechet_distance(*_moments(features), *_moments(reference)))
        except ValueError as error:
            raise UserError(f"the Fréchet distance cannot be computed ({error}); check the images") from error


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean [d] and unbiased covariance [d, d] (divisor N − 1), in float64."""
    mean = _mean(rows)
    return mean, sum(block.T @ block for block in _centred(rows, mean)) / (len(rows) - 1)


def _mean(rows: np.ndarray) -> np.ndarray:
    return rows.mean(0, dtype=np.float64)


def _centred(rows: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the centred rows in float64, BLOCK at a time, because a complete copy would need too much memory."""
    return (rows[start : start + BLOCK].astype(np.float64) - mean for start in range(0, len(rows), BLOCK))


def frechet_fast(features: np.ndarray, reference: np.ndarray) -> float:
    """Computes the Fréchet distance from singular values, without a matrix square root; used for intervals.

    With X and Y the centred rows, tr √(Σ₁Σ₂) = ‖X Yᵀ‖* / √((N−1)(R−1)), the sum of singular values. If there are
    more rows than dimensions, the triangular factors of X and Y, which have the same XᵀX and YᵀY, are used instead.
    """
    mean_x, mean_y = _mean(features), _mean(reference)
    x, y = _qr_factor(features, mean_x), _qr_factor(reference, mean_y)
    scale_x, scale_y = len(features) - 1, len(reference) - 1
    traces = (x**2).sum() / scale_x + (y**2).sum() / scale_y
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum() / np.sqrt(scale_x * scale_y)
    return float(((mean_x - mean_y) ** 2).sum() + traces - 2 * root)


def _qr_factor(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Returns the centred rows or, if there are more than d rows, the factor R [d, d] of their QR decomposition."""
    if len(rows) <= rows.shape[1]:
        return rows - mean
    found = np.zeros((0, rows.shape[1]))
    for block in _centred(rows, mean):
        found = np.asarray(np.linalg.qr(np.concatenate([found, block]), mode="r"))
    return found


def kernel(features: np.ndarray, reference: np.ndarray, seed: int = 0) -> float:
    """Returns the polynomial kernel distance (degree 3) of two feature sets [N, d], by clean-fid's `kernel_distance`.

    clean-fid averages over random subsets of up to 1,000 rows; for smaller sets, all rows are used once.
    """
    from cleanfid.fid import kernel_distance

    _check(features, reference)
    whole = len(features) == len(reference) <= KID_SUBSET
    with _numpy_seeded(seed):
        return kernel_distance(
            _Float64Rows(features),
            _Float64Rows(reference),
            num_subsets=1 if whole else KID_SUBSETS,
            max_subset_size=KID_SUBSET,
        )


class _Float64Rows:
    """An array that converts rows to float64 only when they are read; clean-fid reads random subsets."""

    def __init__(self, rows: np.ndarray):
        self.rows, self.shape = rows, rows.shape

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        return self.rows[chosen].astype(np.float64)


def kernel_fast(features: np.ndarray, reference: np.ndarray) -> float:
    """Returns the unbiased squared kernel distance between two sets (Gretton et al. 2012, eq. 3)."""
    x, y = features.astype(np.float64), reference.astype(np.float64)
    inner = [(first @ second.T / x.shape[1] + 1) ** 3 for first, second in ((x, x), (y, y), (x, y))]
    own = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in inner[:2])
    return float(own - 2 * inner[2].mean())


def progress(untrained: float, trained: float, floor: float) -> float | None:
    """Returns the position of `trained` on a scale from `untrained` (0) to `floor` (1).

    All three are distances to the same reference with the same N; `floor` is that of other real images, the lowest to
    expect. None if the untrained generator is no worse than the floor, because then the scorer cannot distinguish
    images.
    """
    return (untrained - trained) / (untrained - floor) if untrained > floor else None


def _check(features: np.ndarray, reference: np.ndarray) -> None:
    for name, rows in (("features", features), ("reference features", reference)):
        if rows.ndim != 2 or len(rows) < 2:
            raise UserError(f"{name} have shape {rows.shape}; a distance needs [N, d] with N ≥ 2")
    if features.shape[1] != reference.shape[1]:
        raise UserError(f"features of {features.shape[1]} and {reference.shape[1]} dimensions cannot be compared")


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seeds numpy's global random state, which clean-fid uses, and restores it afterwards."""
    state = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)
