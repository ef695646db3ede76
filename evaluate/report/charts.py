"""Draws training curves as small line charts in SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from hspcgan.model.common.printable import LARGE

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 26, 40
SMOOTHING = 0.08  # length of the moving average, as a share of the run


@dataclass(frozen=True)
class Curve:
    """A curve: name, CSS class for its colour, and points (step, value)."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


def chart(curves: Sequence[Curve], name: str, across: str = "step", up: str = "") -> Markup:
    """Returns an SVG chart of curves: the measured values as pale lines, their moving averages as bold lines.

    `name` and the last averages are the label for screen readers; `across` and `up` are the axis titles.
    """
    xs = [x for curve in curves for x, _ in curve.points]
    ys = _trimmed([y for curve in curves for _, y in curve.points])
    marks = ticks(min(ys), max(ys), 4)
    low, high = min(marks[0], min(ys)), max(marks[-1], max(ys))
    first, last = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        right = (x - first) / (last - first) if last > first else 0.5
        above = (min(max(y, low), high) - low) / (high - low)
        return LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - above * (HEIGHT - TOP - BOTTOM)

    ends = "; ".join(f"{curve.name} ends at {label(smoothed(curve.points)[-1][1])}" for curve in curves)
    spoken = escape(f"{name}, from {across} {label(first)} to {label(last)}: {ends}")
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{spoken}">']
    for mark in marks:
        y = place(first, mark)[1]
        text = escape(label(mark))
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
    for mark in ticks(first, last, 4):
        if first <= mark <= last:
            x, text = place(mark, low)[0], escape(label(mark))
            parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 22}" text-anchor="middle">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle:.1f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(across)}</text>')
    if up:
        parts.append(f'<text class="axis" x="4" y="10">{escape(up)}</text>')
    for curve in curves:
        parts.append(f'<polyline class="raw {escape(curve.style)}" points="{_points(curve.points, place)}"/>')
    for curve in curves:
        smooth = smoothed(curve.points)
        x, y = place(*smooth[-1])
        parts.append(f'<polyline class="mean {escape(curve.style)}" points="{_points(smooth, place)}"/>')
        parts.append(f'<circle class="end {escape(curve.style)}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    return Markup("".join(parts) + "</svg>")


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the moving average: the mean of each value and those before it, over a fixed share of the run."""
    window = max(1, round(len(points) * SMOOTHING))
    return [
        (points[i][0], math.fsum(y for _, y in points[max(0, i + 1 - window) : i + 1]) / min(window, i + 1))
        for i in range(len(points))
    ]


def ticks(low: float, high: float, count: int) -> list[float]:
    """Returns about `count` round numbers for an axis that covers `low` to `high`."""
    if high <= low:
        low, high = low - max(abs(low), 1e-6) * 0.1, high + max(abs(high), 1e-6) * 0.1
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(start, stop + 1)]


def label(value: float) -> str:
    """Formats a number: from 1,000 to ten million as an integer with separators, else with three significant digits."""
    return (f"{value:,.0f}" if 999.5 <= abs(value) < LARGE else f"{value:.3g}").replace("-", "−")


def _trimmed(values: list[float]) -> list[float]:
    """Removes the lowest 1 % and the highest 1 % of the values, so that a single spike does not flatten a curve."""
    ordered = sorted(values)
    cut = len(ordered) // 100
    return ordered[cut : len(ordered) - cut]


def _points(points: Sequence[tuple[float, float]], place: Callable[[float, float], tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
