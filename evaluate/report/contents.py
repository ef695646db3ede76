"""Prepares the numbers of the report as plain data: headline, table, attributes and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.metrics.fid import progress
from hspcgan.evaluate.report.data import Evaluation, RunFolder, shown_path
from hspcgan.evaluate.results.figure_names import shown
from hspcgan.evaluate.scored.subjects import CHECKPOINT, REAL, UNTRAINED

TITLES = {"untrained": "untrained", "trained": "trained here", "real": "real images"}


def title(label: str) -> str:
    """Returns the label of an evaluation as shown on the page."""
    return TITLES.get(label, label)


def interval(figure: dict[str, Any]) -> str:
    """Formats the 95 % interval, such as 24.1 … 31.4; empty if there is none."""
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"{shown(figure['metric'], figure['low'])} … {shown(figure['metric'], figure['high'])}"


def headline(evaluations: Sequence[Evaluation]) -> dict[str, Any] | None:
    """Returns FID bars for the first scorer, and tiles with other metrics of checkpoints and real images."""
    values = {one.label: _by_metric(one) for one in evaluations}
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
        bars.append({"label": title(one.label), "kind": one.kind, "value": shown("fid", figure["value"]),
                     "interval": interval(figure), "width": f"{share:.1%}", "n": figure["n"],
                     "way": None if covered is None else f"{covered:.0%}".replace("-", "−")})  # fmt: skip
    record, figure = fids[0][0].record, fids[0][1]
    held_out = record["scorers"][figure["scorer"]] != record["cache"]["clip"]["sha256"]
    return {"bars": bars, "figure": figure, "held_out": held_out, "tiles": _tiles(evaluations, values)}


def _tiles(evaluations: Sequence[Evaluation], values: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a tile per caption metric: the figures of each checkpoint and, as the ceiling, of real images."""
    tiles = []
    for metric in ("colour_swap", "r_precision", "clip_score"):
        rows = [(title(one.label), shown(metric, found["value"]), one.kind, interval(found), found["n"])
                for one in evaluations
                if one.kind != UNTRAINED and (found := values[one.label].get(metric)) is not None]  # fmt: skip
        if rows:
            tiles.append({"name": METRICS[metric].title, "meaning": METRICS[metric].meaning, "rows": rows})
    return tiles


def _by_metric(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Returns for each metric the figure of the first scorer in the manifest, without parts."""
    found: dict[str, dict[str, Any]] = {}
    for figure in evaluation.record["figures"]:
        if not figure["part"]:
            found.setdefault(figure["metric"], figure)
    return found


def table(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Returns rows of figures with one column per evaluation; figures with the same full name share a row."""
    rows: dict[str, dict[str, Any]] = {}
    for one in evaluations:
        for figure in one.record["figures"]:
            row = rows.setdefault(figure["name"], {**figure, "values": {}})
            row["values"][one.label] = (shown(figure["metric"], figure["value"]), interval(figure))
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
    """Returns attribute accuracy by the first scorer: one row per kind, one column per evaluation or real images."""
    rows: dict[str, dict[str, Any]] = {}
    scorers = [figure["scorer"] for one in evaluations for figure in one.record["figures"]
               if figure["metric"] == "attribute_accuracy"]  # fmt: skip
    for one in evaluations:
        for figure in one.record["figures"]:
            if figure["metric"] == "attribute_accuracy" and figure["scorer"] == scorers[0]:
                row = rows.setdefault(figure["part"], {"kind": figure["part"], "n": figure["n"], "values": {}})
                row["values"][one.label] = (
                    shown("attribute_accuracy", figure["value"]), interval(figure), f"{figure['value']:.0%}"
                )  # fmt: skip
    if not rows:
        return None
    labels = [(one.label, title(one.label)) for one in evaluations]
    return {"scorer": scorers[0], "labels": labels, "rows": list(rows.values())}


def _modes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Returns how each metric is computed, and how each scorer preprocesses images."""
    metrics = {METRICS[row["metric"]].title: row["identity"]["method"] for row in rows}
    return [*metrics.items(), *{row["scorer"]: row["identity"]["scorer_mode"] for row in rows}.items()]


def provenance(run: RunFolder) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns groups of (name, value): weights, data, settings and versions that the figures depend on."""
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
    machine = record.get("machine") or {}
    made = [("date", record.get("date", "–")), *((name, str(value) or "–") for name, value in machine.items())]
    rejects = record.get("rejects") or {}
    return [
        *groups,
        ("Evaluation", evaluation),
        ("Lock", _lock(run.evaluations)),
        ("Cache", [*texts, ("rejected", ", ".join(f"{n:,} {what}s" for what, n in rejects.items()) or "nothing")]),
        ("Scorers, sha256", list(record["scorers"].items())),
        ("Machine", made),
        ("Versions", list(record["versions"].items())),
    ]


def _lock(evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    """Returns what the expectations were measured with, and whether this evaluation used the same."""
    lock = next((one.record["lock"] for one in evaluations if one.record.get("lock")), None)
    if lock is None:
        return [("state", "the manifest has no evaluate.lock")]
    found = {one.label: one.record["subject"].get("sha256") for one in evaluations}
    lines = [(name, str(value)) for name, value in lock["settings"].items()]
    for label, sha256 in lock["checkpoints"].items():
        same = {None: "not scored here", sha256: f"{sha256[:12]}, as found"}
        lines.append((f"weights of {label}", same.get(found.get(label), f"{sha256[:12]}, found another")))
    scorers = evaluations[0].record["scorers"]
    for label, sha256 in lock["scorers"].items():
        state = "as found" if scorers.get(label) == sha256 else "found another"
        lines.append((f"weights of {label}", f"{sha256[:12]}, {state}"))
    return lines


def _weights(one: Evaluation, run: RunFolder) -> list[tuple[str, str]]:
    subject, timings = one.record["subject"], one.record["timings"]
    return [
        ("checkpoint", shown_path(subject["path"], run.folder)),
        ("step", f"{subject['step']:,}" if subject.get("step") is not None else "–"),
        ("weights sha256", str(subject.get("sha256"))),
        ("parameters", f"{sum((subject.get('parameters') or {}).values()):,}"),
        ("time", ", ".join(f"{part.removesuffix('_sec')} {spent} s" for part, spent in timings.items())),
    ]
