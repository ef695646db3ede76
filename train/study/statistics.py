"""Statistics over few seeds: paired intervals, exact sign-flip tests, binomial tests, three-valued verdicts.

Positive differences are better. Intervals are Student's t intervals. p values of differences only assume that, under
the null hypothesis, both signs of a difference have the same probability.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import comb, isfinite
from typing import Any, Literal

import numpy as np

Verdict = Literal["held", "not held", "undecided"]


@dataclass(frozen=True)
class Estimate:
    """The mean of n values with its confidence interval; a field is nan if n is too small."""

    mean: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values; nan becomes None."""
        return {key: value if isfinite(value) else None for key, value in asdict(self).items()}


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Returns the mean and Student's t interval of independent values; [n] → Estimate."""
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    n = len(found)
    mean = float(found.mean()) if n else float("nan")
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n)
    half = float(t.ppf((1 + confidence) / 2, n - 1) * found.std(ddof=1) / n**0.5)
    return Estimate(mean, mean - half, mean + half, n)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Returns the exact one-sided p value of the sign-flip test for a positive mean; [n] → (0, 1].

    It is the share of all 2^n sign patterns with a sum of at least the observed sum. With n = 6 its minimum is 1/64.
    """
    found = np.asarray(differences, dtype=np.float64)
    signs = np.array(list(product((1.0, -1.0), repeat=len(found))))  # [2^n, n]
    sums, seen = signs @ found, found.sum()
    return float((sums >= seen - 1e-12 * np.abs(found).sum()).mean())


def binomial_p(successes: int, n: int) -> float:
    """Returns the exact one-sided p value of at least this many successes in n trials with probability ½ each."""
    return sum(comb(n, k) for k in range(successes, n + 1)) / 2**n


def by_interval(found: Estimate, margin: float = 0.0) -> Verdict:
    """Returns "held" if the interval is all above 0, "not held" if all below 0 or inside ±margin, else "undecided"."""
    if found.low > 0:
        return "held"
    if found.high < 0 or (-margin < found.low and found.high < margin):
        return "not held"
    return "undecided"


def not_worse(found: Estimate, margin: float) -> Verdict:
    """Returns "held" if the interval is all above −margin, "not held" if all below −margin, otherwise "undecided"."""
    if found.low > -margin:
        return "held"
    return "not held" if found.high < -margin else "undecided"


def by_count(successes: int, n: int, alpha: float = 0.05) -> Verdict:
    """Returns the verdict for a number of successes in n trials, by two binomial tests.

    "held" if so many successes are improbable at chance level (½), "not held" if so many failures are improbable.
    """
    if n and binomial_p(successes, n) <= alpha:
        return "held"
    return "not held" if n and binomial_p(n - successes, n) <= alpha else "undecided"


def combine_verdicts(verdicts: Sequence[Verdict]) -> Verdict:
    """Combines verdicts: "held" if all are "held", "not held" if any is "not held", otherwise "undecided"."""
    if verdicts and all(verdict == "held" for verdict in verdicts):
        return "held"
    return "not held" if "not held" in verdicts else "undecided"
