"""An evaluation as text for a terminal: the plan before, a table and the way made after."""

from __future__ import annotations

from collections.abc import Sequence

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.expectations import table
from hspcgan.evaluate.metrics.fid import progress
from hspcgan.evaluate.run import Result, Setting
from hspcgan.evaluate.subjects import REAL, UNTRAINED, Subject


def describe(setting: Setting, subjects: Sequence[Subject]) -> list[str]:
    """The plan, a line each."""
    n, config = len(setting.captions), setting.config
    places = [f"{subject.label} ({subject.path})" if subject.path else subject.label for subject in subjects]
    return [
        f"{setting.manifest.name}: scoring {', '.join(places)}",
        f"images: {n} captions of split {config.split} ({config.caption} caption, seed {config.seed}) against {n} "
        f"other real images of split {setting.selection.reference_split}, from {setting.cache.path}",
        f"scorers: {', '.join(f'{tower.label} {tower.sha256[:8]}' for tower in setting.towers)}",
        *published(config),
        *setting.notes,
        f"results: {setting.folder}",
    ]


def published(config: EvaluateConfig) -> list[str]:
    """A line with what a paper prints for this row, where it prints something."""
    figures = ", ".join(f"{name} {value:g}" for name, value in config.published.items())
    return [f"published: {figures} (by other scorers: read the trend, not the difference)"] if figures else []


def figure_table(results: Sequence[Result]) -> str:
    """A row per figure, a column per subject."""
    names = list(dict.fromkeys(figure.name for result in results for figure in result.figures))
    rows = [("figure", *(result.subject.label for result in results))]
    for name in names:
        found = [{figure.name: figure.value for figure in result.figures}.get(name) for result in results]
        rows.append((name, *("–" if value is None else f"{value:.4g}" for value in found)))
    return table(rows)


def way(results: Sequence[Result]) -> list[str]:
    """How far each checkpoint has come by FID, where the untrained generator and the floor were scored with it."""
    by_kind = {result.subject.kind: result for result in results}
    if not {UNTRAINED, REAL} <= by_kind.keys():
        return []
    start, floor = (_fid(by_kind[kind]) for kind in (UNTRAINED, REAL))
    lines = []
    for result in results:
        if result.subject.judged:
            for name, value in _fid(result).items():
                share = progress(start[name], value, floor[name])
                if share is None:
                    lines.append(f"{name}: the untrained generator is not above the floor; this scorer is blind to it")
                    continue
                lines.append(
                    f"{result.subject.label}, {name}: (untrained − trained) / (untrained − floor) = "
                    f"({start[name]:.4g} − {value:.4g}) / ({start[name]:.4g} − {floor[name]:.4g}) = {share:.3f}"
                )
    return lines


def _fid(result: Result) -> dict[str, float]:
    return {figure.name: figure.value for figure in result.figures if figure.metric == "fid"}
