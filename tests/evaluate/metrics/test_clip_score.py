"""CLIP scores against cosines by hand."""

import numpy as np
import pytest
from helpers.models.colour_scorer import seen

from hspcgan.evaluate.metrics.clip_score import clip_score


def test_clip_score_is_the_mean_raw_cosine_of_pairs():
    (found,) = clip_score(seen(["red", "green", "blue"], ["red", "blue", "red blue"]))
    assert found.value == pytest.approx((1 + 0 + np.sqrt(0.5)) / 3)
    assert found.rows == pytest.approx({0: 1, 1: 0, 2: np.sqrt(0.5)})
