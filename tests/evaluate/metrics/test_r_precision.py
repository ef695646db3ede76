"""R-precision and the ranks of captions against counting by hand."""

import numpy as np
import pytest
from helpers.models.colour_scorer import seen

from hspcgan.evaluate.metrics.r_precision import r_precision, ranks


def test_r_precision_counts_images_that_find_their_own_caption_first():
    (found,) = r_precision(seen(["red", "green", "blue", "red"], ["red", "blue", "blue green", "red"]))
    # The fourth caption has the same words as the first and does not count; the second and third prefer another text.
    assert found.rows == {0: 1, 1: 0, 2: 0, 3: 1}
    assert found.value == pytest.approx(2 / 4)


def test_only_the_captions_behind_each_row_are_candidates():
    eye = np.eye(4, dtype=np.float32)
    wrong_pairs = eye[[1, 0, 2, 3]]  # captions of rows 0 and 1 are exchanged
    words = ["a", "b", "c", "d"]
    # Row 0's caption has cosine 0: row 1's has 1, those of rows 2 and 3 tie with it.
    assert ranks(eye, wrong_pairs, words, 4).tolist() == [4, 4, 1, 1]
    # With two candidates, row 0 meets row 1's caption, which is its own image's; row 1 meets row 2's and ties.
    assert ranks(eye, wrong_pairs, words, 2).tolist() == [2, 2, 1, 1]
    assert ranks(eye, eye, words, 4).tolist() == [1] * 4


def test_the_kept_rank_is_the_place_of_the_own_caption():
    (found,) = r_precision(seen(["red", "green", "blue", "red"], ["red", "blue", "blue green", "red"]))
    # The second image's own caption has cosine 0, as the red ones have; "blue green" beats it.
    assert found.details == {"rank": {0: 1, 1: 4, 2: 2, 3: 1}}
