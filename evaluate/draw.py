"""Own texts → images on disk: what `hspcgan sample` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hspcgan.evaluate.checkpoints import find_checkpoint, open_checkpoint, pick_device, reading
from hspcgan.evaluate.pictures import captioned, png, slug, write_bytes
from hspcgan.evaluate.sample import generate
from hspcgan.evaluate.texts import conditions_from_texts, doubts
from hspcgan.pipeline.concepts import Parser

GRID = "grid.png"


@dataclass(frozen=True)
class Request:
    """What to draw, from which weights, and where to put it."""

    texts: tuple[str, ...]
    checkpoint: str
    clip_path: str | None
    seeds: tuple[int, ...]
    out: Path
    grid: bool
    device: str

    def files(self) -> list[Path]:
        """Those that are written: text by text, seed by seed, the grid last."""
        names = [slug(text) for text in self.texts]
        if len(set(names)) < len(names):
            names = [f"{i + 1:02d}-{name}" for i, name in enumerate(names)]
        images = [self.out / f"{name}_seed{seed}.png" for name in names for seed in self.seeds]
        return [*images, self.out / GRID] if self.grid else images


def draw(request: Request, warn: Callable[[str], None]) -> list[Path]:
    """Writes the images and returns their paths; ``warn`` gets a line for each text that may come out wrong.

    ValueError for an empty text, and for weights that are missing or do not belong together.
    """
    empty = [i + 1 for i, text in enumerate(request.texts) if not text.strip()]
    if empty:
        raise ValueError(f"text {empty[0]} of {len(request.texts)} is empty; describe what to draw")
    folder = find_checkpoint(request.checkpoint)
    how = reading(folder)
    loaded = open_checkpoint(folder, clip_path=request.clip_path)
    for line in doubts(request.texts, loaded.clip):
        warn(line)
    condition = conditions_from_texts(
        request.texts, loaded.clip, how.templates, Parser(how.parse), n_entities=loaded.config.locals
    )
    loaded.generator.to(pick_device(request.device))
    rows = np.repeat(np.arange(len(request.texts)), len(request.seeds))
    texts = [request.texts[row] for row in rows]
    seeds = list(request.seeds) * len(request.texts)
    images = generate(loaded.generator, condition[rows], texts, seeds)
    paths = request.files()
    for path, image in zip(paths, images, strict=False):  # the grid's path comes after the images'
        write_bytes(path, png(image))
    if request.grid:
        many = len(request.seeds) > 1
        labels = [f"{text}  (seed {seed})" if many else text for text, seed in zip(texts, seeds, strict=True)]
        write_bytes(paths[-1], png(captioned(images, labels, columns=min(len(request.seeds), 8) if many else 4)))
    return paths
