"""The registry of metrics, used by config, run and report. To add a metric, add one file and one entry here."""

from __future__ import annotations

from hspcgan.evaluate.metrics import (
    attribute_accuracy,
    clip_score,
    colour_swap,
    diversity,
    edits,
    fid_and_kid,
    prdc,
    r_precision,
)
from hspcgan.evaluate.metrics.base import Metric
from hspcgan.model.common.printable import format_number, format_percent


def _two_digits(value: float) -> str:
    return format_number(value, 2).replace("-", "−")


def _three_digits(value: float) -> str:
    return format_number(value, 3).replace("-", "−")


METRICS: dict[str, Metric] = {
    "fid": Metric(
        fid_and_kid.fid, "FID", "Fréchet distance to real images; the floor is the FID of other real images", "lower",
        fid_and_kid.method, _two_digits, towers="all", reference=True,
    ),
    "kid": Metric(
        fid_and_kid.kid, "KID", "kernel distance to real images; unbiased, so it can be negative near zero", "lower",
        fid_and_kid.method, _three_digits, towers="all", reference=True,
    ),
    "precision": Metric(
        prdc.precision, "Precision", "share of generated images in the neighbourhood of a real image", "higher",
        lambda: f"{prdc.K} nearest neighbours", format_percent, towers="all", reference=True,
    ),
    "recall": Metric(
        prdc.recall, "Recall", "share of real images in the neighbourhood of a generated image", "higher",
        lambda: f"{prdc.K} nearest neighbours", format_percent, towers="all", reference=True,
    ),
    "density": Metric(
        prdc.density, "Density", "how densely real images surround a generated image", "higher",
        lambda: f"{prdc.K} nearest neighbours", _three_digits, towers="all", reference=True,
    ),
    "coverage": Metric(
        prdc.coverage, "Coverage", "share of real images with a generated image in their neighbourhood", "higher",
        lambda: f"{prdc.K} nearest neighbours", format_percent, towers="all", reference=True,
    ),
    "clip_score": Metric(
        clip_score.clip_score, "CLIP score", "mean raw cosine of image and caption; a generator that was trained "
        "with CLIP can score above real images", "higher", lambda: "raw cosine", _three_digits,
    ),
    "r_precision": Metric(
        r_precision.r_precision, "R-precision", "share of images that score highest with their own caption among 100 "
        "captions", "higher", lambda: f"own caption first among {r_precision.CANDIDATES}", format_percent,
    ),
    "colour_swap": Metric(
        colour_swap.colour_swap, "Colours right", "share of images that are closer to their caption than to the same "
        "caption with one colour swapped",
        "higher", lambda: "caption preferred to itself with one colour swapped", format_percent,
    ),
    "attribute_accuracy": Metric(
        attribute_accuracy.attribute_accuracy, "Attributes right", "share of the colours, sizes, lengths, places, "
        "relations and objects in captions for which the scorer prefers the caption to every wrong version", "higher",
        lambda: "zero-shot choice among wrong versions of the caption", format_percent, by_default=False,
    ),
    "caption_accuracy": Metric(
        attribute_accuracy.caption_accuracy, "Captions right", "share of captions with all attributes right",
        "higher", lambda: "zero-shot choice among wrong versions of the caption", format_percent, by_default=False,
    ),
    "diversity": Metric(
        diversity.diversity, "Diversity", "standard deviation of a pixel over images from one caption and different "
        "noise, as a share of the pixel range", "higher", lambda: "8 seeds of the first 50 captions", _three_digits,
        towers="none", needs=("variations",), by_default=False,
    ),
    "edit_consistency": Metric(
        edits.edit_consistency, "Edits", "captions with one colour edited and the noise kept: the image follows the "
        "edit (followed), its features change in the same direction as those of the caption (direction), all else "
        "stays as before (stayed) and the image remains similar (kept)", "higher",
        lambda: "one colour swapped, noise kept", _three_digits, needs=("edits",), by_default=False,
    ),
}  # fmt: skip
