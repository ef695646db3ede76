"""Generates images from user-supplied captions and writes them to disk, for `hspcgan sample`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice, product
from pathlib import Path

import numpy as np

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_in_groups
from hspcgan.evaluate.draw.generate import batch_for, generate_each
from hspcgan.evaluate.draw.out_folder import make_out_folder, require_few, write_each
from hspcgan.evaluate.draw.pictures import captioned_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import no_file, read_text

GRID = "grid.png"
GROUP = 256  # captions that are parsed and encoded together; a multiple of the batch size of `generate`


@dataclass(frozen=True)
class Request:
    """The captions and seeds to generate images from, and the output folder."""

    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    grid: bool

    def files(self) -> list[Path]:
        """Returns the files to write, sorted by caption, then seed; the grid is last.

        UserError as in `clean_texts` and `require_few`.
        """
        require_few(len(self.texts), len(self.seeds))
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
    make_out_folder(paths)
    shown = write_each(_images(request, choice), paths[:-1] if request.grid else paths)
    if request.grid:
        many = len(request.seeds) > 1
        pairs = islice(product(request.texts, request.seeds), len(shown))
        labels = [f"{text}  (seed {seed})" if many else text for text, seed in pairs]
        columns = min(len(request.seeds), 8) if many else 4
        write_atomically(paths[-1], png(captioned_grid(shown, labels, columns)))
    return paths


def _images(request: Request, choice: CheckpointChoice) -> Iterator[np.ndarray]:
    """Yields the images, sorted by caption, then seed; one group of captions and one batch are in memory at a time."""
    loaded, conditions = open_in_groups(choice, request.texts, GROUP)
    batch = batch_for(loaded.config.image_size)
    for first, condition in zip(count(0, GROUP), conditions, strict=False):
        rows, seeds = zip(*product(range(len(condition)), request.seeds), strict=True)
        texts = [request.texts[first + row] for row in rows]
        yield from generate_each(loaded.generator, condition, rows, texts, seeds, batch)
