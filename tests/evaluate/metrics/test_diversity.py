"""Pixel deviation against numbers by hand."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics.base import MetricInput
from hspcgan.evaluate.metrics.diversity import diversity, pixel_deviation


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


def test_the_mean_of_captions_and_its_standard_error_by_hand():
    black, white, grey = (np.full((4, 4, 3), level, np.uint8) for level in (0, 255, 51))
    nothing = np.zeros((0, 0), np.float32)
    variations = [np.stack([black, white]), np.stack([black, grey]), np.stack([white, white])]  # ½, 1/10, 0
    (found,) = diversity(MetricInput(nothing, ["a", "b", "c"], nothing, extra={"variations": variations}))
    assert (found.value, found.n) == (pytest.approx(0.2), 3)
    assert found.rows == pytest.approx({0: 0.5, 1: 0.1, 2: 0})
    assert found.se == pytest.approx(0.07**0.5 / 3**0.5)  # variance (0.09 + 0.01 + 0.04) / 2
    assert 0 <= found.low < 0.2 < found.high <= 0.5
    assert diversity(MetricInput(nothing, [], nothing)) == []
