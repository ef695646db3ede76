"""The report's numbers: what stands in the headline, in the table and in the provenance, as plain data for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hspcgan.evaluate.metrics.fid import progress
from hspcgan.evaluate.report.data import Evaluation, Run, shown_path
from hspcgan.evaluate.subjects import CHECKPOINT, REAL, UNTRAINED

TITLES = {"untrained": "untrained", "trained": "trained here", "real": "real images"}
METRICS = {
    "fid": ("FID", "Fréchet distance to real images; the floor is that of other real images"),
    "kid": ("KID × 1000", "kernel distance to real images; unbiased, so around zero it can be negative"),
    "clip_score": ("CLIP score", "mean raw cosine of image and caption"),
    "retrieval": ("Own caption first", "share of images whose own caption scores highest in a crowd"),
    "colour_swap": ("Colours right", "share of images preferred to their caption with one colour swapped"),
}
PERCENT = ("retrieval", "colour_swap")


def title(label: str) -> str:
    """An evaluation's label as readers see it."""
    return TITLES.get(label, label)


def shown(metric: str, value: float) -> str:
    """A figure with the digits that mean something."""
    if metric in PERCENT:
        return f"{value:.0%}"
    if metric == "kid":
        return f"{value * 1000:.2f}".replace("-", "−")
    return (f"{value:.3f}" if metric == "clip_score" else f"{value:.2f}").replace("-", "−")


def headline(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """FID as bars by the first scorer, and beside it the other metrics of the best checkpoint and of real images."""
    values = {one.label: _by_metric(one) for one in evaluations}
    fids = [(one, values[one.label]["fid"]) for one in evaluations if "fid" in values[one.label]]
    if not fids:
        return None
    longest = max(figure["value"] for _, figure in fids)
    start = next((figure["value"] for one, figure in fids if one.kind == UNTRAINED), None)
    floor = next((figure["value"] for one, figure in fids if one.kind == REAL), None)
    bars = []
    for one, figure in fids:
        made = None
        if one.kind == CHECKPOINT and start is not None and floor is not None:
            made = progress(start, figure["value"], floor)
        way = None if made is None else f"{made:.0%}".replace("-", "−")
        share = max(0.0, figure["value"]) / longest if longest > 0 else 0.0
        bars.append({"label": title(one.label), "kind": one.kind, "value": shown("fid", figure["value"]),
                     "width": f"{share:.1%}", "way": way})  # fmt: skip
    record, figure = fids[0][0].record, fids[0][1]
    held_out = record["scorers"][figure["tower"]] != record["cache"]["clip"]["sha256"]
    return {"bars": bars, "figure": figure, "held_out": held_out, "tiles": _tiles(evaluations, values)}


def _tiles(evaluations: Sequence[Evaluation], values: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A tile per metric beside the distances: each checkpoint's figure, and that of real images as the ceiling."""
    tiles = []
    for metric in ("clip_score", "colour_swap", "retrieval"):
        rows = [(title(one.label), shown(metric, values[one.label][metric]["value"]), one.kind) for one in evaluations
                if one.kind != UNTRAINED and metric in values[one.label]]  # fmt: skip
        if rows:
            name, meaning = METRICS[metric]
            tiles.append({"name": name, "meaning": meaning, "rows": rows})
    return tiles


def _by_metric(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Each metric's figure by the first scorer, which the manifest names first."""
    found: dict[str, dict[str, Any]] = {}
    for figure in evaluation.record["figures"]:
        found.setdefault(figure["metric"], figure)
    return found


def table(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Rows of figures, a column per evaluation; figures of the same full name share a row."""
    rows: dict[str, dict[str, Any]] = {}
    for one in evaluations:
        for figure in one.record["figures"]:
            row = rows.setdefault(figure["name"], {**figure, "values": {}})
            row["values"][one.label] = shown(figure["metric"], figure["value"])
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows.values():
        groups.setdefault(row["metric"], []).append(row)
    return {
        "labels": [(one.label, title(one.label)) for one in evaluations],
        "groups": [(*METRICS.get(metric, (metric, "")), found) for metric, found in groups.items()],
        "modes": _modes(list(rows.values())),
    }


def _modes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """How each metric and each tower works; a figure's mode is the metric's part, then the tower's."""
    parts = [(row, *row["mode"].rpartition("; ")[::2]) for row in rows]
    metrics = {METRICS.get(row["metric"], (row["metric"],))[0]: metric for row, metric, _ in parts}
    return [*metrics.items(), *{row["tower"]: tower for row, _, tower in parts}.items()]


def provenance(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of (what, value): weights, data, settings and versions that the figures came from."""
    groups = [(title(one.label), _weights(one, run)) for one in run.evaluations if one.kind == CHECKPOINT]
    if not run.evaluations:
        return groups
    record = run.evaluations[0].record
    n, cache = record["n"], record["cache"]
    evaluation = [
        ("images", f"{n:,} of split {record['split']}, against {n:,} others of split {record['reference']}"),
        ("seed", f"{record['seed']}; noise by (seed, caption id)"),
        ("caption", record["caption"]),
        ("manifest fingerprint", record["manifest"]["fingerprint"]),
    ]
    texts = [
        ("fingerprint", cache["fingerprint"]),
        ("CLIP", cache["clip"]["name"]),
        ("CLIP sha256", cache["clip"]["sha256"]),
        *((f"{kind} template", text) for kind, text in cache["templates"].items()),
    ]
    return [
        *groups,
        ("Evaluation", evaluation),
        ("Cache", texts),
        ("Scorers, sha256", list(record["scorers"].items())),
        ("Versions", list(record["versions"].items())),
    ]


def _weights(one: Evaluation, run: Run) -> list[tuple[str, str]]:
    subject, timings = one.record["subject"], one.record["timings"]
    return [
        ("checkpoint", shown_path(subject["path"], run.folder)),
        ("step", f"{subject['step']:,}" if subject.get("step") is not None else "–"),
        ("weights sha256", str(subject.get("sha256"))),
        ("parameters", f"{sum((subject.get('parameters') or {}).values()):,}"),
        ("time", ", ".join(f"{part.removesuffix('_sec')} {spent} s" for part, spent in timings.items())),
    ]
