"""Names metric values: a name identifies all inputs and settings that the value depends on.

A name is `metric/scorer/nN/split/caption/seedS[/vs-REFERENCE]/vV-HASH`. The hash covers the whole identity, which
result files store with the name: metric, version, method, scorer with sha256 and preprocessing, N, split, reference,
choice of captions and seed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.metrics.base import Better, Measurement
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import MAX_NUMBER


@dataclass(frozen=True)
class Figure:
    """One metric value with its full name, standard error and 95 % interval (nan if there is none)."""

    name: str
    metric: str
    part: str
    scorer: str
    value: float
    se: float
    low: float
    high: float
    n: int
    better: Better
    identity: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Returns plain data, with None for numbers that are not finite, which JSON cannot represent."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def figure(metric: str, measured: Measurement, scorer: Any, settings: Mapping[str, Any]) -> Figure:
    """Returns a measured value with its full name.

    `scorer` has label, sha256 and mode; `settings` has split, reference, caption and seed. UserError for a value that
    is not finite or is beyond MAX_NUMBER, which means that images or features are degenerate.
    """
    entry = METRICS[metric]
    identity = {
        "metric": metric,
        "part": measured.part,
        "version": entry.version,
        "method": entry.method(),
        "scorer": scorer.label,
        "scorer_sha256": scorer.sha256,
        "scorer_mode": scorer.mode,
        "n": measured.n,
        "split": settings["split"],
        "caption": settings["caption"],
        "seed": settings["seed"],
        **({"reference": settings["reference"]} if entry.reference else {}),
    }
    name = _name(identity)
    if not abs(measured.value) <= MAX_NUMBER:  # also for nan
        raise UserError(f"{name} is {measured.value}: images or features are degenerate; check the images")
    return Figure(
        name, metric, measured.part, scorer.label, float(measured.value), float(measured.se), float(measured.low),
        float(measured.high), measured.n, entry.better, identity,
    )  # fmt: skip


def name_prefix(metric: str, scorer: str, part: str = "") -> str:
    """Returns the beginning of a value's name, such as fid/held-out-clip or attribute_accuracy.place/held-out-clip."""
    return f"{metric}.{part}/{scorer}" if part else f"{metric}/{scorer}"


def format_value(metric: str, value: float | None) -> str:
    """Formats a value in the number format of its metric; a dash if there is no value."""
    return "–" if value is None or not math.isfinite(value) else METRICS[metric].show(value)


def _name(identity: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    reference = [f"vs-{_reference_label(identity['reference'])}"] if "reference" in identity else []
    return "/".join(
        [
            name_prefix(identity["metric"], identity["scorer"], identity["part"]),
            f"n{identity['n']}",
            identity["split"],
            identity["caption"],
            f"seed{identity['seed']}",
            *reference,
            f"v{identity['version']}-{digest}",
        ]
    )


def _reference_label(reference: str) -> str:
    """Returns the first digits of the sha256 of a reference file, or the name of a split."""
    return reference[:8] if len(reference) == 64 else reference
