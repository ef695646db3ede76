"""Differentiable augmentation: real and generated images are moved before CLIP sees them (Zhao et al., NeurIPS 2020).

CLIP cuts an image into patches at fixed places. Moved images are cut at other places, so the generator cannot hide
artifacts at the patches' borders or inside them.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def shifts(seed: int, step: int, rows: int, most: int) -> np.ndarray:
    """Offsets (down, right) in pixels of a step's global batch, int64 [rows, 2], uniform in −most … most.

    Processes take their slice, so the split over processes changes nothing.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, step], dtype=np.uint64), counter=1 << 64))
    return generator.integers(-most, most + 1, (rows, 2))


def shifted(images: Tensor, offsets: np.ndarray) -> Tensor:
    """Each image moved by its offset, the border pixels repeated behind it; [b, C, H, W], [b, 2] → [b, C, H, W]."""
    most = int(np.abs(offsets).max(initial=0))
    if most == 0:
        return images
    height, width = images.shape[2:]
    padded = F.pad(images, (most, most, most, most), mode="replicate")
    corners = (most - offsets).tolist()  # an image moved down shows what was further up
    moved = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(moved)
