"""Pixel deviation against numbers by hand."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics.diversity import pixel_deviation


def test_deviation_by_hand():
    images = np.zeros((2, 2, 4, 4, 3), np.uint8)
    images[0, 1] = 255  # the first caption: black and white, deviation ½ everywhere; the second: no difference
    assert pixel_deviation(images) == pytest.approx(0.25)


def test_differences_between_captions_count_for_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4, 3), dtype=np.uint8)
    assert pixel_deviation(np.repeat(images, 3, axis=1)) == pytest.approx(0, abs=1e-9)


def test_deviation_of_many_uniform_images_is_that_of_the_uniform_distribution():
    images = np.random.default_rng(1).integers(0, 256, (1, 4000, 4, 4, 3), dtype=np.uint8)
    assert pixel_deviation(images) == pytest.approx(12**-0.5, abs=0.01)


def test_one_image_of_a_caption_has_no_deviation():
    with pytest.raises(ValueError, match="S of 2 or more"):
        pixel_deviation(np.zeros((3, 1, 4, 4, 3), np.uint8))
