"""The `study` section of a manifest: rows, seeds and claims, written down before the first run.

Figures are named by the beginning of their full name, such as `fid/held-out-clip`. Every difference is oriented so that
positive is better, whatever the figure's own direction.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hspcgan.model.common.errors import UserError


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Claim(_Frozen):
    text: str = Field(description="The claim in one sentence.")

    @property
    def rows_named(self) -> list[str]:
        """The rows that the claim is about."""
        named = [getattr(self, "row", None), *getattr(self, "rows", ()), *getattr(self, "than", ())]
        return [name for name in named if name]


class Better(_Claim):
    """A row is better than others, in each of some figures of the final evaluation; paired by seed."""

    kind: Literal["better"]
    row: str = Field(description="The row claimed to be better.")
    than: tuple[str, ...] = Field(min_length=1, description="The rows that it is compared with.")
    figures: tuple[str, ...] = Field(min_length=1, description="Figures, by the beginning of their name.")


class NotWorse(_Claim):
    """A row is not worse than others by more than a figure's margin; paired by seed."""

    kind: Literal["not-worse"]
    row: str = Field(description="The row claimed to be no worse.")
    than: tuple[str, ...] = Field(min_length=1, description="The rows that it is compared with.")
    figures: tuple[str, ...] = Field(min_length=1, description="Figures, by the beginning of their name.")


class Faster(_Claim):
    """A row reaches the final validation score of another one within a share of that one's images."""

    kind: Literal["faster"]
    row: str = Field(description="The row claimed to be faster.")
    than: tuple[str, ...] = Field(min_length=1, max_length=1, description="The row whose final score is to be reached.")
    figures: tuple[str, ...] = Field(min_length=1, description="Figures of the validation split.")
    share: float = Field(gt=0, le=1, description="Largest share of the other row's images.")


class Fails(_Claim):
    """Rows end no better than an untrained generator, or with a loss that is not finite."""

    kind: Literal["fails"]
    rows: tuple[str, ...] = Field(min_length=1, description="The rows claimed to fail.")
    figures: tuple[str, ...] = Field(min_length=1, description="Figures that are compared with the untrained ones.")


class Reaches(_Claim):
    """Figures of a row's final evaluation are at least some values."""

    kind: Literal["reaches"]
    row: str = Field(description="The row.")
    at_least: dict[str, float] = Field(min_length=1, description="Figure → smallest value that holds.")


Claim = Annotated[Better | NotWorse | Faster | Fails | Reaches, Field(discriminator="kind")]


class StudyConfig(_Frozen):
    """Which runs a study makes, and what it claims of them."""

    rows: dict[str, str] = Field(min_length=1, description="Row → manifest that it trains: a shipped name or a path.")
    published: dict[str, str] = Field({}, description="Row → manifest whose evaluate.published stands beside it.")
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4, 5), min_length=2, description="Seeds, in this order, of every row.")
    evaluations: int = Field(8, ge=1, description="Evaluations of a run on the validation split, at equal distances.")
    final_metrics: tuple[str, ...] = Field(
        (),
        description="Metrics of the final evaluation in addition to evaluate.metrics, which the validation split gets.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    margins: dict[str, float] = Field(
        {}, description="Figure → difference too small to matter; an interval inside it means `not held`."
    )
    shown: tuple[str, ...] = Field(min_length=1, description="Figures of the tables, by the beginning of their name.")
    curves: tuple[str, ...] = Field((), description="Rows whose curves are drawn; absent: all.")
    claims: tuple[Claim, ...] = Field((), description="What is claimed, in the order in which it is judged.")

    @model_validator(mode="after")
    def _check(self) -> "StudyConfig":
        unfit = [row for row in self.rows if not re.fullmatch(r"[\w.+-]+", row) or row in (".", "..")]
        if unfit:
            raise UserError(
                f"rows {', '.join(map(repr, unfit))} are no file names, which they become; use letters, digits, "
                "and . + - _"
            )
        used = [name for claim in self.claims for name in claim.rows_named]
        unknown = sorted({*used, *self.published, *self.curves} - set(self.rows))
        if unknown:
            raise UserError(f"unknown rows {', '.join(unknown)}; known: {', '.join(self.rows)}")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds {list(self.seeds)} repeat one; every seed counts once")
        absent = [figure for claim in self.claims if isinstance(claim, NotWorse) for figure in claim.figures]
        absent = [figure for figure in absent if figure not in self.margins]
        if absent:
            raise UserError(f"a claim of kind not-worse needs a margin of {', '.join(absent)}; add it to study.margins")
        return self

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return self.model_dump(mode="json")
