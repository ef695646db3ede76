"""Terminal output of an evaluation: the plan at the start; metrics with intervals, progress and verdicts at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.metrics.fid_and_kid import progress
from hspcgan.evaluate.results.figure_names import Figure, format_value, name_prefix
from hspcgan.evaluate.results.write_record import warnings
from hspcgan.evaluate.run import Result, add_real_images
from hspcgan.evaluate.scored.subjects import CHECKPOINT, REAL, UNTRAINED, Subject
from hspcgan.evaluate.verdict.expectations import table
from hspcgan.model.common.printable import format_number


def describe(context: EvaluationContext, subjects: Sequence[Subject]) -> list[str]:
    """Returns the plan as lines: subjects, images, scorers, notes and the folder of the results."""
    n, config = len(context.ids), context.config
    named = [f"{one.label} ({one.source})" if one.source and one.source != one.label else one.label for one in subjects]
    source = context.reference_file.path if context.reference_file else f"split {context.selection.reference_split}"
    return [
        f"{context.manifest.name}: scoring {', '.join(named)}",
        f"images: {n} captions of split {config.split} (evaluate.caption: {config.caption}, seed {config.seed}), "
        f"compared with {n} other real images of {source}, from {context.cache.path}",
        f"scorers: {', '.join(f'{tower.label} {tower.sha256[:8]}' for tower in context.towers)}",
        *published(config),
        *context.notes,
        f"results: {context.folder}",
    ]


def published(config: EvaluateConfig) -> list[str]:
    """Returns one line with the published values in the manifest, as a list; [] if the manifest has none."""
    figures = ", ".join(f"{name} {value:g}" for name, value in config.published.items())
    return [f"published: {figures} (from other scorers, so compare trends, not values)"] if figures else []


def figure_table(results: Sequence[Result]) -> str:
    """Formats one row per metric value and one column per subject: value ± half of the 95 % interval, or a dash.

    The last column always has real images: the floor of FID at the same N.
    """
    results = add_real_images(results)
    names = list(dict.fromkeys(figure.name for result in results for figure in result.figures))
    rows = [("metric", "N", *(_column(result.subject) for result in results))]
    for name in names:
        found = [{figure.name: figure for figure in result.figures}.get(name) for result in results]
        one = next(figure for figure in found if figure is not None)
        rows.append((name_prefix(one.metric, one.scorer, one.part), str(one.n), *(_cell(figure) for figure in found)))
    return table(rows)


def _column(subject: Subject) -> str:
    return "real images" if subject.kind == REAL else subject.label


def closing_lines(context: EvaluationContext, results: Sequence[Result]) -> list[str]:
    """Returns explanations and warnings to print below the table."""
    lines = ["± is half of the 95 % interval: how much a value varies with other images, at this N."]
    if results:
        lines += warnings(context)
    return lines


def progress_lines(results: Sequence[Result]) -> list[str]:
    """Returns for each checkpoint where its FID lies between those of the untrained generator (0) and real images (1).

    Empty if the untrained generator or real images were not scored.
    """
    by_kind = {result.subject.kind: result for result in results}
    if not {UNTRAINED, REAL} <= by_kind.keys():
        return []
    start, floor = (_fid(by_kind[kind]) for kind in (UNTRAINED, REAL))
    lines = []
    for result in results:
        if result.subject.kind != CHECKPOINT:
            continue
        for name, value in _fid(result).items():
            if name not in start or name not in floor:
                continue
            covered = progress(start[name], value, floor[name])
            if covered is None:
                lines.append(
                    f"{name}: the untrained generator is no worse than the floor: this scorer cannot measure progress"
                )
                continue
            lines.append(
                f"{result.subject.label}, {name}: (untrained − trained) / (untrained − floor) = "
                f"({start[name]:.4g} − {value:.4g}) / ({start[name]:.4g} − {floor[name]:.4g}) = "
                f"{format_number(covered, 3)}"
            )
    return lines


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    if not math.isfinite(figure.low):
        return format_value(figure.metric, figure.value)
    half = (figure.high - figure.low) / 2
    return f"{format_value(figure.metric, figure.value)} ± {format_value(figure.metric, half)}"


def _fid(result: Result) -> dict[str, float]:
    return {name_prefix("fid", figure.scorer): figure.value for figure in result.figures if figure.metric == "fid"}
