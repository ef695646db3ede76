"""Generates uint8 images from conditions, with noise that depends only on seed and sample id.

Legend: B captions, H height, W width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from hspcgan.model.condition import Condition
from hspcgan.model.image_views import to_uint8
from hspcgan.model.networks.generator import Generator


def noise(seeds: Sequence[int], sample_ids: Sequence[str], noise_dim: int) -> np.ndarray:
    """Returns Gaussian noise float32 [B, noise_dim]; each row depends only on its seed and sample id (keyed Philox)."""
    rows = []
    for seed, sample_id in zip(seeds, sample_ids, strict=True):
        key = np.frombuffer(hashlib.sha256(f"{seed}/{sample_id}".encode()).digest()[:16], dtype="<u8")
        rows.append(np.random.Generator(np.random.Philox(key=key)).standard_normal(noise_dim, dtype=np.float32))
    return np.stack(rows)


@torch.inference_mode()
def generate(
    generator: Generator,
    condition: Condition,
    sample_ids: Sequence[str],
    seeds: int | Sequence[int] = 0,
    batch_size: int = 32,
) -> np.ndarray:
    """Generates images uint8 [B, H, W, 3] for B captions, on the device of the generator.

    Image i depends on caption i, `seeds[i]` (an integer is the seed of all images) and `sample_ids[i]`. The other
    images in its batch can change single pixel values by 1, through rounding.
    """
    seeds = [seeds] * len(condition) if isinstance(seeds, int) else list(seeds)
    z = torch.from_numpy(noise(seeds, sample_ids, generator.config.noise_dim))
    parts = []
    for start in range(0, len(condition), batch_size):
        rows = slice(start, start + batch_size)
        parts.append(to_uint8(generator(z[rows].to(generator.device), condition[rows].to(generator.device)).float()))
    return np.concatenate(parts)
