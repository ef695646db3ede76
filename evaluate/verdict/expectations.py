"""Compares metric values with the expectations in the manifest; the results are the verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hspcgan.evaluate.config import Bound
from hspcgan.evaluate.results.figure_names import Figure
from hspcgan.model.common.errors import ManifestError


@dataclass(frozen=True)
class Verdict:
    """The result of one expectation. If no value with its name was measured, it fails, with `got` None."""

    name: str
    got: float | None
    bound: Bound
    se: float = 0.0  # standard error of the value
    n: int | None = None  # N of the value

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value that pass."""
        return self.bound.ends(self.se)

    @property
    def passed(self) -> bool:
        low, high = self.ends
        return self.got is not None and low <= self.got <= high and not self._other_n

    @property
    def _other_n(self) -> bool:
        return None not in (self.bound.n, self.n) and self.bound.n != self.n

    @property
    def expected(self) -> str:
        """The range for messages, such as "≤ 126" or "≥ 0.5 and ≤ 0.7"."""
        low, high = self.ends
        signs = [("≥", low)] * math.isfinite(low) + [("≤", high)] * math.isfinite(high)
        text = " and ".join(f"{sign} {_digits(end, self.got)}" for sign, end in signs)
        return f"{text}, N {self.bound.n}" if self._other_n else text

    @property
    def shown(self) -> str:
        """The value, with as many digits as are needed to see whether it passes."""
        if self.got is None:
            return "not measured"
        near = min((end for end in self.ends if math.isfinite(end)), key=lambda end: abs(end - self.got))  # type: ignore[operator]
        return f"{_digits(self.got, near)}, N {self.n}" if self._other_n else _digits(self.got, near)

    def as_json(self) -> dict[str, Any]:
        """Returns plain data, with None for an open end and for a value that was not measured."""
        low, high = (end if math.isfinite(end) else None for end in self.ends)
        bound = self.bound.model_dump(exclude_none=True)
        found = {"name": self.name, "got": self.got, "n": self.n, "low": low, "high": high}
        return {**found, "passed": self.passed, "bound": bound}


def matching_names(names: Sequence[str], short: str) -> list[str]:
    """Returns the names that equal or begin with `short`: fid/held-out-clip matches fid/held-out-clip/n191/test/…"""
    return [name for name in names if name == short or name.startswith(short + "/")]


def require_unique_matches(expect: Iterable[str], names: Sequence[str]) -> None:
    """Raises ManifestError if the shortened name of an expectation matches several names."""
    for name in expect:
        found = matching_names(names, name)
        if len(found) > 1:
            raise ManifestError(
                f"evaluate.expect: {name} matches {len(found)} metric values ({', '.join(found)}); use a longer name"
            )


def judge(figures: Sequence[Figure], expect: Mapping[str, Bound]) -> list[Verdict]:
    """Returns a verdict for each expectation. ManifestError if a shortened name matches several values."""
    by_name = {figure.name: figure for figure in figures}
    require_unique_matches(expect, list(by_name))
    verdicts = []
    for name, bound in expect.items():
        found = by_name.get(next(iter(matching_names(list(by_name), name)), name))
        if found is None:
            verdicts.append(Verdict(name, None, bound))
        else:
            se = found.se if math.isfinite(found.se) else 0.0
            verdicts.append(Verdict(found.name, found.value, bound, se, found.n))
    return verdicts


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Formats verdicts as aligned columns: metric, got, expected, and pass or DRIFT."""
    rows = [("metric", "got", "expected", "")]
    rows += [(one.name, one.shown, one.expected, "pass" if one.passed else "DRIFT") for one in verdicts]
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Formats rows of equal length in columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _digits(value: float, other: float | None) -> str:
    """Formats `value` with four digits, or with more if it would otherwise look equal to a different `other`."""
    for digits in range(4, 17):
        text = f"{value:.{digits}g}"
        if other is None or value == other or text != f"{other:.{digits}g}":
            return text
    return repr(value)
