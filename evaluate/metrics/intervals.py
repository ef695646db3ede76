"""Computes standard errors and 95 % intervals of means, shares and distances.

Means have a bootstrap interval, shares a Wilson interval, and distances between sets a delete-half jackknife interval.
A bootstrap is not used for distances, because it duplicates images, which increases FID and KID.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hspcgan.evaluate.metrics.base import Measurement

Z = 1.959964  # normal quantile of a 95 % interval
RESAMPLES = 2000
DRAWN = 1_000_000  # maximum number of values to draw at a time
SUBSETS = 100


def mean(rows: Mapping[int, float], part: str = "") -> Measurement:
    """Returns the mean of `rows` (caption row → value), with the 95 % percentile bootstrap interval (Efron 1979)."""
    values = np.array(list(rows.values()), dtype=np.float64)
    n, rng = len(values), np.random.default_rng(0)
    together = max(1, DRAWN // n)  # resamples at a time, so that memory does not grow with n
    means = [values[rng.integers(n, size=(min(together, RESAMPLES - done), n))].mean(1)
             for done in range(0, RESAMPLES, together)]  # fmt: skip
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Measurement(float(values.mean()), n, _standard_error(values), float(low), float(high), part, dict(rows))


def share(rows: Mapping[int, bool], part: str = "") -> Measurement:
    """Returns the share of rows that are true, with Wilson's interval (1927): for 191 of 191, it is 98.0 to 100 %."""
    values = np.array(list(rows.values()), dtype=np.float64)
    n, p = len(values), float(values.mean())
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Measurement(p, n, _standard_error(values), low, high, part, {row: float(hit) for row, hit in rows.items()})


def distance(
    value: float,
    statistic: Callable[[np.ndarray, np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    seed: int = 0,
    most: int | None = None,
) -> Measurement:
    """Returns `value`, the distance between the sets `a` [N, d] and `b` [R, d], with standard error and interval.

    Uses a delete-d jackknife (Shao and Wu 1989): the standard deviation of the distance over random subsets of m of n
    rows, drawn without replacement, times √(m / (n − m)), estimates the standard error. A subset has half of the rows
    of a set (the factor is then 1), and at most `most` rows. The interval is value ± 1.96 standard errors: how much the
    value varies with other images, for this N.
    """
    rng = np.random.default_rng(seed)
    sizes = [len(rows) // 2 if most is None else min(len(rows) // 2, most) for rows in (a, b)]
    if min(sizes) < 2:
        return Measurement(value, len(a), float("nan"), float("nan"), float("nan"))
    values = [
        statistic(
            a[rng.choice(len(a), sizes[0], replace=False)],
            b[rng.choice(len(b), sizes[1], replace=False)],
        )
        for _ in range(SUBSETS)
    ]
    factor = sizes[0] / (len(a) - sizes[0])
    se = float(np.sqrt(factor) * np.std(values, ddof=1))
    return Measurement(value, len(a), se, value - Z * se, value + Z * se)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
