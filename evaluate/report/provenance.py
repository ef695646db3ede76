"""Prepares the report's tables on how values were measured: weights, data, settings, machine, lock and rejects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hspcgan.evaluate.report.page_values import title
from hspcgan.evaluate.report.run_folder import Evaluation, RunFolder, display_path
from hspcgan.evaluate.scored.subjects import CHECKPOINT, IMAGES

Rows = list[tuple[str, str]]
SHOWN = 12  # digits of a sha256 in the lock's table


def provenance(run: RunFolder) -> list[tuple[str, Rows]]:
    """Returns groups of (name, value): one per subject, then evaluation, cache, machine, scorers and versions."""
    subjects = [(title(one.label), _subject(one, run)) for one in run.evaluations if one.kind in (CHECKPOINT, IMAGES)]
    shared: dict[str, Callable[[dict[str, Any]], Rows]] = {
        "Evaluation": _settings,
        "Cache": _cache,
        "Machine": _machine,
        "Scorers, sha256": lambda record: list(record["scorers"].items()),
        "Versions": lambda record: list(record["versions"].items()),
    }
    return [*subjects, *(group for name, rows in shared.items() for group in _group_equal(name, run.evaluations, rows))]


def facts(evaluations: Sequence[Evaluation]) -> list[str]:
    """Returns short facts: how many expectations hold, and the latest evaluation's captions, date, commit, machine."""
    if not evaluations:
        return []
    record = max((one.record for one in evaluations), key=lambda record: str(record.get("date", "")))
    machine = record.get("machine") or {}
    passed = [verdict["passed"] for one in evaluations for verdict in one.record["expect"]]
    found = [f"{sum(passed)} of {len(passed)} expectations hold"] if passed else []
    found += [f"{record['n']:,} captions of the {record['split']} split (evaluate.caption: {record['caption']})"]
    found += [record["date"][:16].replace("T", " ")] if record.get("date") else []
    found += [f"commit {machine['commit']}"] if machine.get("commit") else []
    hardware = machine.get("gpu") or (f"{machine['cpu']}, {machine['cores']} cores" if machine.get("cores") else "")
    return [*found, *([hardware] if hardware else [])]


def lock_table(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Returns a table per lock: labels of its evaluations, rows of (name, locked value, found value, whether equal)."""
    locks: dict[str, dict[str, Any]] = {}
    for one in evaluations:
        lock, found = one.record.get("lock"), one.record.get("found")
        if lock and found and one.record["expect"]:
            table = locks.setdefault(json.dumps(lock, sort_keys=True), {"labels": [], "lock": lock, "found": {}})
            table["labels"].append(title(one.label))
            for group, values in found.items():
                table["found"].setdefault(group, {}).update(values)
    return [{"labels": one["labels"], "rows": _compared(one["lock"], one["found"])} for one in locks.values()]


def _compared(lock: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str, str, bool]]:
    names = {"settings": "evaluate.{}", "cache": "cache: {}", "scorers": "weights of scorer {}",
             "checkpoints": "weights of checkpoint {}"}  # fmt: skip
    rows = []
    for group, name in names.items():
        for key, expected in (lock.get(group) or {}).items():
            got = found.get(group, {}).get(key)
            if got is not None:
                rows.append((name.format(key), str(expected)[:SHOWN], str(got)[:SHOWN], expected == got))
    versions = {name: version for name, version in lock["metrics"].items() if name in found.get("metrics", {})}
    got = {name: found["metrics"][name] for name in versions}
    rows.append(("versions of metrics", _joined(versions), "the same" if got == versions else _joined(got),
                 got == versions))  # fmt: skip
    return rows


def rejects(evaluations: Sequence[Evaluation]) -> list[tuple[str, str, int]]:
    """Returns the rejects in the first evaluation's cache: (image or caption, reason, count), most frequent first."""
    stated = (one.record["reject_reasons"] for one in evaluations if one.record.get("reject_reasons"))
    found: list[dict[str, Any]] = next(stated, [])
    return [(row["what"], row["why"], row["count"]) for row in found]


def _group_equal(
    name: str, evaluations: Sequence[Evaluation], rows_of: Callable[[dict[str, Any]], Rows]
) -> list[tuple[str, Rows]]:
    """Returns one group if all evaluations have the same values; else several, with the evaluations in the titles."""
    found: dict[str, tuple[list[str], Rows]] = {}
    for one in evaluations:
        rows = rows_of(one.record)
        found.setdefault(json.dumps(rows), ([], rows))[0].append(title(one.label))
    if len(found) == 1:
        return [(name, rows) for _, rows in found.values()]
    return [(f"{name}: {', '.join(labels)}", rows) for labels, rows in found.values()]


def _subject(one: Evaluation, run: RunFolder) -> Rows:
    subject, timings = one.record["subject"], one.record["timings"]
    time = ", ".join(f"{part.removesuffix('_sec')} {spent} s" for part, spent in timings.items())
    made = [("date", str(one.record.get("date", "–"))), ("time", time)]
    if one.kind == IMAGES:
        return [("folder", display_path(subject["path"], run.folder)), *made]
    return [
        ("checkpoint", display_path(subject["path"], run.folder)),
        ("step", f"{subject['step']:,}" if subject.get("step") is not None else "–"),
        ("weights sha256", str(subject.get("sha256"))),
        ("parameters", f"{sum((subject.get('parameters') or {}).values()):,}"),
        *made,
    ]


def _settings(record: dict[str, Any]) -> Rows:
    n = record["n"]
    return [
        ("images", f"{n:,} of split {record['split']}"),
        ("compared with", f"{n:,} other real images of {record['reference'][:SHOWN]}"),
        ("seed", f"{record['seed']}; the noise depends on seed and caption id"),
        ("selection of captions", record["caption"]),
        ("manifest", f"{record['manifest']['name']}, fingerprint {record['manifest']['fingerprint']}"),
    ]


def _cache(record: dict[str, Any]) -> Rows:
    cache = record["cache"]
    return [
        ("fingerprint", cache["fingerprint"]),
        ("CLIP", cache["clip"]["name"]),
        ("CLIP sha256", cache["clip"]["sha256"]),
        *((f"{kind} template", text) for kind, text in cache.get("templates", {}).items()),
    ]


def _machine(record: dict[str, Any]) -> Rows:
    return [(name, str(value) or "–") for name, value in (record.get("machine") or {}).items()]


def _joined(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
