"""Bounds of a manifest against measured figures."""

import pytest
from pydantic import ValidationError

from hspcgan.evaluate.config import Bound, EvaluateConfig
from hspcgan.evaluate.expectations import verdict_table, verify
from hspcgan.evaluate.metrics.base import Figure
from hspcgan.evaluate.summary import published


def figure(name: str, value: float) -> Figure:
    return Figure(name, name.split("/")[0], name.split("/")[1], value, 5, "lower", "")


FIGURES = [figure("fid/held-out-clip/n5/test/0a", 12.0), figure("fid/trainer-clip/n5/test/0b", 9.0),
           figure("clip_score/held-out-clip/n5/test/0a", 0.6)]  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "passed"),
    [({"max": 12.0}, True), ({"max": 11.9}, False), ({"min": 12.0}, True), ({"min": 12.1}, False),
     ({"min": 11, "max": 13}, True)],
)  # fmt: skip
def test_bounds_include_their_ends(bound, passed):
    (verdict,) = verify(FIGURES, {"fid/held-out-clip": Bound(**bound)})
    assert verdict.passed is passed
    assert verdict.got == 12.0
    assert verdict.name == "fid/held-out-clip/n5/test/0a"


def test_a_figure_that_was_not_measured_fails():
    (verdict,) = verify(FIGURES, {"kid/held-out-clip": Bound(max=1)})
    assert not verdict.passed
    assert "not measured" in verdict_table([verdict])


def test_parts_of_a_name_match_whole_parts_only_and_one_figure_only():
    assert verify(FIGURES, {"fid/held-out": Bound(max=1)})[0].got is None
    with pytest.raises(ValueError, match="fid matches 2 figures"):
        verify(FIGURES, {"fid": Bound(max=1)})


def test_the_table_says_got_and_expected_and_which_one_drifted():
    text = verdict_table(verify(FIGURES, {"fid/held-out-clip": Bound(max=10), "clip_score": Bound(min=0.5, max=0.7)}))
    drift, fine = text.splitlines()[1:]
    assert drift.split() == ["fid/held-out-clip/n5/test/0a", "12", "≤", "10", "DRIFT"]
    assert fine.split() == ["clip_score/held-out-clip/n5/test/0a", "0.6", "≥", "0.5", "and", "≤", "0.7", "pass"]


@pytest.mark.parametrize("bad", [{}, {"min": 2, "max": 1}, {"maximum": 1}])
def test_a_bound_that_says_nothing_or_nonsense_is_refused(bad):
    with pytest.raises(ValidationError):
        Bound(**bad)


@pytest.mark.parametrize("bad", [{"metrics": ["inception_score"]}, {"scorers": {"a/b": "x"}}, {"samples": 1}, {"n": 3}])
def test_a_config_with_unknown_metrics_or_keys_is_refused(bad):
    with pytest.raises(ValidationError):
        EvaluateConfig(**bad)


def test_published_figures_are_shown_and_never_judged():
    assert published(EvaluateConfig(published={"fid": 11.2, "clip_score": 0.316})) == [
        "published: fid 11.2, clip_score 0.316 (by other scorers: read the trend, not the difference)"
    ]
    assert published(EvaluateConfig()) == []
