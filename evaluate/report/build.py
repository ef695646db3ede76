"""RUN → one self-contained HTML page: images as data URLs, curves and graphs as inline SVG, no script, no link out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from hspcgan.evaluate.draw.pictures import png
from hspcgan.evaluate.report import contents
from hspcgan.evaluate.report.charts import Curve, chart, label, smoothed
from hspcgan.evaluate.report.data import Evaluation, RunFolder, from_other_run, read_run
from hspcgan.evaluate.scored.subjects import CHECKPOINT, UNTRAINED
from hspcgan.model.common.progress import progress_bar
from hspcgan.pipeline.graphs.svg import graph_svg
from hspcgan.pipeline.pages.marked_caption import marked
from hspcgan.pipeline.pages.templates import stylesheet, templates

CARDS_SMALL, CARDS_LARGE, LARGE = 24, 12, 128  # fewer cards where images are large, so that the page stays light
CARDS_OPEN = {1: 16, 2: 12, 3: 8}  # by number of images a card; the rest is folded
GRAPHS = 4
PANELS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (  # title, subtitle, unit, curves
    ("Image–text cosine", "by the CLIP trained with", "cosine", (("cosine", "a"),)),
    ("Losses", "", "loss", (("loss_d", "b"), ("loss_g", "a"))),
    ("Discriminator's scores", "", "score", (("real", "c"), ("fake", "a"), ("mis", "b"))),
    ("Gradient penalty", "matching-aware, eq. 3", "penalty", (("penalty", "b"),)),
    ("Gradient norms", "", "norm", (("grad_d", "b"), ("grad_g", "a"))),
    ("Throughput", "", "images per second", (("images_per_sec", "c"),)),
)
NAMES = {"loss_d": "discriminator", "loss_g": "generator", "grad_d": "discriminator", "grad_g": "generator",
         "mis": "mismatched", "fake": "generated", "images_per_sec": "images/s"}  # fmt: skip


def render(folder: Path, others: Sequence[Path] = ()) -> str:
    """The page of a run folder, with the evaluations of other runs beside its own.

    UserError where a folder is not a run or holds damaged files.
    """
    run = read_run(folder)
    for other in others:
        run.evaluations.extend(from_other_run(read_run(other)))
    cards = _cards(run)
    unfolded = CARDS_OPEN.get(len(cards[0]["images"]), 6) if cards else 0
    return (
        templates(Path(__file__).parent)
        .get_template("page.html")
        .render(
            run=run,
            style=stylesheet(),
            facts=_facts(run),
            headline=contents.headline(run.evaluations),
            cards=cards[:unfolded],
            more_cards=cards[unfolded:],
            graphs=_graphs(run),
            history=[(label, data_url(strip), strip.shape[1], strip.shape[0]) for label, strip in run.history],
            panels=_panels(run.log),
            table=contents.table(run.evaluations),
            attributes=contents.attributes(run.evaluations),
            extremes=_extremes(run),
            edits=_edits(run),
            verdicts=[
                (contents.title(one.label), one.record["expect"]) for one in run.evaluations if one.record["expect"]
            ],
            notes=sorted({note for one in run.evaluations for note in one.record["notes"]}),
            provenance=contents.provenance(run),
        )
    )


def data_url(image: np.ndarray) -> str:
    """uint8 HWC → a PNG inside an address."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def _drawn(run: RunFolder) -> list[Evaluation]:
    """Evaluations whose images stand beside the real ones: checkpoints, or the untrained one where it is alone."""
    checkpoints = [one for one in run.evaluations if one.kind == CHECKPOINT]
    return checkpoints or [one for one in run.evaluations if one.kind == UNTRAINED]


def _facts(run: RunFolder) -> list[str]:
    """What was trained on what, in short clauses."""
    model, train = run.manifest.get("model") or {}, run.manifest.get("train") or {}
    facts = [f"{model.get('kind', 'hspcgan')} at {model.get('image_size', 224)} px"] if model else []
    if run.log:
        steps = run.log[-1]["step"]
        facts.append(f"{steps:,} steps" + (f" of {train['batch_size']} images" if "batch_size" in train else ""))
    if run.evaluations:
        record = run.evaluations[0].record
        facts.append(f"scored on {record['n']:,} captions of the {record['split']} split, {record['caption']} caption")
    return facts


def _cards(run: RunFolder) -> list[dict[str, Any]]:
    """A caption with its real image and what each checkpoint drew for it."""
    drawn = _drawn(run)
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
                images.append((contents.title(one.label), data_url(one.images[shown.index(caption["id"])])))
        cards.append({"id": caption["id"], "text": caption["text"], "marked": marked(caption), "images": images})
    return cards


def _extremes(run: RunFolder) -> list[dict[str, Any]]:
    """For each checkpoint: the captions with the lowest and the highest score, real image and drawn one."""
    found = []
    for one in _drawn(run):
        rows = one.record.get("extremes") or []
        cards = [
            {**row, "images": [("real", data_url(real)), (contents.title(one.label), data_url(image))]}
            for row, real, image in zip(rows, *one.pairs_of("extremes", len(rows)), strict=True)
        ]
        half = len(cards) // 2
        if cards:
            found.append({"label": contents.title(one.label), "worst": cards[:half], "best": cards[half:]})
    return found


def _edits(run: RunFolder) -> list[dict[str, Any]]:
    """For each checkpoint: captions before and after an edit, and what was drawn from the same noise."""
    found = []
    for one in _drawn(run):
        rows = one.record.get("edits") or []
        cards = [
            {
                "before": marks_of_change(row["after"], row["before"]),
                "after": marks_of_change(row["before"], row["after"]),
                "images": [("before", data_url(before)), ("after", data_url(after))],
            }
            for row, before, after in zip(rows, *one.pairs_of("edits", len(rows)), strict=True)
        ]
        if cards:
            found.append({"label": contents.title(one.label), "cards": cards})
    return found


def marks_of_change(other: str, text: str) -> Markup:
    """The text with a `<mark>` around each word that the other text has not."""
    words = other.split()
    return Markup(" ").join(
        Markup('<mark class="attribute">{}</mark>').format(word) if word not in words else escape(word)
        for word in text.split()
    )


def _graphs(run: RunFolder) -> list[Markup]:
    """The graphs of the captions with most relations and attributes, preferring entities not shown yet."""
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
        # graph_svg escapes every text it is given.
        graphs.append(Markup(graph_svg(caption["text"], caption["graph"])))
    return graphs


def _panels(log: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chart per group of logged values that the log holds."""
    panels = []
    for title, subtitle, unit, members in PANELS:
        curves = []
        for key, style in members:
            points = [(line["step"], line[key]) for line in log if isinstance(line.get(key), int | float)]
            if len(points) > 1:
                curves.append(Curve(NAMES.get(key, key), style, points))
        if curves:
            last = [(curve.name, curve.style, label(smoothed(curve.points)[-1][1])) for curve in curves]
            panels.append({"title": title, "subtitle": subtitle, "svg": chart(curves, title, up=unit), "last": last})
    return panels
