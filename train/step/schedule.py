"""Schedules: factors for values that change during a run, such as a loss weight or a learning rate."""

from collections.abc import Sequence
from itertools import pairwise

from hspcgan.model.common.validation import quoted

Knots = tuple[tuple[int, float], ...]  # (step, factor), steps increasing
MAX_STEP, MAX_FACTOR = 1_000_000_000, 1e38


def factor_at(knots: Knots, step: int) -> float:
    """Returns the factor at a step, linearly interpolated between knots; knots are (step, factor) pairs.

    ((1000, 1.0), (3000, 0.2)) gives 1 up to step 1000, 0.6 at step 2000 and 0.2 from step 3000 on. Without knots,
    the factor is 1.
    """
    if not knots:
        return 1.0
    for (start, before), (stop, after) in pairwise(knots):
        if start <= step < stop:
            return before + (after - before) * (step - start) / (stop - start)
    return knots[0][1] if step < knots[0][0] else knots[-1][1]


def problem(knots: Sequence[Sequence[float]]) -> str | None:
    """Returns an error message for invalid knots, or None if the knots are valid."""
    steps = [step for step, _ in knots]
    if steps != sorted(set(steps)) or not all(0 <= step <= MAX_STEP for step in steps):
        return f"steps must increase and be from 0 to {MAX_STEP:,}; got {quoted(steps)}"
    factors = [factor for _, factor in knots]
    if not all(0 <= factor <= MAX_FACTOR for factor in factors):  # also for nan
        return f"factors must be from 0 to {MAX_FACTOR:g}; got {quoted(factors)}"
    return None
