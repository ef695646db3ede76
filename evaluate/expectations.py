"""Figures against the manifest's expectations: the verdicts of an evaluation, and the exit code they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hspcgan.evaluate.config import Bound
from hspcgan.evaluate.metrics.base import Figure
from hspcgan.model.errors import ManifestError


@dataclass(frozen=True)
class Verdict:
    """One expectation; `got` is None where no figure of that name was measured, which fails."""

    name: str
    got: float | None
    bound: Bound

    @property
    def passed(self) -> bool:
        if self.got is None:
            return False
        above = self.bound.min is None or self.got >= self.bound.min
        below = self.bound.max is None or self.got <= self.bound.max
        return above and below

    @property
    def expected(self) -> str:
        ends = (("≥", self.bound.min), ("≤", self.bound.max))
        return " and ".join(f"{sign} {end:g}" for sign, end in ends if end is not None)


def named(names: Sequence[str], short: str) -> list[str]:
    """Those that are this name, or that it shortens: `fid/held-out-clip` for `fid/held-out-clip/n191/test/…`."""
    return [name for name in names if name == short or name.startswith(short + "/")]


def require_one_each(expect: Iterable[str], names: Sequence[str]) -> None:
    """ManifestError where a shortened name matches more than one of the figures' names, or of their heads."""
    for name in expect:
        found = named(names, name)
        if len(found) > 1:
            raise ManifestError(
                f"evaluate.expect: {name} matches {len(found)} figures ({', '.join(found)}); use a longer name"
            )


def verify(figures: Sequence[Figure], expect: Mapping[str, Bound]) -> list[Verdict]:
    """A verdict per expectation. ManifestError where a shortened name fits more than one figure."""
    values = {figure.name: figure.value for figure in figures}
    require_one_each(expect, list(values))
    full = {name: next(iter(named(list(values), name)), name) for name in expect}
    return [Verdict(full[name], values.get(full[name]), bound) for name, bound in expect.items()]


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Metric, got, expected and pass or DRIFT, in aligned columns."""
    rows = [("metric", "got", "expected", "")]
    for verdict in verdicts:
        got = "not measured" if verdict.got is None else f"{verdict.got:.4g}"
        rows.append((verdict.name, got, verdict.expected, "pass" if verdict.passed else "DRIFT"))
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length in columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
