"""CLIP scores, R-precision and colour swaps against counting by hand."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics import clip_score as scores
from hspcgan.evaluate.metrics.base import MetricInput
from hspcgan.evaluate.metrics.colour_swap import COLOURS, colour_swap, swap_colour

PAINT = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def text_features(texts):
    """The sum of the colours that each text names."""
    named = [[PAINT[word] for word in text.split() if word in PAINT] or [(1, 1, 1)] for text in texts]
    return np.array([np.sum(paint, axis=0) for paint in named], dtype=np.float32)


def seen(colours: list[str], texts: list[str]) -> MetricInput:
    """A scorer that knows pure colours: an image's features are its colour."""
    images = np.array([PAINT[name] for name in colours], dtype=np.float32)
    return MetricInput(images, texts, images, text_features)


def test_clip_score_is_the_mean_raw_cosine_of_pairs():
    (found,) = scores.clip_score(seen(["red", "green", "blue"], ["red", "blue", "red blue"]))
    assert found.value == pytest.approx((1 + 0 + np.sqrt(0.5)) / 3)
    assert found.rows == pytest.approx({0: 1, 1: 0, 2: np.sqrt(0.5)})


def test_r_precision_counts_images_that_find_their_own_caption_first():
    (found,) = scores.r_precision(seen(["red", "green", "blue", "red"], ["red", "blue", "blue green", "red"]))
    # The fourth caption has the same words as the first and does not count; the second and third prefer another text.
    assert found.rows == {0: 1, 1: 0, 2: 0, 3: 1}
    assert found.value == pytest.approx(2 / 4)


def test_only_the_captions_behind_each_row_are_candidates():
    eye = np.eye(4, dtype=np.float32)
    wrong_pairs = eye[[1, 0, 2, 3]]  # captions of rows 0 and 1 are exchanged
    words = ["a", "b", "c", "d"]
    # Row 0's caption has cosine 0: row 1's has 1, those of rows 2 and 3 tie with it.
    assert scores.ranks(eye, wrong_pairs, words, 4).tolist() == [4, 4, 1, 1]
    # With two candidates, row 0 meets row 1's caption, which is its own image's; row 1 meets row 2's and ties.
    assert scores.ranks(eye, wrong_pairs, words, 2).tolist() == [2, 2, 1, 1]
    assert scores.ranks(eye, eye, words, 4).tolist() == [1] * 4


def test_the_kept_rank_is_the_place_of_the_own_caption():
    (found,) = scores.r_precision(seen(["red", "green", "blue", "red"], ["red", "blue", "blue green", "red"]))
    # The second image's own caption has cosine 0, as the red ones have; "blue green" beats it.
    assert found.details == {"rank": {0: 1, 1: 4, 2: 2, 3: 1}}


def test_colour_swap_counts_images_that_show_the_colour_they_should():
    texts = ["a red bird", "a green bird", "a bird", "a blue bird"]
    (found,) = colour_swap(seen(["red", "red", "red", "blue"], texts))
    # A green bird drawn red has cosine 0 with its caption, which no swap undercuts; the third names no colour.
    assert found.rows == {0: 1, 1: 0, 3: 1}
    assert (found.n, found.value) == (3, pytest.approx(2 / 3))


def test_colour_swap_without_colours_gives_no_figure():
    assert colour_swap(seen(["red"], ["a dog on a chair"])) == []


@pytest.mark.parametrize("text", ["a red bird with a blue belly", "an orange beak", "Gray wings", "two grey birds"])
def test_a_swap_exchanges_exactly_one_colour_for_one_not_named(text):
    swapped = swap_colour(text)
    before, after = text.replace("grey", "gray").split(), swapped.split()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a.lower() != b.lower() and a not in ("a", "an")]
    assert len(changed) == 1
    old, new = changed[0]
    assert old.lower() in COLOURS
    assert new.lower() in COLOURS
    assert new.lower() not in text.lower().replace("grey", "gray")
    assert swapped == swap_colour(text)


def test_a_swap_adapts_the_article_and_keeps_the_capital():
    texts = [f"a bird number {i} with an orange beak" for i in range(30)]
    assert all(" with a " in swap_colour(text) for text in texts)
    into_orange = [swap for i in range(200) if "orange" in (swap := swap_colour(f"bird {i} with a red beak"))]
    assert into_orange
    assert all("with an orange beak" in text for text in into_orange)
    assert swap_colour("Red wings")[0].isupper()


def test_a_swap_leaves_texts_without_a_colour_and_words_that_hold_one():
    assert swap_colour("a bird that is bored and redacted") is None
    assert swap_colour(" ".join(COLOURS)) is None


def test_variants_swap_other_colours_and_each_is_repeatable():
    text = "a red bird with a blue belly"
    swaps = [swap_colour(text, variant) for variant in range(20)]
    assert len(set(swaps)) > 5
    assert swaps[3] == swap_colour(text, 3)
    assert swap_colour(text, 0) == swap_colour(text)
