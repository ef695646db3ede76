"""Kept scores of an evaluation that are damaged: computed again, and logged."""

import json

import numpy as np
import pytest

from hspcgan.evaluate.metrics.base import Measurement
from hspcgan.evaluate.scored.score_store import ScoreStore

SCORE = Measurement(
    0.5, 3, 0.1, float("nan"), 0.7, "place", {0: 0.25, 2: 1.0},
    {"rank": {0: 1}, "attributes": {2: [{"kind": "place", "word": "sky", "right": True}]}},
)  # fmt: skip
DAMAGES: dict[str, tuple[str, object]] = {
    "value nan": ("value", float("nan")), "value null": ("value", None), "value text": ("value", "high"), "value infinite": ("value", float("inf")), "value huge": ("value", 1e308),
    "low infinite": ("low", float("-inf")), "n negative": ("n", -1), "n text": ("n", "x"), "part": ("part", 5), "row nan": ("rows", {"0": float("nan")}), "row null": ("rows", {"0": None}),
    "row name": ("rows", {"x": 1.0}), "row negative": ("rows", {"-1": 1.0}), "row beyond": ("rows", {"3": 1.0}), "rows list": ("rows", [1.0]), "rank nan": ("details", {"rank": {"0": float("nan")}}),
    "details list": ("details", {"rank": [1]}), "details beyond": ("details", {"rank": {"7": 1}}), "attributes": ("details", {"attributes": {"0": [{"kind": "place"}]}}), "unknown": ("more", 1),
}  # fmt: skip


def assert_same(found: list[Measurement]) -> None:
    (one,) = found
    assert repr(one) == repr(SCORE)  # also for nan


@pytest.mark.parametrize("name", [*DAMAGES, "object", "cut", "brackets", "null"])
def test_kept_scores_that_are_damaged_are_computed_again_and_logged(tmp_path, caplog, name):
    store, measured = ScoreStore(tmp_path, captions=3), []

    def measure():
        measured.append(1)
        return [SCORE]

    assert_same(store.of("k" * 64, measure))
    assert_same(store.of("k" * 64, measure))
    (path,) = (tmp_path / "scores").iterdir()
    (plain,) = json.loads(path.read_text())
    if name in DAMAGES:
        key, value = DAMAGES[name]
        path.write_text(json.dumps([{**plain, key: value}]))
    else:
        path.write_text({"object": "{}", "cut": "[{", "brackets": "[" * 100_000, "null": "null"}.get(name, ""))
    for _ in range(2):
        assert_same(store.of("k" * 64, measure))
    assert len(measured) == 2
    assert caplog.messages == [f"{path} is damaged; computing its content again"]


def test_a_score_that_is_not_a_number_is_not_kept(tmp_path):
    store = ScoreStore(tmp_path, captions=3)
    (found,) = store.of("k" * 64, lambda: [Measurement(float("nan"), 3, 0.1, 0.2, 0.3)])
    assert np.isnan(found.value)
    assert not (tmp_path / "scores").exists()
