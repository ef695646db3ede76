"""Prepares the numbers of the report as plain data: headline, tables, attributes and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hspcgan.evaluate.config import Bound
from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.metrics.fid_and_kid import progress
from hspcgan.evaluate.report.run_folder import Evaluation
from hspcgan.evaluate.results.figure_names import format_value
from hspcgan.evaluate.scored.subjects import CHECKPOINT, REAL, UNTRAINED
from hspcgan.evaluate.verdict.expectations import Verdict
from hspcgan.model.common.printable import format_percent

NO_BREAK = "\u00a0"
TITLES = {"untrained": "untrained", "trained": "trained here", "real": "real images"}


def title(label: str) -> str:
    """Returns the label of an evaluation as shown on the page."""
    return TITLES.get(label, label)


def interval(figure: dict[str, Any]) -> str:
    """Formats the 95 % interval, such as 24.1 … 31.4; empty if there is none."""
    if figure["low"] is None or figure["high"] is None:
        return ""
    ends = f"{format_value(figure['metric'], figure['low'])} … {format_value(figure['metric'], figure['high'])}"
    return ends.replace(" ", NO_BREAK)


def _whole_percent(share: float) -> str:
    return format_percent(share, 0).replace("-", "−").replace(" ", NO_BREAK)


def headline(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """Returns the bars of the FID chart for the first scorer, if FID was measured, and tiles with other metrics."""
    if not evaluations:
        return None
    values = {one.label: _by_metric(one) for one in evaluations}
    return {"fid": _fid_bars(evaluations, values), "tiles": _tiles(evaluations, values)}


def _fid_bars(evaluations: Sequence[Evaluation], values: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    fids = [(one, values[one.label]["fid"]) for one in evaluations if "fid" in values[one.label]]
    if not fids:
        return None
    longest = max(figure["value"] for _, figure in fids)
    start = next((figure["value"] for one, figure in fids if one.kind == UNTRAINED), None)
    floor = next((figure["value"] for one, figure in fids if one.kind == REAL), None)
    bars = []
    for one, figure in fids:
        covered = None
        if one.kind == CHECKPOINT and start is not None and floor is not None:
            covered = progress(start, figure["value"], floor)
        share = max(0.0, figure["value"]) / longest if longest > 0 else 0.0
        bars.append({"label": title(one.label), "kind": one.kind, "value": format_value("fid", figure["value"]),
                     "interval": interval(figure), "width": f"{share:.1%}", "n": figure["n"],
                     "way": None if covered is None else _whole_percent(covered)})  # fmt: skip
    record, figure = fids[0][0].record, fids[0][1]
    held_out = record["scorers"][figure["scorer"]] != record["cache"]["clip"]["sha256"]
    return {"bars": bars, "figure": figure, "held_out": held_out}


def _tiles(evaluations: Sequence[Evaluation], values: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a tile for each metric that uses captions, with a row per evaluation; omits the untrained generator."""
    tiles = []
    for metric in ("caption_accuracy", "r_precision", "colour_swap", "clip_score"):
        rows = [(title(one.label), format_value(metric, found["value"]), one.kind, interval(found), found["n"])
                for one in evaluations
                if one.kind != UNTRAINED and (found := values[one.label].get(metric)) is not None]  # fmt: skip
        if rows:
            tiles.append({"name": METRICS[metric].title, "meaning": METRICS[metric].meaning, "rows": rows})
    return tiles


def _by_metric(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Returns each metric's value by its first scorer; omits partial values, such as attribute_accuracy.place."""
    found: dict[str, dict[str, Any]] = {}
    for figure in evaluation.record["figures"]:
        if not figure["part"]:
            found.setdefault(figure["metric"], figure)
    return found


def table(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Returns one row per metric value and one column per evaluation; values with the same full name share a row."""
    rows: dict[str, dict[str, Any]] = {}
    for one in evaluations:
        for figure in one.record["figures"]:
            row = rows.setdefault(figure["name"], {**figure, "values": {}})
            row["values"][one.label] = (format_value(figure["metric"], figure["value"]), interval(figure))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows.values():
        row["what"] = f"{row['scorer']}, {row['part']}" if row["part"] else row["scorer"]
        groups.setdefault(row["metric"], []).append(row)
    return {
        "labels": [(one.label, title(one.label)) for one in evaluations],
        "groups": [(METRICS[metric].title, METRICS[metric].meaning, found) for metric, found in groups.items()],
        "modes": _modes(list(rows.values())),
    }


def attributes(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """Returns attribute accuracy by the first scorer, with a row per kind of attribute and a column per evaluation."""
    rows: dict[str, dict[str, Any]] = {}
    scorers = [figure["scorer"] for one in evaluations for figure in one.record["figures"]
               if figure["metric"] == "attribute_accuracy"]  # fmt: skip
    for one in evaluations:
        for figure in one.record["figures"]:
            if figure["metric"] == "attribute_accuracy" and figure["scorer"] == scorers[0]:
                row = rows.setdefault(figure["part"], {"kind": figure["part"], "n": figure["n"], "values": {}})
                row["values"][one.label] = (
                    format_value("attribute_accuracy", figure["value"]), interval(figure),
                    f"{min(max(figure['value'], 0), 1):.0%}",
                )  # fmt: skip
    if not rows:
        return None
    labels = [(one.label, title(one.label)) for one in evaluations]
    return {"scorer": scorers[0], "labels": labels, "rows": list(rows.values())}


def _modes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Returns how each metric is computed, and how each scorer preprocesses images."""
    metrics = {METRICS[row["metric"]].title: row["identity"]["method"] for row in rows}
    return [*metrics.items(), *{row["scorer"]: row["identity"]["scorer_mode"] for row in rows}.items()]


def verdicts(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Returns each expectation with its checkpoint and the value, in enough digits to show whether it passes."""
    found = []
    for one in evaluations:
        for verdict in one.record["expect"]:
            bound = Bound.model_validate(
                {"min": verdict["low"], "max": verdict["high"], "n": verdict["bound"].get("n")}
            )
            judged = Verdict(verdict["name"], verdict["got"], bound, n=verdict.get("n"))
            found.append({"name": verdict["name"], "label": title(one.label), "got": judged.shown,
                          "expected": judged.expected, "passed": verdict["passed"]})  # fmt: skip
    return found
