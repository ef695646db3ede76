"""Views of images: the pixels that CLIP is shown, against Pillow."""

import numpy as np
import pytest
from helpers.models.views import CORNERS, SIZE, by_pillow

from hspcgan.model.image_views import CROPS, VIEWS, view_pixels

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("view", VIEWS)
def test_a_views_pixels_equal_pillows(view):
    images = np.random.default_rng(0).integers(64, 192, (2, 3, SIZE, SIZE), dtype=np.uint8)  # overshoots stay inside
    expected = np.stack([by_pillow(image, view) for image in images])
    shown = view_pixels(images, view).numpy()
    assert shown.dtype == np.float32
    # Pillow rounds to whole numbers after each of its two passes; other corners' pixels are shifted, and far off.
    np.testing.assert_allclose(shown, expected, rtol=0, atol=0 if "whole" in view else 1.5 / 127.5)
    others = [other for other in VIEWS if other != view]
    assert all(np.abs(shown - view_pixels(images, other).numpy()).max() > 0.3 for other in others)
    assert set(CROPS) == {"whole", *CORNERS}


def test_a_crop_stays_in_the_pixel_range():
    edges = np.tile(np.array([0, 0, 255, 255], np.uint8), 14)[None, None, None].repeat(SIZE, 2).repeat(3, 1)
    shown = view_pixels(edges, "top-left")
    assert (shown.min().item(), shown.max().item()) == (-1.0, 1.0)  # bicubic interpolation overshoots at edges
