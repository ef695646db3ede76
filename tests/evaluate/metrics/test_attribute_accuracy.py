"""Wrong versions of captions by hand; accuracy against a scorer that reads words, whose answers can be counted."""

import re

import numpy as np
import pytest

from hspcgan.evaluate.metrics.attribute_accuracy import accuracy, wrong_versions


def versions(text: str, kind: str) -> list[list[str]]:
    return [wrong for found, wrong in wrong_versions(text) if found == kind]


def test_each_named_colour_is_asked_for_with_the_article_that_fits():
    first, second = versions("an orange bird with red wings", "colour")
    assert len(first) == len(second) == 10
    assert "a blue bird with red wings" in first
    assert "an orange bird with blue wings" in second
    assert "an orange bird with orange wings" in second
    assert versions("the wings are red", "colour")[0][0] == "the wings are black"
    assert "an orange bird" in versions("a grey bird", "colour")[0]
    assert "a gray bird" not in versions("a grey bird", "colour")[0]


@pytest.mark.parametrize(
    ("kind", "text", "wrong"),
    [
        ("size", "this small bird has a crest", ["this large bird has a crest"]),
        ("length", "a bird with a long red beak", ["a bird with a short red beak"]),
        (
            "relation",
            "there is a nest under the bird",
            ["there is a nest beside the bird", "there is a nest above the bird"],
        ),
        (
            "place",
            "a red bird is sitting on the branch and has a crest",
            [
                "a red bird stands on the grass and has a crest",
                "a red bird swims on the water and has a crest",
                "a red bird flies in the sky and has a crest",
            ],
        ),
        ("presence", "a red bird with a crest and blue wings", ["a red bird with blue wings"]),
        (
            "presence",
            "a red bird with a crest, blue wings and a long beak",
            ["a red bird with blue wings and a long beak"],
        ),
        (
            "presence",
            "a red bird with blue wings, a crest and a long beak",
            ["a red bird with blue wings and a long beak"],
        ),
        ("presence", "a red bird with blue wings and an orange collar", ["a red bird with blue wings"]),
        ("presence", "a red bird with a crest sits on a branch", ["a red bird sits on a branch"]),
        ("presence", "the small bird flies in the sky and has a crest", ["the small bird flies in the sky"]),
        ("presence", "the bird wears a red collar and has a white crown", ["the bird has a white crown"]),
        ("presence", "there is a red flower beside the large bird", ["the large bird"]),
    ],
)
def test_wrong_versions_by_hand(kind, text, wrong):
    assert versions(text, kind) == [wrong]


def test_what_a_caption_does_not_name_is_not_asked_for():
    assert list(wrong_versions("two dogs play in a field")) == []
    assert {kind for kind, _ in wrong_versions("a red bird")} == {"colour"}


def test_every_mention_of_a_thing_in_toy_captions_can_be_left_out():
    from hspcgan.pipeline.toybirds.captions import captions
    from hspcgan.pipeline.toybirds.scene import sample_scenes

    for scene in sample_scenes(150, seed=4):
        for caption in captions(scene):
            named = {word for word in ("crest", "collar", "flower", "nest") if word in re.findall(r"\w+", caption.text)}
            without = versions(caption.text, "presence")
            assert len(without) == len(named)
            assert all(len(wrong[0].split()) < len(caption.text.split()) for wrong in without)
            assert versions(caption.text, "place") if "place" in caption.facts else True


WORDS = ("small", "large", "red", "blue", "sky", "grass")


def bag_of_words(texts) -> np.ndarray:
    """Unit features that name the words of a text: the cosine is higher, the more words agree."""
    rows = np.array([[float(word in text.split()) for word in WORDS] for text in texts])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def test_accuracy_counts_the_right_choices():
    captions = ["a small red bird", "a small red bird", "a large blue bird flies in the sky"]
    shown = ["small red", "large red", "large red grass"]  # what the images show
    found = accuracy(bag_of_words(shown), captions, bag_of_words)
    assert found == {"colour": (pytest.approx(2 / 3), 3), "size": (pytest.approx(2 / 3), 3), "place": (0.0, 1)}


def test_an_image_that_fits_a_wrong_version_as_well_is_not_right():
    assert accuracy(np.ones((1, len(WORDS))), ["a small bird"], bag_of_words)["size"] == (0.0, 1)
