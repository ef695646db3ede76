"""Views (crops and flips) of images, for training and for cached CLIP features; conversion of pixel values."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hspcgan.model.common.errors import UserError

CROPS = ("whole", "top-left", "top-right", "bottom-left", "bottom-right")
FLIPPED = "-flipped"
VIEWS = (*CROPS, *(crop + FLIPPED for crop in CROPS))


def to_signed(images: np.ndarray) -> np.ndarray:
    """Converts pixels from uint8 in [0, 255] to float32 in [−1, 1]; any shape."""
    return images.astype(np.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> np.ndarray:
    """Converts float images NCHW in [−1, 1] to uint8 NHWC; pixels are rounded to the nearest integer and clamped.

    Raises UserError if a pixel is not finite.
    """
    if not images.isfinite().all():
        raise UserError("the generated images are not finite; use an earlier checkpoint")
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def view_pixels(images: np.ndarray, view: str) -> Tensor:
    """Returns a view (one of VIEWS) of square images; uint8 [b, 3, H, H] → float32 [b, 3, H, H] in [−1, 1].

    A corner crop has 7/8 of the height and width. It is scaled back to H by Pillow's bicubic filter (antialiased) and
    clamped, but not rounded to integers. "-flipped" then mirrors the view left to right.
    """
    crop, flipped = view.removesuffix(FLIPPED), view.endswith(FLIPPED)
    size = images.shape[-1]
    side = size if crop == "whole" else size * 7 // 8
    top = size - side if crop.startswith("bottom") else 0
    left = size - side if crop.endswith("right") else 0
    pixels = torch.from_numpy(to_signed(images[..., top : top + side, left : left + side]))
    if side != size:
        pixels = F.interpolate(pixels, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        pixels = pixels.clamp(-1, 1)
    return pixels.flip(-1) if flipped else pixels
