"""Edit consistency on features whose answer is known by construction."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics.base import MetricInput
from hspcgan.evaluate.metrics.edits import EditedPairs, edit_consistency

AXES = {"red": (1.0, 0, 0, 0), "green": (0, 1.0, 0, 0), "blue": (0, 0, 1.0, 0)}
OTHER = (0, 0, 0, 1.0)


def measured(before, after, pairs):
    """(followed, direction, kept) for images of these colours and edits of these words."""
    rows = lambda names: np.array([AXES.get(name, OTHER) for name in names])  # noqa: E731
    extra = {"edits": EditedPairs(rows(before), rows(after), [a for a, _ in pairs], [b for _, b in pairs])}
    seen = MetricInput(rows(["red"]), ["red"], rows(["red"]), rows, extra=extra)
    return {one.part: one.value for one in edit_consistency(seen)}


def test_images_that_follow_every_edit_score_one_and_share_nothing():
    found = measured(["red", "green"], ["green", "blue"], [("red", "green"), ("green", "blue")])
    assert found == pytest.approx({"followed": 1, "direction": 1, "kept": 0})


def test_images_that_do_not_change_follow_nothing_and_keep_all():
    found = measured(["red", "green"], ["red", "green"], [("red", "green"), ("green", "blue")])
    assert found == pytest.approx({"followed": 0, "direction": 0, "kept": 1})


def test_a_change_to_another_colour_has_half_the_direction():
    # red → blue where red → green was asked for: (−1, 0, 1)·(−1, 1, 0) / 2
    found = measured(["red"], ["blue"], [("red", "green")])
    assert found["direction"] == pytest.approx(0.5)
    assert found["followed"] == 0


# One axis for each colour of bird and beak, and one for all others.
WORDS = ("red bird", "green bird", "pink bird", "blue beak", "yellow beak", "other")


def drawn(*shown):
    return [float(word in shown) for word in WORDS]


def read(texts):
    shown = [tuple(word for word in WORDS if word in text) for text in texts]
    return np.array([drawn(*words) if len(words) == 2 else drawn(*words, "other") for words in shown])


@pytest.mark.parametrize(
    ("after", "stayed"),
    [
        (drawn("green bird", "blue beak"), 1),  # followed, the beak as before
        (drawn("pink bird", "blue beak"), 1),  # not followed, but what was not edited is as before
        (drawn("green bird", "yellow beak"), 0),  # followed, and the beak changed with it
    ],
)
def test_what_was_not_edited_stays_or_does_not(after, stayed):
    pairs = EditedPairs(
        np.array([drawn("red bird", "blue beak")]),
        np.array([after]),
        ["a red bird with a blue beak"],
        ["a green bird with a blue beak"],
    )
    found = edit_consistency(MetricInput(np.eye(6), ["a"] * 6, np.eye(6), read, extra={"edits": pairs}))
    assert {one.part: one.value for one in found}["stayed"] == stayed


def test_edits_of_captions_that_name_nothing_else_do_not_count():
    assert "stayed" not in measured(["red"], ["green"], [("red", "green")])


def test_without_edits_nothing_is_measured():
    assert edit_consistency(MetricInput(np.eye(2), ["a", "b"], np.eye(2), lambda texts: np.eye(2))) == []
