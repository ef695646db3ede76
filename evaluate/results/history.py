"""Writes RUN/evaluation/history.jsonl, one line per evaluation, so that metrics can be tracked over time."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from hspcgan.evaluate.context import HISTORY, EvaluationContext
from hspcgan.evaluate.results.machine import machine, versions
from hspcgan.evaluate.run import Result
from hspcgan.evaluate.verdict.pinned_inputs import current_lock
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import read_bytes


def append_history(context: EvaluationContext, results: Sequence[Result]) -> Path:
    """Appends a line: date, machine, `lock` (in the format of evaluate.lock) and the metric values of each subject."""
    path = context.folder / HISTORY
    line = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "manifest": context.manifest.name,
        "machine": machine(),
        "versions": versions(),
        "cache": context.cache.info["fingerprint"],
        "lock": current_lock(context, [one.subject for one in results if not one.error]).model_dump(),
        "subjects": {
            one.subject.label: {
                "weights": one.record.get("subject", {}).get("sha256"),
                "error": one.error or None,
                "figures": {
                    figure.name: [figure.value, *(_finite(end) for end in (figure.low, figure.high))]
                    for figure in one.figures
                },
            }
            for one in results
        },
    }
    before = read_bytes(path) if path.is_file() else b""  # kept as it is, even if it is damaged
    write_atomically(path, before + json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return path


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
