"""Builds the page of a study, one self-contained HTML file: verdicts, tables, charts and the origin of every run."""

import importlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.overwrite import require_ours
from hspcgan.pipeline.manifest.path_arguments import open_manifest
from hspcgan.train.process import ownership
from hspcgan.train.study import charts, tables
from hspcgan.train.study.protocol import Study, open_study
from hspcgan.train.study.result_files import read_results
from hspcgan.train.study.results import Results
from hspcgan.train.study.verdicts import JudgedClaim, judge

RESULTS = "study.json"
PACKAGES = ("jinja2", "matplotlib", "scipy")
"""Packages that the page needs in addition to the core dependencies."""


def require_packages() -> None:
    """Raises ModuleNotFoundError if a package for the page is missing; call it before training, which takes hours."""
    for name in PACKAGES:
        importlib.import_module(name)


def require_own_page(folder: Path) -> None:
    """Raises UserError if the index.html in a folder is not the page of a study, and would be overwritten."""
    found = ["index.html"] if (folder / "index.html").exists() else []
    require_ours(folder, found, (folder / RESULTS).exists(), f"{RESULTS} of a study", "--out")


def write_report(study: Study, results: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Writes study.json, tables, charts and index.html into a folder; returns their paths.

    Equal results give equal files.
    """
    parts = _Parts.of(study, results)
    written = tables.write_tables(folder, parts.frames)
    for name, (_, svg) in parts.drawn.items():
        write_atomically(folder / f"{name}.svg", svg)
        written.append(folder / f"{name}.svg")
    write_atomically(folder / RESULTS, json.dumps({"protocol": study.hash, "results": results}, indent=1) + "\n")
    write_atomically(folder / "index.html", _html(study, parts))
    return [*written, folder / RESULTS, folder / "index.html"]


def render(folder: Path) -> str:
    """Returns the HTML page of a study folder, built from the existing results; used by `hspcgan report`.

    Raises UserError if the manifest or a result is damaged, and CheckFailedError if a result was made with another
    protocol.
    """
    manifest = open_manifest(str(folder))
    ownership.require_own_folder(folder, ownership.STUDY, is_ours=True)
    study = open_study(replace(manifest, raw=manifest.raw | {"run": str(folder)}))  # the folder may be a copy
    return _html(study, _Parts.of(study, read_results(study)))


@dataclass(frozen=True)
class _Parts:
    """The contents of the page: results, verdicts, tables by name, and non-empty charts by name (description, SVG)."""

    results: Results
    judged: list[JudgedClaim]
    frames: dict[str, Any]
    drawn: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, study: Study, results: list[dict[str, Any]]) -> "_Parts":
        config, by_cell = study.config, Results.of(results)
        judged = judge(config, by_cell)
        frames = {"rows": tables.rows_table(config, by_cell), "claims": tables.claims_table(judged)}
        compared = {part.figure for one in judged for part in one.comparisons}
        drawn = {}
        for figure in config.shown:
            slug = figure.replace("/", "-").replace(".", "-")
            svg = charts.curves(config, by_cell, figure, config.curves or tuple(config.rows))
            drawn[f"curves-{slug}"] = (f"{figure} on the validation split, by training images", svg)
            if figure in compared:
                drawn[f"differences-{slug}"] = (f"Paired differences in {figure}", charts.forest(judged, figure))
        return cls(by_cell, judged, frames, {name: chart for name, chart in drawn.items() if chart[1]})


def _html(study: Study, parts: _Parts) -> str:
    from markupsafe import Markup

    from hspcgan.pipeline.pages.templates import stylesheet, templates

    by_cell = parts.results.by_cell
    return (
        templates(Path(__file__).parent)
        .get_template("page.html")
        .render(
            study=study,
            style=stylesheet(),
            judged=parts.judged,
            results=list(by_cell.values()),
            missing=[cell.name for cell in study.cells if (cell.row, cell.seed) not in by_cell],
            tables={name: Markup(frame.to_html(index=False, border=0)) for name, frame in parts.frames.items()},
            pictures=[(label, Markup(svg)) for label, svg in parts.drawn.values()],
            description=study.manifest.raw.get("description", ""),
        )
    )
