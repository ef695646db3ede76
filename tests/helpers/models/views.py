"""Views of images computed by Pillow, which the package's own are compared with."""

import numpy as np
from PIL import Image

SIZE, SIDE = 56, 49  # 7/8 of 56 is 49
CORNERS = {"top-left": (0, 0), "top-right": (0, 7), "bottom-left": (7, 0), "bottom-right": (7, 7)}  # row, column


def by_pillow(image: np.ndarray, view: str) -> np.ndarray:
    """The view of an image uint8 [3, H, H] in Pillow's way, rounded to uint8; float32 in [-1, 1]."""
    pixels = image.transpose(1, 2, 0)
    name = view.replace("-flipped", "")
    if name != "whole":
        row, column = CORNERS[name]
        part = Image.fromarray(pixels[row : row + SIDE, column : column + SIDE])
        pixels = np.asarray(part.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    pixels = pixels[:, ::-1] if view.endswith("flipped") else pixels
    return pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
