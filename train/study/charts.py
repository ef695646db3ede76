"""Draws the charts of a study as SVG: validation curves, and paired differences with their intervals."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hspcgan.train.study.config import Better, NotWorse, StudyConfig
from hspcgan.train.study.results import Results
from hspcgan.train.study.statistics import estimate
from hspcgan.train.study.verdicts import JudgedClaim

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"held": "#1b7837", "not held": "#b2182b", "undecided": "#666666"}
WIDTH_INCH, LINE_INCH = 7.5, 0.32


def curves(config: StudyConfig, results: Results, figure: str, rows: Sequence[str]) -> str:
    """Plots the mean of a metric on the validation split, with its interval, against the number of training images.

    Empty if no run has the metric on the validation split.
    """
    drawn, axes = _axes(4.0)
    for row in rows:
        by_seed = [results.curve(row, seed, figure) for seed in config.seeds]
        by_seed = [points for points in by_seed if points]
        shortest = min(map(len, by_seed), default=0)
        if not shortest:
            continue
        images = [seen for seen, _ in by_seed[0][:shortest]]
        spreads = [estimate([points[i][1] for points in by_seed], config.confidence) for i in range(shortest)]
        (line,) = axes.plot(images, [one.mean for one in spreads], marker="o", markersize=3, label=row)
        low, high = (np.array([getattr(one, end) for one in spreads]) for end in ("low", "high"))
        axes.fill_between(images, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
    if not axes.lines:
        return ""
    axes.set_xlabel("training images")
    axes.set_title(f"{figure}, validation split", fontsize="medium", loc="left")
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return _svg(drawn)


def forest(judged: Sequence[JudgedClaim], figure: str) -> str:
    """Draws the paired differences of one metric with their intervals, one line per comparison, coloured by verdict.

    Empty if no comparison has results of two seeds.
    """
    parts = [
        (number, part)
        for number, one in enumerate(judged, 1)
        if isinstance(one.claim, Better | NotWorse)
        for part in one.comparisons
        if part.figure == figure and part.found.n > 1
    ]
    if not parts:
        return ""
    drawn, axes = _axes(0.9 + LINE_INCH * len(parts))
    for y, (_, part) in enumerate(parts):
        axes.plot([part.found.low, part.found.high], [y, y], color=COLOURS[part.verdict])
        axes.plot(part.found.mean, y, "o", color=COLOURS[part.verdict])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(parts)), [f"({number}) {part.what}: {part.verdict}" for number, part in parts])
    axes.invert_yaxis()
    axes.set_xlabel("paired difference (positive is better)")
    axes.set_title(figure, fontsize="medium", loc="left")
    return _svg(drawn)


def _axes(height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH_INCH, height), layout="constrained")
    axes = drawn.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return drawn, axes


def _svg(drawn: "Figure") -> str:
    """Returns the chart as an SVG element; text is not converted to paths, and equal content gives equal bytes."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hspcgan"}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
