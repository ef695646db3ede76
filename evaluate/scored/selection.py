"""Selects the images and captions to score; the choice depends only on seed and image key, not on the cache order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.scored.reference import SUFFIX
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.cache.reader import Cache


@dataclass(frozen=True)
class Selection:
    """N captions to generate images for, the real images of these captions, and N other real images as the reference.

    The reference is empty if its features come from a file.
    """

    caption_rows: np.ndarray  # [N] rows in the cache's captions
    sample_rows: np.ndarray  # [N] rows of their images
    reference_rows: np.ndarray  # [N] rows of the reference images, none of them among sample_rows
    reference_split: str


def select(cache: Cache, config: EvaluateConfig, reference_size: int | None = None) -> Selection:
    """Selects captions and reference images. UserError if the cache has too few images for two disjoint sets of N.

    `reference_size`: number of images in a reference file, which replaces the reference split.
    """
    reference_split = config.reference or config.split
    drawn, keys = _shuffled(cache, config.split, config.seed)
    if reference_size is not None:
        return _without_reference(cache, config, drawn, keys, reference_size)
    if reference_split == config.split:
        most, others = len(drawn) // 2, drawn
    else:
        others, _ = _shuffled(cache, reference_split, config.seed)
        most = min(len(drawn), len(others))
    n = most if config.samples is None else config.samples
    if n > most or n < 2:
        asked = "evaluate needs 2" if config.samples is None else f"evaluate.samples asks for {config.samples}"
        fix = "lower evaluate.samples" if most >= 2 else "prepare a cache with more images in the split"
        raise UserError(
            f"{cache.path}: the {config.split} split has {format_count(len(drawn), 'image')}, the reference split "
            f"{reference_split} has {len(others)}; at most {format_count(most, 'sample')} can be used, as both sets "
            f"need the same size; {asked}; {fix}"
        )
    samples = drawn[:n]
    reference = others[n : 2 * n] if reference_split == config.split else others[:n]
    return Selection(_captions(cache, samples, keys, config), samples, reference, reference_split)


def _without_reference(
    cache: Cache, config: EvaluateConfig, drawn: np.ndarray, keys: Sequence[str], size: int
) -> Selection:
    n = size if config.samples is None else config.samples
    if n != size or n > len(drawn):
        raise UserError(
            f"{config.reference} has {format_count(size, 'image')}, and split {config.split} of {cache.path} has "
            f"{len(drawn)}; both sets need the same size: set evaluate.samples to {size}, or use a "
            f"reference of at most {len(drawn)}"
        )
    return Selection(_captions(cache, drawn[:n], keys, config), drawn[:n], drawn[:0], str(config.reference))


def _shuffled(cache: Cache, split: str, seed: int) -> tuple[np.ndarray, list[str]]:
    """Returns the sample rows of a split and their image keys, sorted by a hash of seed and key."""
    rows = cache.split_rows(split)
    if not len(rows):
        known = ", ".join(sorted(cache.split_counts()))
        raise UserError(
            f"split {split} has no images in {cache.path}; existing splits: {known}"
            + (f"; the name of a file of reference features ends in {SUFFIX}" if "." in split else "")
        )
    keys = cache.samples_at(rows, ["key"])["key"].to_pylist()
    order = sorted(range(len(rows)), key=lambda place: _digest(seed, keys[place]))
    return rows[order], [keys[place] for place in order]


def _captions(cache: Cache, samples: np.ndarray, keys: Sequence[str], config: EvaluateConfig) -> np.ndarray:
    """Returns one caption row for each sample."""
    pairs = zip(samples, keys[: len(samples)], strict=True)
    return np.array([_caption(cache.captions_of(int(row)), key, config) for row, key in pairs])


def _caption(captions: range, key: str, config: EvaluateConfig) -> int:
    if config.caption == "first":
        return captions[0]
    digest = _digest(config.seed, f"caption of {key}")
    return captions[int.from_bytes(digest[:8], "little") % len(captions)]


def _digest(seed: int, key: str) -> bytes:
    return hashlib.sha256(f"{seed}/{key}".encode()).digest()
