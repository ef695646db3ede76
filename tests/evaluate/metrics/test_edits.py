"""Edit consistency on features whose answer is known by construction."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics.base import Seen
from hspcgan.evaluate.metrics.edits import EditedPairs, edit_consistency

AXES = {"red": (1.0, 0, 0), "green": (0, 1.0, 0), "blue": (0, 0, 1.0)}


def measured(before, after, pairs):
    """(followed, direction, kept) for images of these colours and edits of these words."""
    rows = lambda names: np.array([AXES[name] for name in names])  # noqa: E731
    extra = {"edits": EditedPairs(rows(before), rows(after), [a for a, _ in pairs], [b for _, b in pairs])}
    seen = Seen(rows(["red"]), ["red"], rows(["red"]), rows, extra=extra)
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


def test_without_edits_nothing_is_measured():
    assert edit_consistency(Seen(np.eye(2), ["a", "b"], np.eye(2), lambda texts: np.eye(2))) == []
