"""The inputs and outputs of all metrics: features that one scorer computed, and values with their uncertainty.

Legend: N captions, R reference images, d feature width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hspcgan.model.common.printable import format_number

Better = Literal["lower", "higher"]


@dataclass
class MetricInput:
    """The input of a metric: unnormalised features of generated images, real images and captions, from one scorer.

    `extra` holds additional images that a metric requests with `needs`, see `Metric`.
    """

    images: np.ndarray  # float32 [N, d], row i was generated for captions[i]
    captions: Sequence[str]
    reference: np.ndarray  # float32 [R, d], real images that do not belong to the captions
    texts: Callable[[Sequence[str]], np.ndarray] | None = (
        None  # captions → float32 [·, d]; None if the scorer reads only images
    )
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    _once: dict[str, Any] = field(default_factory=dict)

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Returns caption features float32 [len(texts), d]. TypeError if the scorer reads only images."""
        if self.texts is None:
            raise TypeError("this scorer reads no captions; register the metric with towers='texts'")
        return self.texts(texts)

    def compute_once(self, key: str, compute: Callable[[], Any]) -> Any:
        """Returns the result of `compute`, which is called only once per key."""
        if key not in self._once:
            self._once[key] = compute()
        return self._once[key]


@dataclass(frozen=True)
class Measurement:
    """One value with its standard error and 95 % interval.

    `part` names a part of the metric (`place` of attribute accuracy). `rows` maps a caption row to its value, and
    `details` maps an additional column of the stored table to its values by row.
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
    """A registered metric: the function that computes it, and its properties for config, run and report.

    Increase `version` if a change gives the same images another value; older expectations are then rejected.
    """

    measure: Callable[[MetricInput], list[Measurement]]
    title: str
    meaning: str
    better: Better
    method: Callable[[], str]  # describes how the value is computed; part of the identity of a metric value
    show: Callable[[float], str] = format_number
    towers: Literal["all", "texts", "none"] = "texts"  # texts: CLIPs; all: CLIPs and Inception; none: pixels
    needs: tuple[str, ...] = ()  # names of additional images: "edits", "variations"; see evaluate/scored/drawings.py
    reference: bool = False  # whether the value depends on the reference images
    version: int = 1
    by_default: bool = True
