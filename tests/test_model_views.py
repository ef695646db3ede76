"""Views of images: the pixels that CLIP is shown, against Pillow."""

import numpy as np
import pytest
from PIL import Image

from hspcgan.model.views import CROPS, VIEWS, view_pixels

pytestmark = pytest.mark.usefixtures("one_thread")
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


@pytest.mark.parametrize("view", VIEWS)
def test_a_views_pixels_are_pillows(view):
    images = np.random.default_rng(0).integers(64, 192, (2, 3, SIZE, SIZE), dtype=np.uint8)  # overshoots stay inside
    expected = np.stack([by_pillow(image, view) for image in images])
    shown = view_pixels(images, view).numpy()
    assert shown.dtype == np.float32
    # Pillow rounds to whole numbers after each of its two passes; other corners' pixels are shifted, and far off.
    np.testing.assert_allclose(shown, expected, rtol=0, atol=0 if "whole" in view else 1.5 / 127.5)
    others = [other for other in VIEWS if other != view]
    assert all(np.abs(shown - view_pixels(images, other).numpy()).max() > 0.3 for other in others)
    assert set(CROPS) == {"whole", *CORNERS}


def test_a_crop_never_leaves_the_range_of_pixels():
    edges = np.tile(np.array([0, 0, 255, 255], np.uint8), 14)[None, None, None].repeat(SIZE, 2).repeat(3, 1)
    shown = view_pixels(edges, "top-left")
    assert (shown.min().item(), shown.max().item()) == (-1.0, 1.0)  # bicubic interpolation overshoots at edges
