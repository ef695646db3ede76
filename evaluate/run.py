"""Runs an evaluation, one subject at a time: generate → features → score → verdict; stores and reuses stage results.

Writes for each subject RUN/evaluation/LABEL.json (metrics, verdicts, provenance), LABEL.png (the first images next to
real images) and LABEL.parquet (one row per caption and scorer).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.metrics.base import Measurement, MetricInput
from hspcgan.evaluate.metrics.edits import EditedPairs
from hspcgan.evaluate.results import figure_names, write_record
from hspcgan.evaluate.results.figure_names import Figure
from hspcgan.evaluate.scored.drawings import VARIATIONS, Drawings, draw, process
from hspcgan.evaluate.scored.images import Images, batches, image_name, stacks
from hspcgan.evaluate.scored.keys import content_key, metric_code, scorer_code
from hspcgan.evaluate.scored.scorers import PIXELS, Scorer
from hspcgan.evaluate.scored.subjects import REAL, Subject
from hspcgan.evaluate.verdict.expectations import Verdict, judge
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.progress import progress_bar

log = logging.getLogger("hspcgan.evaluate")


@dataclass(frozen=True)
class Result:
    """The metric values and verdicts of a subject and the file that contains them, or the reason why scoring failed."""

    subject: Subject
    figures: list[Figure]
    verdicts: list[Verdict]
    path: Path
    record: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    real: list[Figure] = field(default_factory=list)  # values of real images at the same N: floor or ceiling

    @property
    def passed(self) -> bool:
        return not self.error and all(verdict.passed for verdict in self.verdicts)


@dataclass
class Scores:
    """Results of the metrics: values with full names, and the measurements with values per caption."""

    figures: list[Figure]
    rows: list[tuple[str, str, Measurement]]  # (metric, scorer, measured)


def evaluate(context: EvaluationContext, subjects: Sequence[Subject], keep_images: bool = False) -> list[Result]:
    """Scores checkpoints, real images and folders one after another and writes the files of each.

    A subject that cannot be opened or drawn gets a Result with `error`; the others are still scored. With several
    processes (torchrun), all but the first draw their share and return an empty list.
    """
    if process()[0] > 0:
        for subject in subjects:
            _draw_all(Drawings(context, subject), context)
        return []
    results = []
    real = _real_figures(context)
    for subject in subjects:
        try:
            results.append(_score(context, subject, real, keep_images))
        except UserError as error:
            log.error("%s: %s", subject.label, error)
            path = context.folder / f"{subject.label}.json"
            results.append(Result(subject, [], [], path, error=str(error)))
    return results


def _real_figures(context: EvaluationContext) -> list[Figure]:
    """Returns the metric values of real images.

    Empty if results are not stored on disk, because each evaluation would compute these values again.
    """
    return score(context, Drawings(context, Subject(REAL, REAL))).figures if context.keep_drawn else []


def add_real_images(results: Sequence[Result]) -> list[Result]:
    """Adds a result for real images if there is none, so that every table shows their values for the same N."""
    real = next((result.real for result in results if result.real), [])
    if not real or any(result.subject.kind == REAL for result in results):
        return list(results)
    return [*results, Result(Subject(REAL, REAL), real, [], Path())]


def _score(context: EvaluationContext, subject: Subject, real: list[Figure], keep_images: bool) -> Result:
    began = time.perf_counter()
    drawings = Drawings(context, subject)
    log.info("%s: %d images to score", subject.label, len(context.ids))
    _draw_all(drawings, context)
    drawn = time.perf_counter()
    log.info("%s: scoring with %s", subject.label, ", ".join(tower.label for tower in context.towers))
    scores = score(context, drawings)
    verdicts = judge(scores.figures, _expected(context, subject)) if subject.has_expectations else []
    timings = {"draw_sec": round(drawn - began, 2), "score_sec": round(time.perf_counter() - drawn, 2)}
    path = context.folder / f"{subject.label}.json"
    if keep_images:
        _write_images(drawings.images, context.ids, context.folder / "images" / subject.label)
    write_atomically(path.with_suffix(".png"), write_record.picture(context, subject, drawings.images))
    write_atomically(path.with_suffix(".parquet"), write_record.rows(context, scores.rows))
    data = write_record.result(context, subject, scores.figures, verdicts, timings)
    data["real"] = [figure.as_json() for figure in real]
    data |= _examples(context, drawings, scores, path)
    write_atomically(path, write_record.as_text(data))
    if not context.keep_drawn:
        for images in all_needed_images(drawings, context):
            context.features.discard(images, context.towers)
    return Result(subject, scores.figures, verdicts, path, data, real=real)


def _examples(context: EvaluationContext, drawings: Drawings, scores: Scores, path: Path) -> dict[str, Any]:
    """Writes LABEL.extremes.png (best and worst images) and LABEL.edits.png; returns the captions of these images."""
    found = write_record.extremes(context, scores.rows)
    if found:
        write_atomically(
            path.with_suffix(".extremes.png"), write_record.extremes_picture(context, drawings.images, found)
        )
    extremes = [
        {
            "id": context.ids[row],
            "text": context.texts[row],
            "score": value,
            "wrong": write_record.missed_attributes(scores.rows, row),
        }
        for row, value in found
    ]
    pairs = drawings.edited() if "edits" in _needed_images(context) else None
    if pairs is None:
        return {"extremes": extremes, "edits": []}
    write_atomically(path.with_suffix(".edits.png"), write_record.edits_picture(pairs))
    before, after, _ = drawings.edits
    texts = list(zip(before, after, strict=True))[: write_record.EDITS]
    return {"extremes": extremes, "edits": [{"before": one, "after": other} for one, other in texts]}


def score(context: EvaluationContext, drawings: Drawings) -> Scores:
    """Computes all metrics of the evaluation with all of their scorers."""
    found = Scores([], [])
    inputs: dict[str, MetricInput] = {}

    def measure(metric: str, tower: Scorer) -> list[Measurement]:
        if tower.label not in inputs:
            inputs[tower.label] = _metric_input(context, drawings, tower)
        return METRICS[metric].measure(inputs[tower.label])

    asked = [(metric, tower) for metric in context.config.metrics for tower in context.towers_of(metric)]
    for metric, tower in progress_bar(asked, f"{drawings.subject.label}: scoring"):
        key = _score_key(context, drawings, metric, tower)
        for measured in context.scores.of(key, partial(measure, metric, tower)):
            found.figures.append(figure_names.figure(metric, measured, tower, context.settings))
            found.rows.append((metric, tower.label, measured))
    return found


def _score_key(context: EvaluationContext, drawings: Drawings, metric: str, tower: Scorer) -> str:
    """Returns a hash of everything that metric values depend on: images, captions, scorer, and the metric's code."""
    entry = METRICS[metric]
    edited = drawings.edited() if "edits" in entry.needs else None
    variations = drawings.variations() if "variations" in entry.needs else None
    return content_key(
        metric=metric, version=entry.version, method=entry.method(), code=metric_code(entry.measure.__module__),
        images=drawings.images.key, captions=context.texts, seed=context.config.seed,
        reference=context.reference_key if entry.reference else None,
        edits=edited and [*(images.key for images in edited), *drawings.edits],
        variations=variations and variations.key,
        scorer=[tower.sha256, tower.mode, torch.device(context.clip.device).type, scorer_code()],
    )  # fmt: skip


def _metric_input(context: EvaluationContext, drawings: Drawings, tower: Scorer) -> MetricInput:
    """Returns the features of one scorer that the metrics need."""
    label, store = drawings.subject.label, context.features
    extra: dict[str, Any] = {}
    if tower is PIXELS:
        found = drawings.variations() if "variations" in _needed_images(context) else None
        extra["variations"] = None if found is None else stacks(found, VARIATIONS)
        nothing = np.zeros((0, 0), np.float32)
        return MetricInput(nothing, context.texts, nothing, seed=context.config.seed, extra=extra)
    pairs = drawings.edited() if "edits" in _needed_images(context) else None
    if pairs is not None and tower in context.scorers:
        before, after, _ = drawings.edits
        features = [store.of(images, tower, f"{label}: edits") for images in pairs]
        extra["edits"] = EditedPairs(features[0], features[1], before, after)
    return MetricInput(
        images=store.of(drawings.images, tower, f"{label}:"),
        captions=context.texts,
        reference=context.reference_features(tower),
        texts=getattr(tower, "text_features", None),
        seed=context.config.seed,
        extra=extra,
    )


def _draw_all(drawings: Drawings, context: EvaluationContext) -> None:
    for images in all_needed_images(drawings, context):
        draw(images, drawings.subject.label)


def all_needed_images(drawings: Drawings, context: EvaluationContext) -> list[Images]:
    """Returns all images of the subject that the metrics need."""
    needs, found = _needed_images(context), [drawings.images]
    found += (drawings.edited() or ()) if "edits" in needs else ()
    variations = drawings.variations() if "variations" in needs else None
    return found if variations is None else [*found, variations]


def _needed_images(context: EvaluationContext) -> set[str]:
    """Returns the kinds of images that the metrics need in addition to one image per caption."""
    return {need for metric in context.config.metrics for need in METRICS[metric].needs}


def _expected(context: EvaluationContext, subject: Subject) -> dict[str, Any]:
    """Returns the expectations of the subject; with `--only`, those of the selected metrics."""
    expect = context.config.expected_of(subject.label)
    if not context.only:
        return expect
    from hspcgan.evaluate.config import metric_of

    return {name: bound for name, bound in expect.items() if metric_of(name) in context.config.metrics}


def _write_images(images: Images, ids: Sequence[str], folder: Path) -> None:
    """Writes the images as PNG files, each named after its caption id."""
    from hspcgan.evaluate.draw.pictures import png

    row = 0
    for batch in batches(images):
        for image in np.asarray(batch):
            write_atomically(folder / image_name(ids[row]), png(image))
            row += 1
