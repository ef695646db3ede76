"""A study's statistics against scipy's and by hand."""

import numpy as np
import pytest
from scipy import stats

from hspcgan.train.study import statistics
from hspcgan.train.study.statistics import Estimate, by_count, by_interval, combine_verdicts, not_worse


@pytest.mark.parametrize("n", [2, 6, 9])
def test_the_paired_interval_is_scipys(n):
    draw = np.random.default_rng(n)
    a, b = draw.normal(0.3, 1, n), draw.normal(0, 1, n)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    found = statistics.estimate(list(a - b), 0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.mean, found.n) == (pytest.approx((a - b).mean()), n)


@pytest.mark.parametrize("n", [3, 6, 8])
def test_the_sign_flip_test_is_scipys_permutation_test(n):
    draw = np.random.default_rng(n)
    for shift in (-0.5, 0.0, 0.8):
        differences = draw.normal(shift, 1, n)
        expected = stats.permutation_test(
            (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
        )
        assert statistics.sign_flip_p(list(differences)) == pytest.approx(expected.pvalue)


def test_the_smallest_p_of_six_pairs_is_one_in_64_also_with_ties():
    assert statistics.sign_flip_p([0.1, 0.2, 0.3, 0.1, 0.2, 0.3]) == 1 / 64
    assert statistics.sign_flip_p([0.0] * 6) == 1.0


def test_the_binomial_test_is_scipys():
    for successes in range(7):
        expected = stats.binomtest(successes, 6, 0.5, alternative="greater").pvalue
        assert statistics.binomial_p(successes, 6) == pytest.approx(expected)


def test_one_value_has_no_interval_and_none_no_mean():
    assert np.isnan(statistics.estimate([1.0]).low)
    assert np.isnan(statistics.estimate([]).mean)
    assert statistics.estimate([]).as_json() == {"mean": None, "low": None, "high": None, "n": 0}


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.1, 0.5, 0.0, "held"),
        (0.001, 0.005, 0.01, "held"),  # small, but surely better
        (-0.5, -0.1, 0.0, "not held"),
        (-0.005, 0.005, 0.01, "not held"),  # surely too small to matter
        (-0.1, 0.5, 0.01, "undecided"),
        (-0.01, 0.01, 0.01, "undecided"),  # ends on the margin
    ],
)
def test_verdicts_of_intervals(low, high, margin, verdict):
    assert by_interval(Estimate((low + high) / 2, low, high, 6), margin) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.5, 3, "held"), (-3, -1.5, "not held"), (-1.5, 0.5, "undecided")]
)
def test_not_worse_by_more_than_a_margin(low, high, verdict):
    assert not_worse(Estimate(0.0, low, high, 6), 1.0) == verdict


def test_counts_of_six_decide_only_when_all_agree():
    assert [by_count(k, 6) for k in range(7)] == ["not held", *["undecided"] * 5, "held"]
    assert by_count(0, 0) == "undecided"


def test_an_estimate_without_interval_is_undecided():
    assert by_interval(statistics.estimate([1.0])) == "undecided"


def test_a_claim_of_several_parts_holds_only_as_a_whole():
    assert combine_verdicts(["held", "held"]) == "held"
    assert combine_verdicts(["held", "undecided"]) == "undecided"
    assert combine_verdicts(["undecided", "not held"]) == "not held"
    assert combine_verdicts([]) == "undecided"
