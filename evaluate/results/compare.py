"""Paired comparison of two results on the same captions, for `hspcgan compare A B`.

Paired differences have much narrower intervals than two separate values: captions that are hard for both cancel out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from hspcgan.evaluate.config import metric_of
from hspcgan.evaluate.metrics import METRICS, intervals
from hspcgan.evaluate.results.figure_names import format_value
from hspcgan.evaluate.results.write_record import FORMAT
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import as_path, open_regular, read_json
from hspcgan.model.common.validation import validate_as

MAX_VALUE = 1e9  # limit of a caption's metric values; sums of much larger ones overflow


@dataclass(frozen=True)
class Difference:
    """B − A for one metric and scorer, over the captions in both results, with a paired bootstrap interval."""

    metric: str
    scorer: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    n: int

    @property
    def better(self) -> str:
        """Which result is better: "A", "B", or "" if the interval contains zero."""
        if self.low <= 0 <= self.high:
            return ""
        higher = METRICS[metric_of(self.metric)].better == "higher"
        return "B" if (self.difference > 0) == higher else "A"


@dataclass(frozen=True)
class Comparison:
    """Paired differences, and the captions sorted by how much their CLIP score changes from A to B."""

    labels: tuple[str, str]
    differences: list[Difference]
    ranked: list[tuple[str, str, float]]  # (caption id, text, B − A of `ranked_by`), worst for B first
    ranked_by: tuple[str, str] = ("", "")  # metric, scorer: the CLIP score if there is one


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Compares two result files, RUN/evaluation/LABEL.json or .parquet, on the captions in both.

    UserError if a file is missing, they share fewer than two captions, or their scorers have different weights.
    """
    first, second = _read(a), _read(b)
    for label in first.scorers.keys() & second.scorers.keys():
        if first.scorers[label] != second.scorers[label]:
            raise UserError(
                f"scorer {label} has weights {first.scorers[label][:8]} in {a} and {second.scorers[label][:8]} in {b}; "
                "score both with the same scorer"
            )
    keys = [key for key in first.rows if key in second.rows]
    if not keys:
        raise UserError(f"{a} and {b} share no caption with the same scorer; score both with the same manifest")
    differences: list[Difference] = []
    ranked: list[tuple[str, str, float]] = []
    ranked_by = ("", "")
    metrics = [name for name in first.metrics if name in second.metrics]
    for scorer in dict.fromkeys(scorer for _, scorer in keys):
        for metric in metrics:
            pairs = {
                caption: (first.rows[caption, scorer][metric], second.rows[caption, scorer][metric])
                for caption, of in keys
                if of == scorer
            }
            pairs = {caption: pair for caption, pair in pairs.items() if None not in pair}
            if len(pairs) < 2:
                continue
            changes = {row: after - before for row, (before, after) in enumerate(pairs.values())}
            found = intervals.mean(changes)
            a_mean, b_mean = np.mean(list(pairs.values()), axis=0).tolist()
            differences.append(Difference(metric, scorer, a_mean, b_mean, found.value, found.low, found.high, found.n))
            if not ranked or (metric == "clip_score" and ranked_by[0] != "clip_score"):
                ranked_by = (metric, scorer)
                ranked = [
                    (caption, first.texts[caption], change)
                    for caption, change in zip(pairs, changes.values(), strict=True)
                ]
    if not differences:
        raise UserError(
            f"{a} and {b} share fewer than 2 captions with values of the same metric, and an interval needs 2; score "
            "both with the same manifest"
        )
    ranked.sort(key=lambda row: row[2])
    return Comparison((first.label, second.label), differences, ranked, ranked_by)


def as_text(found: Comparison, captions: int = 3) -> str:
    """Formats a table of differences, and the captions with the largest changes from A to B."""
    from hspcgan.evaluate.verdict.expectations import table

    rows = [("metric, scorer", found.labels[0], found.labels[1], "difference (95 %)", "better", "N")]
    for one in found.differences:
        metric = metric_of(one.metric)
        better = {"A": found.labels[0], "B": found.labels[1], "": "–"}[one.better]
        change = f"{one.difference:+.4f} ({one.low:+.4f} … {one.high:+.4f})"
        rows.append(
            (
                f"{one.metric}, {one.scorer}",
                format_value(metric, one.a),
                format_value(metric, one.b),
                change,
                better,
                str(one.n),
            )
        )
    lines = [table(rows)]
    if found.differences and captions:
        metric, scorer = found.ranked_by
        lines.append(f"\nlargest changes in {metric} by {scorer}:")
        edges = (
            [*found.ranked[:captions], *found.ranked[-captions:]] if len(found.ranked) > 2 * captions else found.ranked
        )
        lines += [f"  {change:+.4f}  {caption}  {text}" for caption, text, change in edges]
    return "\n".join(lines)


@dataclass(frozen=True)
class _ResultRows:
    label: str
    scorers: dict[str, str]  # label → weights' sha256
    metrics: list[str]
    texts: dict[str, str]  # by caption id
    rows: dict[tuple[str, str], dict[str, Any]]  # by (caption id, scorer)


def _read(path: str | Path) -> _ResultRows:
    """Reads LABEL.parquet and LABEL.json of a result."""
    given = as_path(path, "a result")
    if not given.name:
        raise UserError(f"{str(path)!r} is not the name of a result; give RUN/evaluation/LABEL.json")
    table_path, record_path = given.with_suffix(".parquet"), given.with_suffix(".json")
    for file in (table_path, record_path):
        if not file.is_file():
            raise UserError(f"{file} is missing; give RUN/evaluation/LABEL.json, as `hspcgan evaluate` writes it")
    rows = _table(table_path)
    record = validate_as(_Scorers, read_json(record_path), f"{record_path} is not a result; evaluate again")
    if record.format != FORMAT:
        raise UserError(f"{record_path} has format {record.format}, but this version reads {FORMAT}; evaluate again")
    places = Counter((row["caption_id"], row["scorer"]) for row in rows)
    if repeated := [place for place, count in places.items() if count > 1]:
        caption, scorer = repeated[0]
        raise UserError(
            f"{table_path} has {format_count(len(repeated), 'repeated row')}, such as that of caption {caption[:60]!r} "
            f"and scorer {scorer[:60]!r}; evaluate again"
        )
    metrics = [name for name in rows[0] if metric_of(name) in METRICS] if rows else []
    return _ResultRows(
        f"{given.parent.parent.name}/{given.stem}",
        record.scorers,
        metrics,
        {row["caption_id"]: row["text"] for row in rows},
        {(row["caption_id"], row["scorer"]): row for row in rows},
    )


class _Scorers(BaseModel):
    """The part of LABEL.json that a comparison reads."""

    format: int = FORMAT
    scorers: dict[str, str]


def _table(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of LABEL.parquet. UserError if it is damaged or its columns are not those of an evaluation."""
    try:
        with open_regular(path) as file:
            found = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}); evaluate again") from error
    wanted = dict.fromkeys(("caption_id", "text", "scorer"), pa.string())
    wanted |= {name: pa.float64() for name in found.column_names if metric_of(name) in METRICS}
    types = dict(zip(found.column_names, found.schema.types, strict=True))
    double = [name for name, count in Counter(found.column_names).items() if count > 1]
    wrong = [f"{name} occurs more than once" for name in double] or [
        f"{name} is {types.get(name, 'missing')}" for name, kind in wanted.items() if types.get(name) != kind
    ]
    wrong = wrong or [
        f"{name} has {flaw}" for name, kind in wanted.items() if (flaw := _column_problem(found[name], kind))
    ]
    if wrong:
        raise UserError(f"{path} is not a valid table of results: {', '.join(wrong)}; evaluate again")
    return found.to_pylist()


def _column_problem(column: pa.ChunkedArray, kind: pa.DataType) -> str:
    """Returns a description of the problem in a column's values; empty if they are valid. Metric values may be null."""
    if kind == pa.string():
        return "nulls" if column.null_count else ""
    usable = pc.all(pc.less(pc.abs(column), MAX_VALUE)).as_py()  # False for nan and infinity too
    return "" if usable is not False else f"values that are not between ±{MAX_VALUE:.0e}"
