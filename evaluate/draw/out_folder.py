"""The output folder of `sample`, `interpolate` and `edit`: checks it before the work, and writes the images to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from hspcgan.evaluate.draw.pictures import WRITER, is_ours, most_in_grid, png
from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.files import make_folder, require_file_or_free, write_atomically
from hspcgan.model.common.overwrite import require_ours
from hspcgan.model.common.printable import format_count

MOST = 100_000  # images of one command; their names are in memory


def require_few(captions: int, seeds: int) -> None:
    """Raises UsageError if a command would generate more images than MOST."""
    if captions * seeds > MOST:
        raise UsageError(
            f"{format_count(captions, 'caption')} and {format_count(seeds, 'seed')} give {captions * seeds:,} images, "
            f"expected at most {MOST:,}; give fewer captions, or a smaller --count"
        )


def require_own_pictures(paths: Sequence[Path]) -> None:
    """Raises UserError if one of the files to write exists and was not written by these commands."""
    existing = [path for path in paths if os.path.lexists(path)]
    for path in existing:
        require_file_or_free(path)
    foreign = [path.name for path in existing if not is_ours(path)]
    require_ours(paths[0].parent, foreign, False, f"mark of {WRITER} in them", "--out")


def make_out_folder(paths: Sequence[Path]) -> None:
    """Creates the folder of the files to write, before images are generated.

    UserError if it cannot be written to, and as in `require_own_pictures`.
    """
    require_own_pictures(paths)
    out = paths[0].parent
    try:
        make_folder(out)
        TemporaryFile(dir=out).close()
    except OSError as error:
        raise UserError(f"--out {out} cannot be written to ({error.strerror}); name another folder") from error


def write_each(images: Iterable[np.ndarray], paths: Iterable[Path]) -> list[np.ndarray]:
    """Writes each image when it is generated, so that few are in memory; returns the first ones, for a grid."""
    first: list[np.ndarray] = []
    for image, path in zip(images, paths, strict=True):
        write_atomically(path, png(image))
        if len(first) < most_in_grid(*image.shape[:2]):
            first.append(image)
    return first
