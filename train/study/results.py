"""Reads the results of a study, and returns metrics, paired differences and validation curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import read_json, require_characters
from hspcgan.model.common.validation import Estimate, Number, validate_as

Result = dict[str, Any]  # written by `result_files.write_result`


Count = Annotated[int, Field(ge=1, le=10**12)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)  # strict: booleans are no numbers


class _Figure(_Part, Estimate):
    better: Literal["higher", "lower"]


class ValidationPoint(_Part):
    """The metric values of an evaluation on the validation split, after `step` steps."""

    step: Count
    figures: dict[str, Number]


class _ResultFile(_Part):
    """The fields of a result file that are validated when it is read."""

    row: str
    seed: int
    status: Literal["done", "diverged", "failed"]
    protocol: str
    batch_size: Count
    validation: list[ValidationPoint]
    final: dict[str, _Figure]
    untrained: dict[str, _Figure]
    parameters: dict[str, Annotated[int, Field(ge=0, le=10**12)]] = {}
    precision: str = ""
    commit: str = ""
    date: str = ""
    seconds: float | None = None


class _PageFile(_Part):
    results: list[_ResultFile]


def read_result(path: Path) -> Result:
    """Reads the result file of a run; raises UserError if it is damaged or not a regular file."""
    try:
        content = read_json(path)
        require_characters(content, path)
    except UserError as error:
        raise UserError(f"{error}; remove this file to repeat the run") from error
    return validate_as(_ResultFile, content, f"{path} is damaged; remove this file to repeat the run").model_dump()


def read_page_results(path: Path) -> list[Result]:
    """Reads the results from the study.json of a page; raises UserError if it is damaged or is another kind of file."""
    content = read_json(path)
    require_characters(content, path)
    return validate_as(_PageFile, content, f"{path} is not the study.json of a study page").model_dump()["results"]


@dataclass(frozen=True)
class Results:
    """All results of a study, by row and seed."""

    by_cell: dict[tuple[str, int], Result]

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Results":
        """Creates `Results` from the contents of result files."""
        return cls({(one["row"], one["seed"]): one for one in results})

    def value(self, row: str, seed: int, figure: str, part: str = "final") -> float | None:
        """Returns the value of a metric in a run's evaluation; None if the run or the metric is missing.

        `part` is "final" (the trained generator) or "untrained".
        """
        found = _find_figure(self.by_cell.get((row, seed), {}).get(part) or {}, figure)
        return None if found is None else found["value"]

    def values(self, row: str, figure: str) -> dict[int, float]:
        """Returns the final values of a metric by seed, for all runs of a row that have a value."""
        found = {seed: self.value(row, seed, figure) for name, seed in self.by_cell if name == row}
        return {seed: value for seed, value in found.items() if value is not None}

    def sign(self, figure: str) -> int:
        """Returns 1 if larger values of a metric are better, −1 if smaller values are; 1 if no run has the metric."""
        found = [_find_figure(result["final"] or result["untrained"], figure) for result in self.by_cell.values()]
        return next((1 if one["better"] == "higher" else -1 for one in found if one is not None), 1)

    def differences(self, row: str, other: str, figure: str) -> list[float]:
        """Returns the difference `row` − `other` for each seed that both have; positive if `row` is better."""
        ours, theirs = self.values(row, figure), self.values(other, figure)
        return [self.sign(figure) * (ours[seed] - theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]

    def curve(self, row: str, seed: int, figure: str) -> list[tuple[int, float]]:
        """Returns (number of training images, value of the metric) for each evaluation on the validation split."""
        result = self.by_cell.get((row, seed))
        if result is None:
            return []
        points = []
        for line in result["validation"]:
            name = next((name for name in line["figures"] if _has_prefix(name, figure)), None)
            if name is not None:
                points.append((line["step"] * result["batch_size"], line["figures"][name]))
        return points

    def share_to_reach(self, row: str, other: str, seed: int, figure: str) -> float | None:
        """Returns the share of `other`'s training images after which `row` reaches `other`'s final validation value.

        The first evaluation of `row` that is at least as good counts. Infinity (censored) if there is none; None if a
        run is missing.
        """
        ours, theirs = self.curve(row, seed, figure), self.curve(other, seed, figure)
        if not theirs or (row, seed) not in self.by_cell:
            return None
        (images, goal), sign = theirs[-1], self.sign(figure)
        reached = [seen for seen, value in ours if sign * value >= sign * goal]
        return reached[0] / images if reached else float("inf")

    def failed_to_learn(self, row: str, seed: int, figures: Sequence[str]) -> bool | None:
        """Returns whether a run diverged, or no metric is better than all values in the untrained generator's interval.

        None if the run failed or a metric is missing.
        """
        result = self.by_cell.get((row, seed))
        if result is None or result["status"] == "failed":
            return None
        if result["status"] == "diverged":
            return True
        for figure in figures:
            final, untrained = _find_figure(result["final"], figure), _find_figure(result["untrained"], figure)
            if final is None or untrained is None:
                return None
            higher = final["better"] == "higher"
            bound = untrained["high"] if higher else untrained["low"]
            bound = untrained["value"] if bound is None else bound
            if final["value"] > bound if higher else final["value"] < bound:
                return False
        return True


def _has_prefix(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(f"{beginning}/")


def _find_figure(figures: dict[str, Any], beginning: str) -> dict[str, Any] | None:
    return next((figure for name, figure in figures.items() if _has_prefix(name, beginning)), None)
