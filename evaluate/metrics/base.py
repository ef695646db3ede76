"""What every metric gets and gives: the features that one scorer computed, and values with their uncertainty.

Legend: N captions, R reference images, d feature width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Better = Literal["lower", "higher"]


@dataclass
class Seen:
    """Features of one scorer (raw, not normalised): images drawn for the captions, real images, any text.

    `extra` holds the further images that a metric asked for in its `needs`, see `Metric`.
    """

    images: np.ndarray  # float32 [N, d], row i was drawn for captions[i]
    captions: Sequence[str]
    reference: np.ndarray  # float32 [R, d], real images that none of the captions describes
    texts: Callable[[Sequence[str]], np.ndarray] | None = None  # texts → float32 [·, d]; None: reads images only
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    _once: dict[str, Any] = field(default_factory=dict)

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [len(texts), d] of a scorer that reads texts."""
        if self.texts is None:
            raise TypeError("this scorer reads no texts; register the metric with towers='texts'")
        return self.texts(texts)

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """What `compute` returns, computed by the first metric that asks."""
        if key not in self._once:
            self._once[key] = compute()
        return self._once[key]


@dataclass(frozen=True)
class Measured:
    """One value with its standard error and 95 % interval.

    `part` names a part of the metric (`place` of attribute accuracy); `rows` holds the value of each caption by its
    row, `details` what else the kept table has of each caption, by column and row.
    """

    value: float
    n: int
    se: float
    low: float
    high: float
    part: str = ""
    rows: Mapping[int, float] = field(default_factory=dict)
    details: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """A registry entry: the pure function that measures, and all that config, run and report need to know of it.

    A new `version` says that the same images get another value than before; expectations of the old one are rejected.
    """

    measure: Callable[[Seen], list[Measured]]
    title: str
    meaning: str
    better: Better
    method: Callable[[], str]  # how the value is computed, in words; part of a figure's identity
    show: Callable[[float], str] = "{:.3f}".format
    towers: Literal["all", "texts", "none"] = "texts"  # all: Inception too, which reads no texts; none: pixels alone
    needs: tuple[str, ...] = ()  # names of further drawings: "edits", "variations"; see evaluate/scored/drawings.py
    reference: bool = False  # whether the value depends on the reference images
    version: int = 1
    by_default: bool = True


def percent(value: float) -> str:
    """0.9948 → "99.5 %"."""
    return f"{value:.1%}".replace("%", " %")
