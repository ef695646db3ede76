"""Converts pixels to [−1, 1] and shifts images on the device (differentiable augmentation, Zhao et al., 2020).

Real and generated images are shifted before they enter CLIP. CLIP cuts an image into patches at fixed positions.
Shifted images are cut at other positions, so the generator cannot hide artifacts at patch borders or inside patches.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def signed(pixels: Tensor) -> Tensor:
    """Converts pixels from uint8 in [0, 255] to float32 in [−1, 1]; on a CPU, equals `image_views.to_signed`."""
    return pixels.float() / 127.5 - 1


def random_shifts(seed: int, step: int, rows: int, most: int) -> np.ndarray:
    """Returns random pixel offsets (down, right) in [−most, most] for the global batch of a step: int64 [rows, 2].

    Each process takes its slice, so the number of processes does not change the result.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, step], dtype=np.uint64), counter=1 << 64))
    return generator.integers(-most, most + 1, (rows, 2))


def shift_images(images: Tensor, offsets: np.ndarray) -> Tensor:
    """Shifts each image by its offset; border pixels fill the gaps; [b, C, H, W], [b, 2] → [b, C, H, W]."""
    most = int(np.abs(offsets).max(initial=0))
    if most == 0:
        return images
    height, width = images.shape[2:]
    padded = F.pad(images, (most, most, most, most), mode="replicate")
    corners = (most - offsets).tolist()  # an image that is shifted down is cropped further up
    moved = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(moved)
