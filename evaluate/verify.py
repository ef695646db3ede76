"""Figures against the manifest's expectations: the verdicts of an evaluation, and the exit code they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hspcgan.evaluate.config import Bound
from hspcgan.evaluate.metrics import Figure


@dataclass(frozen=True)
class Verdict:
    """One expectation; ``got`` is None where no figure of that name was measured, which fails."""

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


def require_one_each(expect: Iterable[str], names: Sequence[str]) -> None:
    """ValueError where an expectation's shortened name fits more than one of the figures' names, or of their heads."""
    for name in expect:
        found = [figure for figure in names if figure == name or figure.startswith(name + "/")]
        if len(found) > 1:
            raise ValueError(f"evaluate.expect: {name} fits {len(found)} figures ({', '.join(found)}); give more of it")


def verify(figures: Sequence[Figure], expect: Mapping[str, Bound]) -> list[Verdict]:
    """A verdict per expectation. ValueError where a shortened name fits more than one figure."""
    require_one_each(expect, [figure.name for figure in figures])
    verdicts = []
    for name, bound in expect.items():
        found = [figure for figure in figures if figure.name == name or figure.name.startswith(name + "/")]
        verdicts.append(Verdict(found[0].name if found else name, found[0].value if found else None, bound))
    return verdicts


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
