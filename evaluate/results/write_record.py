"""Creates the files of a result: LABEL.json (format 2), LABEL.png and LABEL.parquet."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.draw.pictures import paired_sheet, png, sheet
from hspcgan.evaluate.metrics.base import Measurement
from hspcgan.evaluate.results.figure_names import Figure
from hspcgan.evaluate.results.machine import machine, versions
from hspcgan.evaluate.scored.images import Images, RealImages, first, pick
from hspcgan.evaluate.scored.subjects import REAL, Subject, provenance
from hspcgan.evaluate.verdict.expectations import Verdict
from hspcgan.evaluate.verdict.pinned_inputs import current_lock

FORMAT = 2
EXTREMES, EDITS = 4, 8  # numbers of lowest and highest scores, and of edits, in the report
REASONS = 12  # number of reasons for rejects in the report
DETAILS = {
    "rank": pa.int32(),
    "attributes": pa.list_(pa.struct([("kind", pa.string()), ("word", pa.string()), ("right", pa.bool_())])),
}  # columns of LABEL.parquet that are not metric values


def result(
    context: EvaluationContext,
    subject: Subject,
    figures: Sequence[Figure],
    verdicts: Sequence[Verdict],
    timings: dict[str, float],
) -> dict[str, Any]:
    """Returns the content of LABEL.json: enough to compare values and build the report without cache or weights."""
    config, info = context.config, context.cache.info
    size = context.cache.images.shape[-1]
    return {
        "format": FORMAT,
        "label": subject.label,
        "subject": provenance(subject),
        "n": len(context.ids),
        "split": config.split,
        "reference": context.settings["reference"],
        "seed": config.seed,
        "caption": config.caption,
        "figures": [figure.as_json() for figure in figures],
        "expect": [verdict.as_json() for verdict in verdicts],
        "notes": [*context.notes, *warnings(context)],
        "scorers": {tower.label: tower.sha256 for tower in context.towers},
        "manifest": {
            "name": context.manifest.name,
            "fingerprint": context.manifest.fingerprint("model", "train", "evaluate"),
        },
        "cache": {"fingerprint": info["fingerprint"], "clip": info["clip"], "templates": info["templates"]},
        "rejects": _rejects(context),
        "reject_reasons": _reject_reasons(context),
        "lock": config.lock.model_dump() if config.lock else None,
        "found": current_lock(context, [subject]).model_dump(),
        "versions": versions(),
        "machine": machine(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "timings": timings,
        "grid": {
            "image": [size, size],
            "captions": [_caption_as_json(caption) for caption in context.captions(config.shown)],
        },
    }


def as_text(data: dict[str, Any]) -> str:
    """Formats JSON for a file. ValueError for numbers that are not finite."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def warnings(context: EvaluationContext) -> list[str]:
    """Returns a warning for each scorer with at least as many feature dimensions as images (singular covariance)."""
    n = len(context.ids)
    if "fid" not in context.config.metrics:
        return []
    widths = {tower.label: context.reference_features(tower).shape[1] for tower in context.towers}
    return [
        f"warning: {n} images are too few for the {width} feature dimensions of {label}: FID depends strongly on N in "
        "this case, so compare it only at the same N"
        for label, width in widths.items()
        if n <= width
    ]


def picture(context: EvaluationContext, subject: Subject, images: Images) -> bytes:
    """Returns a PNG of the first images, each resized to the size of its caption's real image and placed below it."""
    count = min(context.config.shown, len(images))
    drawn = first(images, count)
    if subject.kind == REAL:
        return png(sheet(drawn))
    real = first(RealImages(context.cache, context.selection.sample_rows), count)
    return png(paired_sheet(real, _resized(drawn, (real.shape[1], real.shape[2]))))


def extremes(context: EvaluationContext, measured: Sequence[tuple[str, str, Measurement]]) -> list[tuple[int, float]]:
    """Returns the lowest and highest CLIP scores by the first scorer (EXTREMES of each), with their caption rows."""
    scores = next((one.rows for metric, _, one in measured if metric == "clip_score"), {})
    ordered = sorted(scores.items(), key=lambda row: row[1])
    return [*ordered[:EXTREMES], *ordered[-EXTREMES:]] if len(ordered) >= 2 * EXTREMES else []


def missed_attributes(measured: Sequence[tuple[str, str, Measurement]], row: int) -> list[str]:
    """Returns the attributes in the caption that the first scorer does not find in the image, such as "place sky"."""
    attributes = next((one.details["attributes"] for _, _, one in measured if "attributes" in one.details), {})
    return [f"{one['kind']} {one['word']}" for one in attributes.get(row, []) if not one["right"]]


def extremes_picture(context: EvaluationContext, images: Images, found: Sequence[tuple[int, float]]) -> bytes:
    """Returns a PNG of the images with the lowest and highest scores, each below the real image of its caption."""
    chosen = [row for row, _ in found]
    real = pick(RealImages(context.cache, context.selection.sample_rows), chosen)
    return png(paired_sheet(real, _resized(pick(images, chosen), (real.shape[1], real.shape[2]))))


def edits_picture(pairs: tuple[Images, Images]) -> bytes:
    """Returns a PNG of the first edits: images before the edit above images after the edit."""
    before, after = (first(images, min(EDITS, len(images))) for images in pairs)
    return png(paired_sheet(before, after))


def _resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes images [N, H, W, 3] to a size (H, W) if necessary."""
    if images.shape[1:3] == size:
        return images
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((size[1], size[0]), Image.Resampling.BICUBIC)) for one in images]
    )


def rows(context: EvaluationContext, measured: Sequence[tuple[str, str, Measurement]]) -> bytes:
    """Returns a Parquet file as bytes: a row per caption and scorer, a column per metric with per-caption values.

    `clip_score` is the cosine; `rank` the rank of the caption among the candidates of R-precision;
    `attribute_accuracy.KIND` the share of right attributes of that kind; `attributes` lists them: kind, word, right.
    """
    scorers = list(dict.fromkeys(scorer for _, scorer, _ in measured))
    columns: dict[str, list[Any]] = {}
    for metric, scorer, one in measured:
        found = {f"{metric}.{one.part}" if one.part else metric: one.rows, **one.details}
        for name, values in found.items():
            if values:
                column = columns.setdefault(name, [None] * (len(scorers) * len(context.ids)))
                start = scorers.index(scorer) * len(context.ids)
                for row, value in values.items():
                    column[start + row] = value
    table = pa.table(
        {
            "caption_id": context.ids * len(scorers),
            "text": context.texts * len(scorers),
            "scorer": [scorer for scorer in scorers for _ in context.ids],
            **{name: pa.array(values, DETAILS.get(name, pa.float64())) for name, values in columns.items()},
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _rejects(context: EvaluationContext) -> dict[str, int]:
    """Returns the numbers of rejected images and captions in the cache, by kind."""
    what = context.cache.rejects["what"].to_pylist()
    return {kind: what.count(kind) for kind in sorted(set(what))}


def _reject_reasons(context: EvaluationContext) -> list[dict[str, Any]]:
    """Returns kind, reason and count of the most frequent rejects."""
    rows = context.cache.rejects.select(["what", "why"]).to_pylist()
    counted = Counter((row["what"], row["why"]) for row in rows).most_common(REASONS)
    return [{"what": what, "why": why, "count": count} for (what, why), count in counted]


def _caption_as_json(caption: dict[str, Any]) -> dict[str, Any]:
    """Returns a caption as stored in LABEL.json: with concepts and graph, without phrase ids."""
    concepts = {
        kind: [{key: value for key, value in row.items() if key != "phrase"} for row in caption[kind]]
        for kind in ("entities", "attributes", "relations")
    }
    return {
        "id": caption["caption_id"],
        "text": caption["text"],
        **concepts,
        "graph": json.loads(caption["graph"]),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
