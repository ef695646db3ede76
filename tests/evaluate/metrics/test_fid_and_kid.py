"""Fréchet and kernel distances against closed forms and brute force."""

import itertools

import numpy as np
import pytest

from hspcgan.evaluate.metrics import fid_and_kid


def cube(scales, mean):
    """Corners of a box, 2^d rows: their covariance is exactly diagonal, with known entries."""
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=len(scales))))
    return corners * scales + mean


def test_fid_of_a_set_with_itself_is_zero():
    rows = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    assert abs(fid_and_kid.frechet(rows, rows)) < 1e-6


def test_fid_of_a_set_with_itself_is_about_zero_with_fewer_images_than_dimensions():
    rows = np.random.default_rng(0).normal(size=(20, 48)).astype(np.float32)
    assert abs(fid_and_kid.frechet(rows, rows)) < 1e-3


def test_a_singular_covariance_prints_and_warns_nothing(capsys, recwarn):
    flat = np.zeros((5, 32), np.float32)
    assert fid_and_kid.frechet(flat, flat + 1) == pytest.approx(32, abs=1e-3)  # the squared distance of the means
    assert capsys.readouterr().out == ""
    assert [one.category for one in recwarn] == []


def test_fid_equals_the_closed_form_for_diagonal_gaussians():
    s, t = np.array([1.0, 2.0, 0.5, 3.0]), np.array([2.0, 1.0, 0.5, 1.5])
    mean = np.array([0.0, 1.0, -2.0, 0.5])
    unbiased = 16 / 15  # covariance of 16 rows divides by 15
    expected = (mean**2).sum() + unbiased * ((s - t) ** 2).sum()
    assert fid_and_kid.frechet(cube(s, 0.0), cube(t, mean)) == pytest.approx(expected, abs=1e-6)


def test_fid_equals_the_trace_by_eigenvalues_for_correlated_features():
    draw = np.random.default_rng(1)
    a = draw.normal(size=(200, 6)) @ draw.normal(size=(6, 6))
    b = draw.normal(size=(150, 6)) @ draw.normal(size=(6, 6)) + 0.3
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root
    assert fid_and_kid.frechet(a, b) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_equals_a_sum_over_pairs():
    draw = np.random.default_rng(2)
    a, b = draw.normal(size=(7, 3)), draw.normal(size=(7, 3)) + 0.5
    k = lambda x, y: (x @ y / 3 + 1) ** 3  # noqa: E731
    own = sum(k(x[i], x[j]) for x in (a, b) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    cross = sum(k(x, y) for x in a for y in b) / 49
    assert fid_and_kid.kernel(a, b) == pytest.approx(own - 2 * cross)


def test_kernel_distance_is_symmetric_and_near_zero_for_two_halves_of_one_set():
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(800, 8))
    a, b = rows[:400], rows[400:]
    assert fid_and_kid.kernel(a, b) == pytest.approx(fid_and_kid.kernel(b, a))
    assert abs(fid_and_kid.kernel(a, b)) < 0.02 < fid_and_kid.kernel(a, b + 0.5)


def test_kernel_distance_of_large_sets_repeats_and_leaves_numpys_random_state_alone(monkeypatch):
    monkeypatch.setattr(fid_and_kid, "KID_SUBSET", 20)
    rows = np.random.default_rng(4).normal(size=(100, 4))
    np.random.seed(11)
    before = np.random.get_state()[1].copy()
    values = [fid_and_kid.kernel(rows[:50], rows[50:], seed=seed) for seed in (5, 5, 6)]
    assert values[0] == values[1] != values[2]
    assert (np.random.get_state()[1] == before).all()


def test_progress_is_the_share_of_the_way_from_untrained_to_the_floor():
    assert fid_and_kid.progress(untrained=100, trained=28, floor=10) == pytest.approx(0.8)
    assert fid_and_kid.progress(100, 10, 10) == 1
    assert fid_and_kid.progress(10, 5, 10) is None


@pytest.mark.parametrize(("a", "b", "message"), [((1, 4), (5, 4), "N ≥ 2"), ((5, 4), (5, 3), "4 and 3")])
def test_distances_refuse_what_has_no_covariance_or_other_dimensions(a, b, message):
    with pytest.raises(ValueError, match=message):
        fid_and_kid.frechet(np.zeros(a), np.zeros(b))


@pytest.mark.parametrize(("n", "d"), [(40, 6), (9, 6), (5, 12)])
@pytest.mark.parametrize("block", [4096, 7])
def test_distances_computed_in_blocks_are_those_of_clean_fid_on_the_whole_sets(monkeypatch, n, d, block):
    from cleanfid.fid import fid_from_feats, kernel_distance

    monkeypatch.setattr(fid_and_kid, "BLOCK", block)
    draw = np.random.default_rng(n)
    a, b = draw.normal(size=(n, d)), draw.normal(size=(n, d)) * 1.5 + 0.3
    expected = fid_from_feats(a, b)
    assert fid_and_kid.frechet(a, b) == pytest.approx(expected, rel=1e-4)
    assert fid_and_kid.frechet_fast(a, b) == pytest.approx(expected, rel=1e-4)
    whole = kernel_distance(a, b, num_subsets=1)
    assert fid_and_kid.kernel(a, b) == pytest.approx(whole, rel=1e-9)
    assert fid_and_kid.kernel_fast(a, b) == pytest.approx(whole, rel=1e-9)
