"""What a manifest's `evaluate` section may say: which images are scored, by whom, and what is expected of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from hspcgan.model.errors import UserError

METRICS = ("fid", "kid", "clip_score", "retrieval", "colour_swap")


class Bound(BaseModel, extra="forbid", frozen=True):
    """The range a figure must lie in, ends included."""

    min: float | None = Field(None, description="Smallest value that passes.")
    max: float | None = Field(None, description="Largest value that passes.")

    @model_validator(mode="after")
    def _says_something(self) -> Bound:
        if self.min is None and self.max is None:
            raise UserError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise UserError(f"min {self.min} exceeds max {self.max}")
        return self


class EvaluateConfig(BaseModel, extra="forbid", frozen=True):
    """The manifest fixes images, captions, noise and scorers, so that two evaluations can be compared."""

    samples: int | None = Field(
        None, ge=2, description="Images scored, N; as many real ones are the reference. Absent: half of the split."
    )
    split: str = Field("test", description="Split of the cache whose captions are drawn.")
    reference: str | None = Field(
        None, description="Split of the real reference images. Absent: the part of `split` that is not drawn."
    )
    caption: Literal["first", "keyed"] = Field(
        "first", description="Which caption of an image is drawn: its first, or one chosen by seed and image key."
    )
    seed: int = Field(0, ge=0, description="Chooses images, captions and, with the caption's id, the noise.")
    scorers: dict[str, str] = Field(
        {"held-out": "toy-scorer", "trainer": "toy-clip"},
        min_length=1,
        description="Name shown in the figures → CLIP weights: a shipped name or a path.",
    )
    metrics: tuple[str, ...] = Field(METRICS, min_length=1, description=f"Out of {', '.join(METRICS)}.")
    inception: str | None = Field(
        None,
        description="Folder of inception-2015-12-05.pt for FID and KID as published. Absent: where clean-fid keeps it, "
        "and left out when it is not there.",
    )
    batch_size: int = Field(32, ge=1, description="Images generated or scored at once; changes speed, not results.")
    shown: int = Field(24, ge=1, description="Images kept for the grid and the report, the first of those scored.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda where there is one.")
    published: dict[str, float] = Field(
        {},
        description="What a paper prints for this row (fid, clip_score): shown beside, never judged, since another "
        "Inception and another CLIP measured it.",
    )
    expect: dict[str, Bound] | None = Field(
        None, description="A figure's name, or its first parts (`fid/held-out-clip`) → bounds; outside: exit code 1."
    )

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(METRICS))
        if unknown:
            raise UserError(f"unknown metrics {unknown}; known: {', '.join(METRICS)}")
        return names

    @field_validator("expect")
    @classmethod
    def _of_known(cls, expect: dict[str, Bound] | None) -> dict[str, Bound] | None:
        unknown = sorted(name for name in expect or {} if name.split("/")[0] not in METRICS)
        if unknown:
            raise UserError(f"figures of unknown metrics {unknown}; known: {', '.join(METRICS)}")
        return expect

    @field_validator("scorers")
    @classmethod
    def _plain_names(cls, scorers: dict[str, str]) -> dict[str, str]:
        bad = [name for name in scorers if not name or "/" in name]
        if bad:
            raise UserError(f"scorer names are parts of figure names and hold no slash: {bad}")
        return scorers
