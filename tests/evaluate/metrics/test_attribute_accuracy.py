"""Wrong versions of captions by hand; accuracy against a scorer that reads words, whose answers can be counted."""

import re

import numpy as np
import pytest

from hspcgan.evaluate.metrics import attribute_accuracy as attributes
from hspcgan.evaluate.metrics.base import MetricInput


def versions(text: str, kind: str) -> list[list[str]]:
    return [thing.wrong for thing in attributes.named_attributes(text) if thing.kind == kind]


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
    assert list(attributes.named_attributes("two dogs play in a field")) == []
    assert [(thing.kind, thing.word) for thing in attributes.named_attributes("a red bird")] == [("colour", "red")]


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


def seen(shown: list[str], captions: list[str]) -> MetricInput:
    """Images that show these words, one for each caption."""
    images = bag_of_words(shown)
    return MetricInput(images, captions, images, bag_of_words)


CAPTIONS = ["a small red bird", "a small red bird", "a large blue bird flies in the sky", "two dogs"]
SHOWN = ["small red", "large red", "large red grass", "sky"]


def test_accuracy_counts_the_right_choices(monkeypatch):
    monkeypatch.setattr(attributes, "BLOCK", 2)  # captions in two blocks
    found = {one.part: one for one in attributes.attribute_accuracy(seen(SHOWN, CAPTIONS))}
    values = {part: (one.value, one.n) for part, one in found.items()}
    assert values == {"colour": (pytest.approx(2 / 3), 3), "size": (pytest.approx(2 / 3), 3), "place": (0.0, 1)}
    assert found["size"].rows == {0: 1, 1: 0, 2: 1}
    (captions,) = attributes.caption_accuracy(seen(SHOWN, CAPTIONS))
    assert captions.rows == {0: 1, 1: 0, 2: 0}  # the last caption names nothing
    assert captions.value == pytest.approx(1 / 3)


def test_each_choice_is_kept_with_its_word():
    kept = attributes.attribute_accuracy(seen(SHOWN, CAPTIONS))[0].details["attributes"]
    assert kept[1] == [
        {"kind": "colour", "word": "red", "right": True},
        {"kind": "size", "word": "small", "right": False},
    ]
    assert [one["word"] for one in kept[2]] == ["blue", "large", "sky"]
    assert 3 not in kept


def test_a_caption_that_names_two_colours_has_the_share_of_right_ones_as_its_row():
    (colour,) = attributes.attribute_accuracy(seen(["red"], ["a red bird with blue wings"]))
    # "a blue bird with blue wings" and "a red bird with red wings" name one colour alone; the image shows red.
    assert (colour.value, colour.n, colour.rows) == (0.5, 2, {0: 0.5})


def test_an_image_that_fits_a_wrong_version_as_well_is_not_right():
    (size,) = attributes.attribute_accuracy(
        MetricInput(np.ones((1, len(WORDS))), ["a small bird"], np.eye(2), bag_of_words)
    )
    assert (size.value, size.n) == (0, 1)
