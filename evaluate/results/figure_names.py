"""Figures: values under names that say what they depend on.

A name is `metric/scorer/nN/split/caption/seedS[/vs-REFERENCE]/vV-HASH`; the hash stands for the whole identity, which
each result file holds beside the name: metric, version, method, scorer with weights' sha256 and reading, N, split,
reference, caption choice, seed and what the images were drawn from.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hspcgan.evaluate.metrics import METRICS
from hspcgan.evaluate.metrics.base import Better, Measured
from hspcgan.model.common.errors import UserError


@dataclass(frozen=True)
class Figure:
    """One number under its full name, with its standard error and 95 % interval (nan where there is none)."""

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
        """Plain data; null where a number is not finite, which JSON does not know."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def figure(metric: str, measured: Measured, scorer: Any, settings: Mapping[str, Any]) -> Figure:
    """A measured value under its name.

    `scorer` has label, sha256 and mode; `settings` split, reference, caption, seed. UserError for a value that is not
    finite: such images or features are degenerate.
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
    if not math.isfinite(measured.value):
        raise UserError(f"{name} is {measured.value}: images or features are degenerate; look at the images")
    return Figure(
        name, metric, measured.part, scorer.label, float(measured.value), float(measured.se), float(measured.low),
        float(measured.high), measured.n, entry.better, identity,
    )  # fmt: skip


def head(metric: str, scorer: str, part: str = "") -> str:
    """How a figure's name begins: fid/held-out-clip, attribute_accuracy.place/held-out-clip."""
    return f"{metric}.{part}/{scorer}" if part else f"{metric}/{scorer}"


def shown(metric: str, value: float | None) -> str:
    """A value in its metric's format; a dash if there is no value."""
    return "–" if value is None or not math.isfinite(value) else METRICS[metric].show(value)


def _name(identity: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    reference = [f"vs-{_last(identity['reference'])}"] if "reference" in identity else []
    return "/".join(
        [
            head(identity["metric"], identity["scorer"], identity["part"]),
            f"n{identity['n']}",
            identity["split"],
            identity["caption"],
            f"seed{identity['seed']}",
            *reference,
            f"v{identity['version']}-{digest}",
        ]
    )


def _last(reference: str) -> str:
    """A reference file's sha256 is shortened; a split's name is not."""
    return reference[:8] if len(reference) == 64 else reference
