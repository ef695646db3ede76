"""What the metrics share, small functions each: scored images, what towers see in them, and named figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from hspcgan.model.errors import UserError


class Tower(Protocol):
    """Something that turns images into features."""

    label: str  # as it stands in figure names: "held-out-clip"
    sha256: str  # of its weights
    mode: str  # how it reads images, for the table

    def image_features(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] → float32 [N, d]."""


class TextTower(Tower, Protocol):
    """A tower that reads captions into the same space."""

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Captions → float32 [N, d]."""


@dataclass
class ImageSet:
    """Images, uint8 [N, H, W, 3], and what each tower saw in them, computed once."""

    images: np.ndarray
    _features: dict[str, np.ndarray] = field(default_factory=dict)

    def seen_by(self, tower: Tower) -> np.ndarray:
        """float32 [N, d]."""
        if tower.label not in self._features:
            self._features[tower.label] = tower.image_features(self.images)
        return self._features[tower.label]

    def __len__(self) -> int:
        return len(self.images)


@dataclass
class Scored:
    """N images to score with their captions, and N real images that are none of these captions' own."""

    images: ImageSet
    texts: list[str]
    reference: ImageSet
    split: str
    reference_split: str
    scorers: list[TextTower]
    inception: Tower | None
    seed: int

    @property
    def towers(self) -> list[Tower]:
        return [*self.scorers, *([self.inception] if self.inception else [])]


@dataclass(frozen=True)
class Figure:
    """One number. `name` is `metric/tower/nN/split/first 8 digits of the weights' sha256`."""

    name: str
    metric: str
    tower: str
    value: float
    n: int
    better: Literal["lower", "higher"]
    mode: str

    def as_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


def figure(
    metric: str, tower: Tower, value: float, n: int, split: str, better: Literal["lower", "higher"], mode: str
) -> Figure:
    """A figure under its full name. UserError when it is not finite: such a figure is no figure."""
    name = f"{metric}/{tower.label}/n{n}/{split}/{tower.sha256[:8]}"
    if not np.isfinite(value):
        raise UserError(f"{name} is {value}: images or features are degenerate; look at the images")
    return Figure(name, metric, tower.label, float(value), n, better, mode)
