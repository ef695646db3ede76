"""Generates images from user-supplied captions and writes them to disk, for `hspcgan sample`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, make_out_folder, open_in_groups
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.draw.pictures import MOST_IN_GRID, captioned_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.common.user_files import no_file, read_text

GRID = "grid.png"
GROUP = 256  # captions, and images, in memory at a time; a multiple of the batch size of `generate`


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
    many = len(request.seeds) > 1
    shown: list[np.ndarray] = []
    labels: list[str] = []
    for path, (text, seed, image) in zip(paths, _images(request, choice), strict=False):  # the path of the grid is last
        write_atomically(path, png(image))
        if request.grid and len(shown) < MOST_IN_GRID:
            shown.append(image)
            labels.append(f"{text}  (seed {seed})" if many else text)
    if request.grid:
        columns = min(len(request.seeds), 8) if many else 4
        write_atomically(paths[-1], png(captioned_grid(np.stack(shown), labels, columns)))
    return paths


def _images(request: Request, choice: CheckpointChoice) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yields caption, seed and image, sorted by caption, then seed; only one group is in memory at a time."""
    loaded, conditions = open_in_groups(choice, request.texts, GROUP)
    for first, condition in zip(count(0, GROUP), conditions, strict=False):
        pairs = [(row, seed) for row in range(len(condition)) for seed in request.seeds]
        for start in range(0, len(pairs), GROUP):
            rows, seeds = zip(*pairs[start : start + GROUP], strict=True)
            texts = [request.texts[first + row] for row in rows]
            yield from zip(
                texts, seeds, generate(loaded.generator, condition[np.array(rows)], texts, seeds), strict=True
            )
