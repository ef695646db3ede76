"""Schedules for values that change during a run, such as a loss weight or a learning rate, given as knots."""

import math
from collections.abc import Sequence
from itertools import pairwise

Knots = tuple[tuple[int, float], ...]  # (step, factor), steps increasing


def factor_at(knots: Knots, step: int) -> float:
    """Returns the factor at a step: linear between knots, constant before the first and after the last.

    ((1000, 1.0), (3000, 0.2)) gives 1 up to step 1000, 0.6 at step 2000 and 0.2 from step 3000 on. No knots give 1.
    """
    if not knots:
        return 1.0
    for (start, before), (stop, after) in pairwise(knots):
        if start <= step < stop:
            return before + (after - before) * (step - start) / (stop - start)
    return knots[0][1] if step < knots[0][0] else knots[-1][1]


def problem(knots: Sequence[Sequence[float]]) -> str | None:
    """Returns a description of what is wrong with the knots, or None if they are valid."""
    steps = [step for step, _ in knots]
    if steps != sorted(set(steps)) or any(step < 0 for step in steps):
        return f"steps must increase and be at least 0; got {steps}"
    if not all(math.isfinite(factor) and factor >= 0 for _, factor in knots):
        return f"factors must be finite and at least 0; got {[factor for _, factor in knots]}"
    return None
