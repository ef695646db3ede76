"""Standard errors and intervals against repeated sampling from known distributions, and against published numbers."""

import numpy as np
import pytest

from hspcgan.evaluate.metrics import intervals
from hspcgan.evaluate.metrics.fid_and_kid import frechet_fast, kernel_fast


def test_a_mean_has_the_standard_error_of_the_formula_and_an_interval_that_holds_the_mean():
    values = np.random.default_rng(0).normal(3, 2, size=400)
    found = intervals.mean(dict(enumerate(values)))
    assert found.se == pytest.approx(values.std(ddof=1) / 20)
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.se, rel=0.1)


def test_the_bootstrap_interval_covers_the_true_mean_as_often_as_it_says():
    draw = np.random.default_rng(1)
    found = [intervals.mean(dict(enumerate(draw.exponential(1, size=60)))) for _ in range(100)]
    covered = sum(one.low <= 1 <= one.high for one in found)
    assert 86 <= covered <= 100


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Wilson's interval as printed by Newcombe 1998, Table I, and by Brown et al. 2001
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_shares_have_wilsons_interval(right, n, low, high):
    found = intervals.share({row: row < right for row in range(n)})
    assert found.value == right / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("statistic", "most"), [(frechet_fast, None), (kernel_fast, None), (kernel_fast, 40)])
def test_the_standard_error_of_a_distance_is_the_spread_over_new_sets(statistic, most):
    draw = np.random.default_rng(2)
    values, errors = [], []
    for _ in range(60):
        a, b = draw.normal(size=(120, 4)), draw.normal(0.4, 1.2, size=(120, 4))
        found = intervals.distance(statistic(a, b), statistic, a, b, most=most)
        values.append(found.value)
        errors.append(found.se)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)


def test_halves_are_not_biased_upwards_as_a_bootstrap_is():
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(100, 8)), draw.normal(size=(100, 8))
    value = frechet_fast(a, b)
    resampled = [frechet_fast(a[draw.integers(100, size=100)], b[draw.integers(100, size=100)]) for _ in range(50)]
    found = intervals.distance(value, frechet_fast, a, b)
    assert np.mean(resampled) > value + found.se  # what the jackknife is used instead of
    assert (found.low + found.high) / 2 == pytest.approx(value)


def test_sets_too_small_for_halves_have_no_interval():
    rows = np.zeros((3, 2))
    assert np.isnan(intervals.distance(0.0, frechet_fast, rows, rows).se)
