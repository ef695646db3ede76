"""Builds the page of a study, one self-contained HTML file: verdicts, tables, charts and the origin of every run."""

import importlib
import json
from pathlib import Path
from typing import Any

from hspcgan.model.common.files import write_whole
from hspcgan.train.study import charts, tables
from hspcgan.train.study.protocol import Study
from hspcgan.train.study.results import Results
from hspcgan.train.study.verdicts import judge

RESULTS = "study.json"
PACKAGES = ("jinja2", "matplotlib", "scipy")
"""Packages that the page needs in addition to the core dependencies."""


def require_packages() -> None:
    """Raises ModuleNotFoundError if a package is missing; called before training, which takes hours."""
    for name in PACKAGES:
        importlib.import_module(name)


def write_report(study: Study, results: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Writes study.json, tables, charts and index.html; returns their paths. Equal results give equal files."""
    config, by_cell = study.config, Results.of(results)
    judged = judge(config, by_cell)
    frames = {"rows": tables.rows_table(config, by_cell), "claims": tables.claims_table(judged)}
    written = tables.write_tables(folder, frames)
    compared = list(dict.fromkeys(part.figure for one in judged for part in one.comparisons))
    drawn = {}
    for figure in config.shown:
        slug = figure.replace("/", "-").replace(".", "-")
        drawn[f"curves-{slug}"] = charts.curves(config, by_cell, figure, config.curves or tuple(config.rows))
        if figure in compared:
            drawn[f"differences-{slug}"] = charts.forest(judged, figure)
    for name, svg in drawn.items():
        write_whole(folder / f"{name}.svg", svg)
        written.append(folder / f"{name}.svg")
    write_whole(folder / RESULTS, json.dumps({"protocol": study.hash, "results": results}, indent=1) + "\n")
    write_whole(folder / "index.html", _html(study, by_cell, judged, frames, drawn))
    return [*written, folder / RESULTS, folder / "index.html"]


def _html(study: Study, results: Results, judged: Any, frames: dict[str, Any], drawn: dict[str, str]) -> str:
    from markupsafe import Markup

    from hspcgan.pipeline.pages.templates import stylesheet, templates

    return (
        templates(Path(__file__).parent)
        .get_template("page.html")
        .render(
            study=study,
            style=stylesheet(),
            judged=judged,
            results=list(results.by_cell.values()),
            missing=[cell.name for cell in study.cells if (cell.row, cell.seed) not in results.by_cell],
            tables={name: Markup(frame.to_html(index=False, border=0)) for name, frame in frames.items()},
            pictures={name: Markup(svg) for name, svg in drawn.items()},
            description=study.manifest.raw.get("description", ""),
        )
    )
