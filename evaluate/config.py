"""The `evaluate` section of a manifest: the images to score, the networks that score them, and the expected values.

Each metric value has a name, such as fid/held-out-clip; see results/figure_names.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from hspcgan.evaluate.metrics import METRICS
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel, quoted

Finite = Annotated[float, Field(allow_inf_nan=False)]
DEFAULT_METRICS = tuple(name for name, metric in METRICS.items() if metric.by_default)


class Bound(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """The range (inclusive) that a metric value must be in: min and max, or a value with a tolerance."""

    min: Finite | None = Field(None, description="Smallest value that passes.")
    max: Finite | None = Field(None, description="Largest value that passes.")
    value: Finite | None = Field(None, description="Expected value; needs exactly one of abs, rel, se.")
    abs: Finite | None = Field(None, ge=0, description="Largest allowed difference from `value`.")
    rel: Finite | None = Field(None, ge=0, description="Largest allowed difference from `value`, relative to `value`.")
    se: Finite | None = Field(
        None, ge=0, description="Largest allowed difference from `value`, as a multiple of the measured standard error."
    )
    n: int | None = Field(None, ge=1, description="Number of images N that the value must be measured with.")

    @model_validator(mode="after")
    def _check_range(self) -> Bound:
        tolerances = [name for name in ("abs", "rel", "se") if getattr(self, name) is not None]
        if self.value is None and tolerances:
            raise UserError(f"{tolerances[0]} is a tolerance for `value`, but `value` is missing; add it")
        if self.value is not None and len(tolerances) != 1:
            raise UserError(f"value needs exactly one of abs, rel and se, got {', '.join(tolerances) or 'none'}")
        if self.value is None and self.min is None and self.max is None:
            raise UserError("give min, max, or value with abs, rel or se")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise UserError(f"min {self.min} exceeds max {self.max}")
        return self

    def ends(self, se: float = 0.0) -> tuple[float, float]:
        """Returns the smallest and the largest value that pass; `se` is the standard error of the measured value."""
        low, high = -float("inf"), float("inf")
        if self.value is not None:
            width = self.abs if self.abs is not None else abs(self.value) * (self.rel or 0.0)
            width = self.se * se if self.se is not None else width
            low, high = self.value - width, self.value + width
        return max(low, low if self.min is None else self.min), min(high, high if self.max is None else self.max)


class Settings(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """The settings that metric values depend on, as stored in evaluate.lock."""

    samples: int = Field(description="Number of images scored.")
    split: str = Field(description="Split of the captions.")
    reference: str = Field(description="Split of the real reference images, or reference file.")
    caption: str = Field(description="How one caption of each image is selected: keyed or first.")
    seed: int = Field(description="Seed for images, captions and noise.")


class Lock(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """Data, weights and settings that the expected values were measured with; written by `evaluate --update`."""

    settings: Settings = Field(description="Settings that metric values depend on.")
    cache: dict[str, str] = Field(
        description="Content of the cache that an evaluation reads (images, captions, concepts, clip, templates) → "
        "sha256."
    )
    scorers: dict[str, str] = Field(description="Scorer → sha256 of its weights.")
    metrics: dict[str, int] = Field(description="Metric → version of its computation.")
    checkpoints: dict[str, str] = Field({}, description="Label of a checkpoint → sha256 of its weights.")


class EvaluateConfig(CheckedModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """Settings of an evaluation; they determine images, captions, noise and scorers, so that results are comparable."""

    samples: int | None = Field(
        None,
        ge=2,
        le=10_000_000,
        description="Number N of images to score, and of real reference images; if absent, half of the images of the "
        "split.",
    )
    split: str = Field("test", description="Split of the cache to take captions from.")
    reference: str | None = Field(
        None,
        description="Split of the real reference images, or a file that `hspcgan reference` wrote; if absent, images "
        "of `split` that are not scored.",
    )
    validation: str | None = Field(
        None,
        description="Split that is scored during training (train.evaluate_every) to select the best checkpoint "
        "(train.best); if absent, val, or `split` if the cache has no val split.",
    )
    caption: Literal["first", "keyed"] = Field(
        "keyed",
        description="How one caption of each image is selected. keyed: by a hash of seed and image key; first: the "
        "first caption of the image.",
    )
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Seed for the choice of images and captions, and for the noise."
    )
    scorers: dict[str, str] = Field(
        {"held-out": "toy-scorer", "trainer": "toy-clip"},
        min_length=1,
        description="Scorer: label (used in the names of metric values) → CLIP weights, as a path or the name of "
        "shipped weights.",
    )
    metrics: tuple[str, ...] = Field(
        DEFAULT_METRICS, min_length=1, description=f"Metrics to compute; available: {', '.join(METRICS)}."
    )
    inception: str | None = Field(
        None,
        description="Folder with inception-2015-12-05.pt, for FID and KID as in publications; if absent, weights/ and "
        "clean-fid's folder are searched; if neither has the file, no metrics are computed with Inception.",
    )
    inception_mode: Literal["clean", "legacy_pytorch", "legacy_tensorflow"] = Field(
        "clean",
        description="Mode of clean-fid, which determines how images are resized and which port of Inception is used.",
    )
    edits: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="Number of edited captions for which images are generated, for the metric edit_consistency.",
    )
    shown: int = Field(
        24,
        ge=1,
        le=10_000,
        description="Number of images in the grid and the report; the first selected images are shown.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto selects cuda if there is a GPU.")
    published: dict[str, float] = Field(
        {},
        description="Published values of this model (fid, clip_score): shown but not checked, because they were "
        "measured with other Inception and CLIP weights.",
    )
    checkpoints: dict[str, str] = Field(
        {},
        description="Checkpoints to score if no option selects others: label → run, checkpoint folder or name of a "
        "shipped checkpoint.",
    )
    expect: dict[str, Bound | dict[str, Bound]] | None = Field(
        None,
        description="Bounds for every checkpoint: name of a metric value, or the beginning of the name "
        "(`fid/held-out-clip`) → bounds. Bounds for one checkpoint: its label → {name → bounds}. A value out of bounds "
        "gives exit code 1.",
    )
    lock: Lock | None = Field(
        None,
        description="Data, weights and settings that the expected values were measured with; if they differ from those "
        "of an evaluation, the evaluation stops with an error.",
    )

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(METRICS))
        if unknown:
            raise UserError(f"unknown metrics {unknown}; known: {', '.join(METRICS)}")
        if repeated := sorted(name for name in set(names) if names.count(name) > 1):
            raise UserError(f"listed more than once: {', '.join(repeated)}")
        return names

    @field_validator("expect", mode="before")
    @classmethod
    def _parse_bounds(cls, expect: Any) -> Any:
        """Validates each entry as a bound or as the bounds of a checkpoint.

        pydantic alone would report errors for both types.
        """
        if not isinstance(expect, dict):
            return expect
        names = [name for part in (expect, *expect.values()) if isinstance(part, dict) for name in part]
        if other := [name for name in names if not isinstance(name, str)]:
            raise UserError(f"the key {quoted(other[0])} is not a name; expected names of metric values and bounds")
        typed: dict[str, Any] = {}
        for name, value in expect.items():
            if metric_of(name) in METRICS or not isinstance(value, dict):
                typed[name] = _bound((name,), value)
                continue
            unknown = sorted(figure for figure in value if metric_of(figure) not in METRICS)
            if unknown or not value:
                raise UserError(
                    f"{name!r} is neither the name of a metric value ({', '.join(METRICS)}) nor a checkpoint label "
                    f"with bounds for metric values{f'; unknown: {unknown}' if unknown else ''}"
                )
            typed[name] = {figure: _bound((name, figure), bound) for figure, bound in value.items()}
        return typed

    @field_validator("scorers", "checkpoints")
    @classmethod
    def _check_labels(cls, named: dict[str, str]) -> dict[str, str]:
        bad = [name for name in named if not name.isprintable() or "/" in name or not name.strip() or name[0] == "."]
        if bad:
            raise UserError(
                f"these labels cannot be part of file names: {bad}; give labels without slashes, leading dots and line "
                "breaks"
            )
        return named

    def expected_of(self, label: str) -> dict[str, Bound]:
        """Returns bounds by metric name: those for every checkpoint, overridden by those for the checkpoint `label`."""
        expect = self.expect or {}
        shared = {name: bound for name, bound in expect.items() if isinstance(bound, Bound)}
        own = expect.get(label)
        return shared | (own if isinstance(own, dict) else {})


def _bound(where: tuple[str, ...], value: Any) -> Bound:
    """Validates a bound of `expect`; `where` holds the keys that lead to it, for error messages."""
    try:
        return Bound.model_validate(value)
    except ValidationError as error:
        lines = [
            {"type": one["type"], "loc": (*where, *one["loc"]), "input": one["input"], "ctx": one.get("ctx", {})}
            for one in error.errors()
        ]
        raise ValidationError.from_exception_data(title="Bound", line_errors=lines) from error  # type: ignore[arg-type]


def metric_of(figure: str) -> str:
    """Extracts the metric from the name of a value: 'attribute_accuracy.place/held-out/…' → 'attribute_accuracy'."""
    return figure.split("/")[0].split(".")[0]
