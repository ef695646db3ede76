"""The images of an evaluation in batches, and their features by scorer; both are computed once and stored on disk.

Every source of images has a `key`, a hash of everything that its pixels depend on. Generated batches and features are
stored under this key, so that a killed or repeated evaluation reuses them. Batches have the same composition for any
number of processes, because the composition can change the last bit of a pixel.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import numpy as np

from hspcgan.evaluate.draw.pictures import read_png
from hspcgan.evaluate.scored.keys import content_key, scorer_code
from hspcgan.evaluate.scored.scorers import BATCH, Scorer
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_file, file_sha256
from hspcgan.model.common.progress import progress_bar
from hspcgan.model.common.user_files import open_regular
from hspcgan.pipeline.cache.reader import Cache

log = logging.getLogger("hspcgan.evaluate")

MAX_NAME = 200  # characters of a file name without suffix; file systems allow 255 bytes
FEATURE_BATCHES = 32  # image batches per feature file


class Images(Protocol):
    """Images in batches of BATCH; the last batch can be smaller."""

    key: str  # hash of everything that the pixels depend on

    def __len__(self) -> int:
        """Returns the number of images."""

    def batch(self, index: int) -> np.ndarray:
        """Returns a batch, uint8 [b, H, W, 3]."""


def batches(images: Images) -> Iterator[np.ndarray]:
    """Yields all batches in order."""
    return (images.batch(index) for index in range(batch_count(images)))


def batch_count(images: Images) -> int:
    """Returns the number of batches."""
    return -(-len(images) // BATCH)


def first(images: Images, count: int) -> np.ndarray:
    """Returns the first `count` images, uint8 [count, H, W, 3]."""
    needed = min(-(-count // BATCH), batch_count(images))
    return np.concatenate([images.batch(index) for index in range(needed)])[:count]


def stacks(images: Images, size: int) -> Iterator[np.ndarray]:
    """Yields the images in groups of `size`, uint8 [size, H, W, 3]; `size` must divide BATCH."""
    for batch in batches(images):
        yield from (batch[start : start + size] for start in range(0, len(batch), size))


def pick(images: Images, rows: Sequence[int]) -> np.ndarray:
    """Returns the images with the indices `rows`, uint8 [len(rows), H, W, 3]."""
    needed = {index: images.batch(index) for index in sorted({row // BATCH for row in rows})}
    return np.stack([needed[row // BATCH][row % BATCH] for row in rows])


class RealImages:
    """Real images from rows of a cache."""

    def __init__(self, cache: Cache, rows: np.ndarray):
        self.cache, self.rows = cache, rows
        self.key = content_key(real=cache.info["files"]["images.h5"]["sha256"], rows=rows.tolist())

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: int) -> np.ndarray:
        rows = self.rows[index * BATCH : (index + 1) * BATCH]
        return np.stack([np.asarray(self.cache.images[int(row)]).transpose(1, 2, 0) for row in rows])


class FolderImages:
    """PNGs in a folder, one per caption id, such as bird-0-000012#3.png; `--keep-images` writes the same names."""

    def __init__(self, folder: Path, ids: Sequence[str]):
        self.paths = [folder / image_name(one) for one in ids]
        missing = [path.name for path in self.paths if not path.is_file()]
        if missing:
            raise UserError(
                f"{folder} lacks {len(missing):,} of {len(ids):,} images: {', '.join(missing[:3])}"
                f"{', …' if len(missing) > 3 else ''}; name each PNG after its caption id (see --keep-images)"
            )
        digests = [file_sha256(path) for path in self.paths]
        self.key = content_key(files=digests)
        self.size = read_png(self.paths[0]).shape

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, index: int) -> np.ndarray:
        images = []
        for path in self.paths[index * BATCH : (index + 1) * BATCH]:
            image = read_png(path)
            if image.shape != self.size:
                raise UserError(
                    f"{path} has {image.shape[:2]} px, but {self.paths[0].name} has {self.size[:2]}; use equal sizes"
                )
            images.append(image)
        return np.stack(images)


class DrawnImages:
    """Images from a generator; each batch is generated once and stored in a file."""

    def __init__(self, folder: Path, key: str, count: int, draw: Callable[[int], np.ndarray]):
        self.folder, self.key, self.count, self.draw = folder / "images" / key[:16], key, count, draw

    def __len__(self) -> int:
        return self.count

    def batch(self, index: int) -> np.ndarray:
        rows = min(BATCH, self.count - index * BATCH)

        def is_batch(found: np.ndarray) -> bool:
            return found.dtype == np.uint8 and found.ndim == 4 and (len(found), found.shape[-1]) == (rows, 3)

        found = _load(self._path(index), is_batch)
        if found is None:
            found = self.draw(index)
            _save(self._path(index), found)
        return found

    def missing(self, first: int = 0, step: int = 1) -> list[int]:
        """Returns the indices of batches without a file, among the batches `first`, `first + step`, …"""
        return [index for index in range(first, batch_count(self), step) if not self._path(index).is_file()]

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npy"


class FeatureStore:
    """Features of images by scorer, stored in `folder` by image key and the scorer's weights, method and code."""

    def __init__(self, folder: Path, device: str = "cpu"):
        self.folder, self.device = folder / "features", device

    def of(self, images: Images, scorer: Scorer, note: str = "") -> np.ndarray:
        """Returns features float32 [N, d]; computes and stores missing ones. `note`: title of the progress bar."""
        folder, chunks = self._folder(images, scorer), range(0, batch_count(images), FEATURE_BATCHES)
        parts = []
        for start in progress_bar(chunks, f"{note} {scorer.label}".strip()):
            path = folder / f"{start // FEATURE_BATCHES:06d}.npy"
            rows = min(len(images), (start + FEATURE_BATCHES) * BATCH) - start * BATCH
            part = _load(path, partial(_are_features, rows=rows))
            if part is None:
                indices = range(start, min(start + FEATURE_BATCHES, batch_count(images)))
                part = np.concatenate([scorer.image_features(images.batch(index)) for index in indices])
                if _are_features(part, rows):
                    _save(path, part)
            parts.append(part)
        return np.concatenate(parts)

    def discard(self, images: Images, scorers: Sequence[Scorer]) -> None:
        """Deletes the features of these images, and the images if they were generated."""
        for folder in [self._folder(images, scorer) for scorer in scorers]:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(images, DrawnImages):
            shutil.rmtree(images.folder, ignore_errors=True)

    def _folder(self, images: Images, scorer: Scorer) -> Path:
        key = content_key(images=images.key, scorer=scorer.sha256, mode=scorer.mode, device=self.device,
                          code=scorer_code())  # fmt: skip
        return self.folder / key[:16]


def image_name(caption_id: str) -> str:
    """
    Returns the file name for a caption id; special characters are percent-encoded.

    Long names, which file systems refuse, end in a hash instead.
    """
    name = quote(caption_id, safe="#")
    if len(name) > MAX_NAME:
        name = f"{name[: MAX_NAME - 17]}-{hashlib.sha256(caption_id.encode()).hexdigest()[:16]}"
    return f"{name}.png"


def _save(path: Path, array: np.ndarray) -> None:
    """Writes a file atomically; several processes may generate the same batch."""
    with atomic_file(path) as work, work.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _load(path: Path, is_valid: Callable[[np.ndarray], bool]) -> np.ndarray | None:
    """Loads a stored array; None if it does not exist, cannot be read or is not valid, which is logged."""
    try:
        with open_regular(path) as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, MemoryError):
        found = None
    if found is not None and is_valid(found):
        return found
    log.warning("%s is damaged; computing its content again", path)
    return None


def _are_features(found: np.ndarray, rows: int) -> bool:
    """Returns whether an array is finite float32 with this number of rows, [rows, d]."""
    return found.dtype == np.float32 and found.ndim == 2 and len(found) == rows and bool(np.isfinite(found).all())
