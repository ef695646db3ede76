"""Builds the HTML page of a run: self-contained, with images as data URLs and charts as inline SVG, without scripts."""

from __future__ import annotations

import base64
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from hspcgan.evaluate.draw.pictures import png
from hspcgan.evaluate.report import page_values, provenance
from hspcgan.evaluate.report.charts import Curve, chart, label, smoothed
from hspcgan.evaluate.report.run_folder import Evaluation, RunFolder, checkpoints_of_other_run, read_run
from hspcgan.evaluate.scored.subjects import CHECKPOINT, REAL, UNTRAINED
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.overwrite import require_ours
from hspcgan.model.common.printable import format_count, format_number
from hspcgan.model.common.progress import progress_bar
from hspcgan.model.common.user_files import read_bytes
from hspcgan.model.common.validation import MAX_NUMBER
from hspcgan.pipeline.graphs.svg import graph_svg
from hspcgan.pipeline.pages.marked_caption import marked
from hspcgan.pipeline.pages.templates import stylesheet, templates

CARDS_SMALL, CARDS_LARGE, LARGE = 24, 12, 128  # fewer cards for large images, to limit the size of the page
CARDS_OPEN = {1: 16, 2: 12, 3: 8}  # unfolded cards, by number of images per card
GRAPHS = 4
PANELS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (  # title, subtitle, unit, curves
    ("Image–text cosine", "by the training CLIP", "cosine", (("cosine", "a"),)),
    ("Losses", "", "loss", (("loss_d", "b"), ("loss_g", "a"))),
    ("Discriminator scores", "", "score", (("real", "c"), ("fake", "a"), ("mis", "b"))),
    ("Gradient penalty", "matching-aware, eq. 3", "penalty", (("penalty", "b"),)),
    ("Gradient norms", "", "norm", (("grad_d", "b"), ("grad_g", "a"))),
    ("Throughput", "", "images per second", (("images_per_sec", "c"),)),
)
NAMES = {"loss_d": "discriminator", "loss_g": "generator", "grad_d": "discriminator", "grad_g": "generator",
         "mis": "mismatched", "fake": "generated", "images_per_sec": "images/s"}  # fmt: skip


def require_own_report(path: Path) -> None:
    """Raises UserError if the page RUN/report.html exists and was not written by `hspcgan report`."""
    if path.is_file():
        is_ours = b'<p class="kind">' in read_bytes(path)  # at the top of each report
        require_ours(path.parent, [path.name], is_ours, "report of hspcgan in it", "--out")


def render(folder: Path, others: Sequence[Path] = ()) -> str:
    """Returns the HTML page of a run folder, with the checkpoints of other runs as additional columns.

    UserError if a folder is not a run or contains damaged files.
    """
    run = read_run(folder)
    for other in others:
        run.evaluations.extend(checkpoints_of_other_run(read_run(other)))
    run.evaluations.sort(key=lambda one: one.kind == REAL)
    cards = _cards(run)
    unfolded = CARDS_OPEN.get(len(cards[0]["images"]), 6) if cards else 0
    return (
        templates(Path(__file__).parent)
        .get_template("page.html")
        .render(
            run=run,
            style=stylesheet(),
            facts=_facts(run),
            trained=bool(run.manifest_text),
            headline=page_values.headline(run.evaluations),
            cards=cards[:unfolded],
            more_cards=cards[unfolded:],
            graphs=_graphs(run),
            history=[(label, data_url(strip), strip.shape[1], strip.shape[0]) for label, strip in run.history],
            panels=_panels(run.log),
            table=page_values.table(run.evaluations),
            attributes=page_values.attributes(run.evaluations),
            extremes=_extremes(run),
            edits=_edits(run),
            verdicts=page_values.verdicts(run.evaluations),
            notes=sorted({note for one in run.evaluations for note in one.record["notes"]}),
            locks=provenance.lock_table(run.evaluations),
            rejects=provenance.rejects(run.evaluations),
            provenance=provenance.provenance(run),
        )
    )


def render_study(folder: Path) -> str:
    """Returns the HTML page of a study folder. UserError if a file is damaged or the study report is not installed."""
    points = list(importlib.metadata.entry_points(group="hspcgan.reports", name="study"))
    if not points:
        raise UserError("the report for studies is not installed; reinstall the package: `pip install -e .`")
    return points[0].load()(folder)


def data_url(image: np.ndarray) -> str:
    """Returns a uint8 HWC image as a data URL with a PNG."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def _generator_evaluations(run: RunFolder) -> list[Evaluation]:
    """Returns the evaluations of checkpoints or, if there are none, of the untrained generator."""
    checkpoints = [one for one in run.evaluations if one.kind == CHECKPOINT]
    return checkpoints or [one for one in run.evaluations if one.kind == UNTRAINED]


def _facts(run: RunFolder) -> list[str]:
    """Returns short facts about training and evaluation."""
    model, train = run.manifest.get("model") or {}, run.manifest.get("train") or {}
    facts = [f"{model.get('kind', 'hspcgan')} at {model.get('image_size', 224)} px"] if model else []
    if run.log:
        steps = run.log[-1]["step"]
        facts.append(
            f"{format_count(steps, 'step')}" + (f" of {train['batch_size']} images" if "batch_size" in train else "")
        )
    return [*facts, *provenance.facts(run.evaluations)]


def _cards(run: RunFolder) -> list[dict[str, Any]]:
    """Returns cards, each with a caption, its real image and the image from each checkpoint."""
    drawn = _generator_evaluations(run)
    if not drawn:
        return []
    captions = drawn[0].record["grid"]["captions"]
    most = CARDS_LARGE if max(drawn[0].record["grid"]["image"]) > LARGE else CARDS_SMALL
    cards = []
    for i, caption in enumerate(progress_bar(captions[:most], "report")):
        images = [("real", data_url(drawn[0].real[i]))]
        for one in drawn:
            shown = [other["id"] for other in one.record["grid"]["captions"]]
            if caption["id"] in shown:
                images.append((page_values.title(one.label), data_url(one.images[shown.index(caption["id"])])))
        cards.append({"id": caption["id"], "text": caption["text"], "marked": marked(caption), "images": images})
    return cards


def _extremes(run: RunFolder) -> list[dict[str, Any]]:
    """Returns for each checkpoint the captions with the lowest and highest scores, with real and generated images."""
    found = []
    for one in _generator_evaluations(run):
        rows = one.record.get("extremes") or []
        cards = [
            {
                "wrong": [],
                **row,
                "score": format_number(row["score"], 3),
                "images": [("real", data_url(real)), (page_values.title(one.label), data_url(image))],
            }
            for row, real, image in zip(rows, *one.pairs_of("extremes", len(rows)), strict=True)
        ]
        half = len(cards) // 2
        if cards:
            found.append({"label": page_values.title(one.label), "worst": cards[:half], "best": cards[half:]})
    return found


def _edits(run: RunFolder) -> list[dict[str, Any]]:
    """Returns for each checkpoint the captions before and after an edit, with images from the same noise."""
    found = []
    for one in _generator_evaluations(run):
        rows = one.record.get("edits") or []
        cards = [
            {
                "before": mark_changes(row["after"], row["before"]),
                "after": mark_changes(row["before"], row["after"]),
                "images": [("before", data_url(before)), ("after", data_url(after))],
            }
            for row, before, after in zip(rows, *one.pairs_of("edits", len(rows)), strict=True)
        ]
        if cards:
            found.append({"label": page_values.title(one.label), "cards": cards})
    return found


def mark_changes(other: str, text: str) -> Markup:
    """Returns a caption with `<mark>` around each word that the other caption does not have."""
    words = other.split()
    return Markup(" ").join(
        Markup('<mark class="attribute">{}</mark>').format(word) if word not in words else escape(word)
        for word in text.split()
    )


def _graphs(run: RunFolder) -> list[Markup]:
    """Returns the scene graphs (SVG) of captions with many relations and attributes and with different entities."""
    shown = run.evaluations[0].record["grid"]["captions"] if run.evaluations else []
    rest = [caption for caption in shown if caption["graph"].get("entities")]
    graphs: list[Markup] = []
    seen: set[str] = set()
    while rest and len(graphs) < GRAPHS:
        heads = [{entity["head"] for entity in caption["entities"]} for caption in rest]
        size = [len(caption["relations"]) + len(caption["attributes"]) / 2 for caption in rest]
        best = max(range(len(rest)), key=lambda i: size[i] + 2 * len(heads[i] - seen))
        seen |= heads[best]
        caption = rest.pop(best)
        # graph_svg escapes its strings.
        graphs.append(Markup(graph_svg(caption["text"], caption["graph"])))
    return graphs


def _panels(log: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a chart for each group of values in the log."""
    panels = []
    for title, subtitle, unit, members in PANELS:
        curves = []
        for key, style in members:
            points = [(line["step"], line[key]) for line in log if _is_finite(line.get(key))]
            if len(points) > 1:
                curves.append(Curve(NAMES.get(key, key), style, points))
        if curves:
            last = [(curve.name, curve.style, label(smoothed(curve.points)[-1][1])) for curve in curves]
            panels.append({"title": title, "subtitle": subtitle, "svg": chart(curves, title, up=unit), "last": last})
    return panels


def _is_finite(value: Any) -> bool:
    """Whether a logged value can be plotted; with mixed precision, gradient norms can be infinite."""
    return isinstance(value, int | float) and abs(value) <= MAX_NUMBER
