"""Colour swaps: which words change, and the share of images that show the right colour, counted by hand."""

import pytest
from helpers.models.colour_scorer import seen

from hspcgan.evaluate.metrics.colour_swap import COLOURS, colour_swap, swap_colour


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
