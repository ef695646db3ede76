"""The `study` section of a manifest: rows, seeds and claims, fixed before the first run.

A metric is given by the beginning of the names of its values, such as `fid/held-out-clip`. Positive differences are
better for every metric.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import CheckedModel, Number, quoted


class _Frozen(CheckedModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Claim(_Frozen):
    text: str = Field(description="The claim in one sentence.")

    @property
    def rows_named(self) -> list[str]:
        """The names of all rows that the claim is about."""
        named = [getattr(self, "row", None), *getattr(self, "rows", ()), *getattr(self, "than", ())]
        return [name for name in named if name]


class Better(_Claim):
    """Claim: a row is better than other rows in all given metrics of the final evaluation, compared seed by seed."""

    kind: Literal["better"]
    row: str = Field(description="The row claimed to be better.")
    than: tuple[str, ...] = Field(min_length=1, description="The rows that `row` is compared with.")
    figures: tuple[str, ...] = Field(
        min_length=1, description="Metrics to compare, given by the beginning of their names."
    )


class NotWorse(_Claim):
    """Claim: a row is not worse than other rows by more than the margin of each metric, compared seed by seed."""

    kind: Literal["not-worse"]
    row: str = Field(description="The row claimed to be no worse.")
    than: tuple[str, ...] = Field(min_length=1, description="The rows that `row` is compared with.")
    figures: tuple[str, ...] = Field(
        min_length=1, description="Metrics to compare, given by the beginning of their names."
    )


class Faster(_Claim):
    """Claim: a row reaches another row's final validation score with only a share of that row's training images."""

    kind: Literal["faster"]
    row: str = Field(description="The row claimed to be faster.")
    than: tuple[str, ...] = Field(
        min_length=1, max_length=1, description="The other row, whose final score `row` must reach."
    )
    figures: tuple[str, ...] = Field(min_length=1, description="Metrics on the validation split.")
    share: float = Field(
        gt=0, le=1, description="Maximum number of training images, as a share of those of the other row."
    )


class Fails(_Claim):
    """Claim: the given rows end no better than an untrained generator, or with a loss that is not finite."""

    kind: Literal["fails"]
    rows: tuple[str, ...] = Field(min_length=1, description="The rows claimed to fail.")
    figures: tuple[str, ...] = Field(
        min_length=1, description="Metrics to compare with those of the untrained generator."
    )


class Reaches(_Claim):
    """Claim: metrics of a row's final evaluation reach the given minimum values."""

    kind: Literal["reaches"]
    row: str = Field(description="The row claimed to reach the values.")
    at_least: dict[str, Number] = Field(min_length=1, description="Metric → minimum value.")


Seed = Annotated[int, Field(ge=0, lt=2**63)]
Claim = Annotated[Better | NotWorse | Faster | Fails | Reaches, Field(discriminator="kind")]


class StudyConfig(_Frozen):
    """The section `study`: rows (manifests to train), seeds, evaluations, and claims to test on the results."""

    rows: dict[str, str] = Field(
        min_length=1, description="Row → manifest to train: a path or a shipped manifest's name."
    )
    published: dict[str, str] = Field(
        {}, description="Row → manifest with the published results (evaluate.published) to show next to the row."
    )
    seeds: tuple[Seed, ...] = Field(
        (0, 1, 2, 3, 4, 5),
        min_length=2,
        max_length=16,
        description="Seeds with which every row is trained, in this order.",
    )
    evaluations: int = Field(
        8, ge=1, le=1_000_000, description="Number of evaluations of each run on the validation split, equally spaced."
    )
    final_metrics: tuple[str, ...] = Field(
        (),
        description="Additional metrics of the final evaluation; those in evaluate.metrics are also computed on the "
        "validation split.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of the intervals.")
    margins: dict[str, Number] = Field(
        {},
        description="Metric → margin, a difference too small to matter. If the interval is within ± the margin, the "
        "claim that a row is better is `not held`.",
    )
    shown: tuple[str, ...] = Field(
        min_length=1, description="Metrics shown in the tables, given by the beginning of their names."
    )
    curves: tuple[str, ...] = Field((), description="Rows whose curves are plotted; if absent, all rows.")
    claims: tuple[Claim, ...] = Field((), description="The claims, in the order in which they are judged.")

    @model_validator(mode="after")
    def _check(self) -> "StudyConfig":
        unfit = [row for row in self.rows if not re.fullmatch(r"[\w.+-]{1,50}", row) or row in (".", "..")]
        if unfit:
            raise UserError(
                f"rows {', '.join(map(quoted, unfit))} cannot be used as file names; use at most 50 letters, digits, "
                "and . + - _"
            )
        used = [name for claim in self.claims for name in claim.rows_named]
        unknown = sorted({*used, *self.published, *self.curves} - set(self.rows))
        if unknown:
            raise UserError(f"unknown rows {', '.join(unknown)}; known: {', '.join(self.rows)}")
        same = [claim.text for claim in self.claims if len(set(claim.rows_named)) < len(claim.rows_named)]
        if same:
            raise UserError(f"the claim {quoted(same[0])} names a row twice; compare it with other rows")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds {list(self.seeds)} contain duplicates; list every seed once")
        negative = [figure for figure, margin in self.margins.items() if margin < 0]
        if negative:
            raise UserError(f"study.margins is negative for {', '.join(negative)}; give 0 or more")
        absent = [figure for claim in self.claims if isinstance(claim, NotWorse) for figure in claim.figures]
        absent = [figure for figure in absent if figure not in self.margins]
        if absent:
            raise UserError(
                f"a claim of kind not-worse needs a margin for {', '.join(absent)}; add it to study.margins"
            )
        return self

    @property
    def figures(self) -> list[str]:
        """All metrics that tables, margins and claims use, each once."""
        named = [*self.shown, *self.margins]
        for claim in self.claims:
            named += [*getattr(claim, "figures", ()), *getattr(claim, "at_least", ())]
        return list(dict.fromkeys(named))

    def as_json(self) -> dict[str, Any]:
        """Returns the settings as JSON values."""
        return self.model_dump(mode="json")
