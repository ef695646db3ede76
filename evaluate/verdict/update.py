"""Writes the values and the lock of an evaluation into the manifest file, for `hspcgan evaluate --update`.

The file keeps its comments and order (ruamel.yaml); only evaluate.expect and evaluate.lock change.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from hspcgan.evaluate.config import Lock, metric_of
from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.results.figure_names import Figure, name_prefix
from hspcgan.evaluate.run import Result
from hspcgan.evaluate.scored.scorers import PIXELS
from hspcgan.evaluate.verdict.expectations import matching_names
from hspcgan.evaluate.verdict.pinned_inputs import current_lock, differences
from hspcgan.model.common.files import write_atomically

NEW = {"se": 1}  # tolerance of a new expectation


def update(context: EvaluationContext, results: Sequence[Result]) -> list[str]:
    """Rewrites expectations and lock in the manifest; returns one line per change.

    Expectations with `value` get the measured value and its N and keep their tolerance; min and max do not change. A
    checkpoint or folder without a `value` expectation gets one for each value of the first scorer. If a metric has a
    `value` expectation for one part, its new parts get one as well.
    """
    import ruamel.yaml

    editor = ruamel.yaml.YAML(typ="rt")  # keeps comments; like a safe loader, it creates only plain data
    editor.width = 116
    editor.preserve_quotes = True
    path = context.manifest.path
    document = editor.load(path.read_text(encoding="utf-8"))
    section = document["evaluate"] = document.get("evaluate") or {}
    lines: list[str] = []
    for result in results:
        if result.subject.has_expectations and not result.error:
            lines += _update_expect(section, context, result)
    lock = current_lock(context, [result.subject for result in results if not result.error])
    before = context.config.lock
    changes = ["evaluate.lock: new"] if before is None else differences(before, lock)
    if before is not None:
        changes += [f"weights of checkpoint {new}: new" for new in sorted(lock.checkpoints.keys() - before.checkpoints)]
    section["lock"] = _merged(before, lock).model_dump()
    buffer = io.StringIO()
    editor.dump(document, buffer)
    write_atomically(path, buffer.getvalue())
    return [*lines, *changes, f"wrote {path}"]


def _update_expect(section: Any, context: EvaluationContext, result: Result) -> list[str]:
    """Sets values in `section["expect"]` for one subject; adds new expectations under the subject's label."""
    label, lines = result.subject.label, []
    expect = section.get("expect") or {}
    section["expect"] = expect
    expected = context.config.expected_of(label)
    by_name = {figure.name: figure for figure in result.figures}
    lines += _add_new(expect, context, result)
    for name, bound in expected.items():
        found = next(iter(matching_names(list(by_name), name)), None)
        if found is None or bound.value is None:
            continue
        value, n = _rounded(by_name[found]), by_name[found].n
        target = expect[label] if name in (expect.get(label) or {}) else expect
        if value != bound.value:
            lines.append(f"{label} {name}: {bound.value:g} → {value:g}")
        if n != bound.n:
            lines.append(f"{label} {name}: N {bound.n or 'not stated'} → {n}")
        if name in target:
            target[name].update(value=value, n=n)
        else:  # inherited from the base manifest
            target[name] = _on_one_line({**bound.model_dump(exclude_none=True), "value": value, "n": n})
    return lines


def _add_new(expect: Any, context: EvaluationContext, result: Result) -> list[str]:
    """Adds expectations under the subject's label, for values of the first scorer.

    If the subject has no expectation with `value`, all values get one; otherwise only new parts of metrics that have an
    expectation with `value`.
    """
    label, expected = result.subject.label, context.config.expected_of(result.subject.label)
    valued = {metric_of(name) for name, bound in expected.items() if bound.value is not None}
    new = {}
    for one in result.figures:
        is_new_part = (
            one.part and one.metric in valued and not any(matching_names([one.name], name) for name in expected)
        )
        if one.scorer in (context.scorers[0].label, PIXELS.label) and (is_new_part or not valued):
            new[name_prefix(one.metric, one.scorer, one.part)] = one
    if new:
        bounds = {name: _on_one_line({"value": _rounded(one), **NEW, "n": one.n}) for name, one in new.items()}
        expect[label] = {**(expect.get(label) or {}), **bounds}
    return [f"{label} {name}: new, {_rounded(one):g} (N {one.n})" for name, one in new.items()]


def _on_one_line(bound: dict[str, float]) -> Any:
    """Returns a bound that ruamel.yaml writes on one line, such as {value: 27.8, se: 1}."""
    from ruamel.yaml.comments import CommentedMap

    found = CommentedMap(bound)
    found.fa.set_flow_style()
    return found


def _merged(before: Lock | None, now: Lock) -> Lock:
    """Returns the new lock; metrics and checkpoints that were not scored keep their old entries."""
    if before is None:
        return now
    metrics, checkpoints = before.metrics | now.metrics, before.checkpoints | now.checkpoints
    return now.model_copy(update={"metrics": metrics, "checkpoints": checkpoints})


def _rounded(figure: Figure) -> float:
    return float(f"{figure.value:.6g}")
