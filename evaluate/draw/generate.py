"""Generates uint8 images from conditions, with noise that depends only on seed and sample id.

Legend: B captions, H height, W width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hspcgan.model.condition import Condition
from hspcgan.model.image_views import to_uint8
from hspcgan.model.networks.generator import Generator

BATCH, BATCH_PIXELS = 32, 32 * 256**2  # images, and their pixels, that are generated together


def noise(seeds: Sequence[int], sample_ids: Sequence[str], noise_dim: int) -> np.ndarray:
    """Returns Gaussian noise float32 [B, noise_dim]; each row depends only on its seed and sample id (keyed Philox)."""
    rows = []
    for seed, sample_id in zip(seeds, sample_ids, strict=True):
        key = np.frombuffer(hashlib.sha256(f"{seed}/{sample_id}".encode()).digest()[:16], dtype="<u8")
        rows.append(np.random.Generator(np.random.Philox(key=key)).standard_normal(noise_dim, dtype=np.float32))
    return np.stack(rows)


def generate(
    generator: Generator,
    condition: Condition,
    sample_ids: Sequence[str],
    seeds: int | Sequence[int] = 0,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Generates images uint8 [B, H, W, 3] for B captions, on the device of the generator.

    Image i depends on caption i, `seeds[i]` (an integer is the seed of all images) and `sample_ids[i]`. The other
    images in its batch can change single pixel values by 1, through rounding.
    """
    seeds = [seeds] * len(condition) if isinstance(seeds, int) else seeds
    return np.stack(list(generate_each(generator, condition, range(len(condition)), sample_ids, seeds, batch_size)))


def generate_each(
    generator: Generator,
    condition: Condition,
    rows: Sequence[int],
    sample_ids: Sequence[str],
    seeds: Sequence[int],
    batch_size: int = BATCH,
) -> Iterator[np.ndarray]:
    """Yields the images of `generate`, uint8 [H, W, 3], for these rows of the condition; one batch is in memory."""
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        z = torch.from_numpy(noise(seeds[part], sample_ids[part], generator.config.noise_dim)).to(generator.device)
        with torch.inference_mode():
            images = to_uint8(generator(z, condition[list(rows[part])].to(generator.device)).float())
        yield from images


def batch_for(image_size: int) -> int:
    """Returns the number of images per batch: fewer if images are larger than 256 px, so that memory is limited."""
    return max(1, min(BATCH, BATCH_PIXELS // image_size**2))
