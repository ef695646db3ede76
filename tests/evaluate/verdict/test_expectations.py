"""Bounds of a manifest against measured figures."""

import json

import pytest
from pydantic import ValidationError

from hspcgan.evaluate.config import Bound, EvaluateConfig
from hspcgan.evaluate.results.figure_names import Figure
from hspcgan.evaluate.results.terminal_text import published
from hspcgan.evaluate.verdict.expectations import judge, verdict_table
from hspcgan.model.common.errors import UserError


def figure(name: str, value: float, se: float = 0.5) -> Figure:
    return Figure(name, name.split("/")[0], "", name.split("/")[1], value, se, value - se, value + se, 5, "lower")


FIGURES = [figure("fid/held-out-clip/n5/test/0a", 12.0), figure("fid/trainer-clip/n5/test/0b", 9.0),
           figure("clip_score/held-out-clip/n5/test/0a", 0.6)]  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "passed"),
    [({"max": 12.0}, True), ({"max": 11.9}, False), ({"min": 12.0}, True), ({"min": 12.1}, False),
     ({"min": 11, "max": 13}, True), ({"value": 11, "abs": 1}, True), ({"value": 10.9, "abs": 1}, False),
     ({"value": 10, "rel": 0.2}, True), ({"value": 10, "rel": 0.19}, False), ({"value": 10.5, "se": 3}, True),
     ({"value": 10.4, "se": 3}, False), ({"value": 12, "abs": 9, "max": 11}, False)],
)  # fmt: skip
def test_bounds_include_their_ends(bound, passed):
    (verdict,) = judge(FIGURES, {"fid/held-out-clip": Bound(**bound)})
    assert verdict.passed is passed
    assert verdict.got == 12.0
    assert verdict.name == "fid/held-out-clip/n5/test/0a"


def test_a_negative_value_has_a_relative_tolerance_on_both_sides():
    assert Bound(value=-10, rel=0.1).ends() == (-11, -9)


def test_a_figure_that_was_not_measured_fails():
    (verdict,) = judge(FIGURES, {"kid/held-out-clip": Bound(max=1)})
    assert not verdict.passed
    assert "not measured" in verdict_table([verdict])


def test_parts_of_a_name_match_whole_parts_only_and_one_figure_only():
    assert judge(FIGURES, {"fid/held-out": Bound(max=1)})[0].got is None
    with pytest.raises(ValueError, match="fid matches 2 metric values"):
        judge(FIGURES, {"fid": Bound(max=1)})


def test_the_table_has_got_and_expected_and_which_one_drifted():
    text = verdict_table(judge(FIGURES, {"fid/held-out-clip": Bound(max=10), "clip_score": Bound(min=0.5, max=0.7)}))
    drift, fine = text.splitlines()[1:]
    assert drift.split() == ["fid/held-out-clip/n5/test/0a", "12", "≤", "10", "DRIFT"]
    assert fine.split() == ["clip_score/held-out-clip/n5/test/0a", "0.6", "≥", "0.5", "and", "≤", "0.7", "pass"]


def test_a_value_is_shown_with_the_digits_that_decide():
    (verdict,) = judge([figure("fid/a/b", 83.6104)], {"fid/a": Bound(max=83.61)})
    assert (verdict.shown, verdict.expected, verdict.passed) == ("83.6104", "≤ 83.61", False)


def test_json_holds_numbers_and_null_for_open_ends():
    (verdict,) = judge(FIGURES, {"fid/held-out-clip": Bound(max=10)})
    expected = {"got": 12.0, "n": 5, "low": None, "high": 10.0, "passed": False, "bound": {"max": 10.0}}
    assert json.loads(json.dumps(verdict.as_json(), allow_nan=False)) == {"name": verdict.name, **expected}


@pytest.mark.parametrize(
    "bad",
    [{}, {"min": 2, "max": 1}, {"maximum": 1}, {"value": 1}, {"abs": 1}, {"value": 1, "abs": 1, "rel": 1},
     {"max": float("inf")}, {"min": float("nan")}, {"value": 1, "abs": -1}, {"value": float("inf"), "rel": 0.1}],
)  # fmt: skip
def test_a_bound_without_a_range_is_rejected(bad):
    with pytest.raises(ValidationError):
        Bound(**bad)


@pytest.mark.parametrize(
    "bad",
    [{"metrics": ["inception_score"]}, {"scorers": {"a/b": "x"}}, {"samples": 1}, {"n": 3},
     {"expect": {"fdi/held-out-clip": {"max": 1}}}, {"expect": {"shipped": {"fdi": {"max": 1}}}},
     {"expect": {"shipped": {}}}, {"checkpoints": {"a/b": "x"}}],
)  # fmt: skip
def test_a_config_with_unknown_metrics_or_keys_is_rejected(bad):
    with pytest.raises(UserError):
        EvaluateConfig(**bad)


def test_a_checkpoint_has_its_own_expectations_over_those_of_all():
    expect = {"fid/held-out-clip": {"max": 126}, "kid/held-out-clip": {"max": 1},
              "shipped": {"fid/held-out-clip": {"value": 27.8, "rel": 0.1}}}  # fmt: skip
    config = EvaluateConfig(expect=expect)
    assert config.expected_of("trained") == {"fid/held-out-clip": Bound(max=126), "kid/held-out-clip": Bound(max=1)}
    assert config.expected_of("shipped")["fid/held-out-clip"] == Bound(value=27.8, rel=0.1)


def test_published_figures_are_shown_and_never_judged():
    assert published(EvaluateConfig(published={"fid": 11.2, "clip_score": 0.316})) == [
        "published: fid 11.2, clip_score 0.316 (from other scorers, so compare trends, not values)"
    ]
    assert published(EvaluateConfig()) == []
