"""Compares the data, weights and settings of an evaluation with evaluate.lock, before any metric is computed.

The lock has hashes of the cache content that an evaluation reads. It does not use the fingerprint of the cache, which
also depends on tool versions: if the content is the same, so are the metric values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hspcgan.evaluate.config import Lock
from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.scored.subjects import CHECKPOINT, IMAGES, Subject, provenance
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import first_lines, shortened

SHOWN = 12  # digits of a sha256 in messages and in `lock.cache`


def current_lock(context: EvaluationContext, subjects: Sequence[Subject]) -> Lock:
    """Returns a lock that describes this evaluation, with the weights of each checkpoint by its label."""
    weights = {one.label: provenance(one)["sha256"] for one in subjects if one.kind == CHECKPOINT}
    return Lock.model_validate(
        {
            "settings": context.settings,
            "cache": context.contents,
            "scorers": {tower.label: tower.sha256 for tower in context.towers},
            "metrics": {metric: METRICS[metric].version for metric in context.config.metrics},
            "checkpoints": weights,
        }
    )


def differences(lock: Lock, found: Lock, partial: bool = False) -> list[str]:
    """Returns a line per difference; with `partial`, metrics and checkpoints that are not evaluated are ignored."""
    lines = []
    for name, expected in lock.settings.model_dump().items():
        got = getattr(found.settings, name)
        if got != expected:
            expected = shortened(str(expected))
            lines.append(f"evaluate.{name}: the expectations were measured with {expected}, but it is {got}")
    lines += _changed_values("cache content", lock.cache, found.cache, lock.cache)
    lines += _changed_values(
        "weights of scorer", lock.scorers, found.scorers, lock.scorers.keys() | found.scorers.keys()
    )
    lines += _changed_values("weights of checkpoint", lock.checkpoints, found.checkpoints,
                      lock.checkpoints.keys() & found.checkpoints.keys())  # fmt: skip
    asked = found.metrics.keys() if partial else lock.metrics.keys() & METRICS.keys()
    lines += _changed_values("version of metric", lock.metrics, {name: METRICS[name].version for name in asked},
                      lock.metrics.keys() & set(asked))  # fmt: skip
    return lines


def require_lock(context: EvaluationContext, subjects: Sequence[Subject], partial: bool = False) -> None:
    """Raises UserError if expectations apply to this evaluation and its inputs differ from evaluate.lock."""
    lock, judged = context.config.lock, _subjects_with_expectations(context, subjects)
    if lock is None or not judged:
        return
    found = _differences_without_raising(context, judged, lock, partial)
    found += [line for subject in judged if (line := _weights_mismatch(context, subject, lock))]
    if found:
        raise UserError(
            f"{context.manifest.name}: the expectations (evaluate.lock) were measured with other inputs:\n  "
            + "\n  ".join(first_lines(found))
            + "\nUndo the change, write new expectations with `hspcgan evaluate MANIFEST --update`, or score without "
            "expectations: -o evaluate.expect=null"
        )  # fmt: skip


def lock_notes(context: EvaluationContext, subjects: Sequence[Subject]) -> list[str]:
    """Returns a note for each subject with expectations if evaluate.lock is missing or lacks the subject's sha256."""
    lock, judged = context.config.lock, _subjects_with_expectations(context, subjects)
    add = "to add it, run the same command with --update"
    if lock is None:
        return [
            f"note: the expectations of {one.label} have no lock (evaluate.lock), so other weights, data or settings "
            f"are not detected; {add}"
            for one in judged
        ]
    return [
        f"note: evaluate.lock has no sha256 for {one.label}, so its expectations apply to any weights; {add}"
        for one in judged
        if one.kind == CHECKPOINT and one.label not in lock.checkpoints
    ]


def _subjects_with_expectations(context: EvaluationContext, subjects: Sequence[Subject]) -> list[Subject]:
    """Returns the subjects that expectations apply to."""
    return [one for one in subjects if one.has_expectations and context.config.expected_of(one.label)]


def _weights_mismatch(context: EvaluationContext, subject: Subject, lock: Lock) -> str:
    """Returns the reason why a label's expected values do not apply to this subject's weights; empty if they do."""
    if subject.label in lock.checkpoints:
        locked = _short(lock.checkpoints[subject.label])
        images = f"weights of checkpoint {subject.label}: expected {locked}, got a folder of images"
        return images if subject.kind == IMAGES else ""
    measured = any(bound.value is not None for bound in context.config.expected_of(subject.label).values())
    if subject.kind == IMAGES or not measured or not lock.checkpoints:
        return ""
    return f"weights of checkpoint {subject.label}: not in the lock, which has {', '.join(sorted(lock.checkpoints))}"


def stale_sections(context: EvaluationContext) -> list[str]:
    """Returns a line for each key in data, parse and encode that differs between manifest and cache."""
    from hspcgan.pipeline.concepts.config import ParseConfig
    from hspcgan.pipeline.sources.config import DataConfig
    from hspcgan.pipeline.stages.encode import EncodeConfig

    stages, manifest, info = context.cache.info["stages"], context.manifest, context.cache.info
    pairs = []
    if "data" in stages.get("ingest", {}) and "data" in manifest.raw:
        pairs.append(("data", stages["ingest"]["data"], manifest.section("data", DataConfig).inputs()))
    if "annotator" in info["parser"] and "parse" in manifest.raw:
        asked = manifest.section("parse", ParseConfig).model_dump(
            mode="json", include={"annotator", "model", "spacy_model"}
        )
        pairs.append(("parse", {key: info["parser"][key] for key in asked if key in info["parser"]}, asked))
    if "encode" in manifest.raw:
        encode = manifest.section("encode", EncodeConfig)
        pairs.append(("encode.templates", info["templates"], encode.templates.model_dump()))
        tokens = stages.get("encode", {}).get("tokens", True)
        pairs.append(("encode", {"tokens": tokens}, {"tokens": encode.tokens}))
    return [
        f"{section}.{key}: the cache was made with {own[key]!r}, but the manifest has {asked.get(key)!r}"
        for section, own, asked in pairs
        for key in own
        if json.loads(json.dumps(asked.get(key), default=str)) != own[key]
    ]


def require_sections(context: EvaluationContext) -> None:
    """Raises UserError if the cache was made with another data, parse or encode section than the manifest's."""
    lines = stale_sections(context)
    if lines:
        raise UserError(
            f"{context.cache.path} was not built from this manifest:\n  " + "\n  ".join(lines)
            + "\nRestore these keys, set another `cache`, or run `hspcgan prepare MANIFEST --rebuild`"
        )  # fmt: skip


def _differences_without_raising(
    context: EvaluationContext, subjects: Sequence[Subject], lock: Lock, partial: bool
) -> list[str]:
    """Like `differences`, but ignores checkpoints that cannot be opened; their column shows the error."""
    readable = []
    for subject in subjects:
        try:
            provenance(subject)
            readable.append(subject)
        except UserError:
            continue
    return differences(lock, current_lock(context, readable), partial)


def _changed_values(what: str, expected: Mapping[str, Any], got: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [
        f"{what} {shortened(name)}: expected {_short(expected.get(name))}, got {_short(got.get(name))}"
        for name in sorted(names)
        if expected.get(name) != got.get(name)
    ]


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:SHOWN]
