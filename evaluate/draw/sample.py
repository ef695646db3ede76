"""Generates images from user-supplied captions and writes them to disk, for `hspcgan sample`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, make_out_folder, open_for_texts
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.draw.pictures import captioned_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import no_file, read_text

GRID = "grid.png"


@dataclass(frozen=True)
class Request:
    """The captions and seeds to generate images from, and the output folder."""

    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    grid: bool

    def files(self) -> list[Path]:
        """Returns the files to write, sorted by caption, then seed; the grid is last. UserError as in `clean_texts`."""
        clean_texts(self.texts)
        names = [slug(text) for text in self.texts]
        if len(set(names)) < len(names):
            names = [f"{i + 1:02d}-{name}" for i, name in enumerate(names)]
        images = [self.out / f"{name}_seed{seed}.png" for name in names for seed in self.seeds]
        return [*images, self.out / GRID] if self.grid else images


def read_texts(path: Path) -> list[str]:
    """Returns the lines of a UTF-8 file that are not blank. UserError if there are none."""
    if not path.is_file():
        raise UserError(f"{path}: {no_file(path)}; give a file with one caption per line")
    try:
        lines = read_text(path).splitlines()
    except (OSError, UserError) as error:
        raise UserError(f"{path} cannot be read ({error}); give a UTF-8 file with one caption per line") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError(f"{path} contains no captions; write one caption per line")
    return texts


def draw(request: Request, choice: CheckpointChoice) -> list[Path]:
    """Writes the images and returns their paths; logs the warnings of `mismatch_warnings`.

    UserError as in `Request.files` and `make_out_folder`, and for weights that are missing or do not match.
    """
    paths = request.files()
    make_out_folder(request.out)
    loaded, condition = open_for_texts(choice, request.texts)
    rows = np.repeat(np.arange(len(request.texts)), len(request.seeds))
    texts = [request.texts[row] for row in rows]
    seeds = list(request.seeds) * len(request.texts)
    images = generate(loaded.generator, condition[rows], texts, seeds)
    for path, image in zip(paths, images, strict=False):  # the path of the grid is last
        write_atomically(path, png(image))
    if request.grid:
        many = len(request.seeds) > 1
        labels = [f"{text}  (seed {seed})" if many else text for text, seed in zip(texts, seeds, strict=True)]
        write_atomically(
            paths[-1], png(captioned_grid(images, labels, columns=min(len(request.seeds), 8) if many else 4))
        )
    return paths
