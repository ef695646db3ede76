"""Fréchet and kernel distances against closed forms and brute force; Inception only where its weights are present."""

import itertools
import tempfile

import numpy as np
import pytest
import torch
from torch import nn

from hspcgan.evaluate.metrics import fid
from hspcgan.evaluate.metrics.base import ImageSet, Scored


def cube(scales, mean):
    """Corners of a box, 2^d rows: their covariance is exactly diagonal, with known entries."""
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=len(scales))))
    return corners * scales + mean


def test_fid_of_a_set_with_itself_is_zero():
    rows = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    assert abs(fid.frechet(rows, rows)) < 1e-6


def test_fid_of_a_set_with_itself_is_about_zero_with_fewer_images_than_dimensions():
    rows = np.random.default_rng(0).normal(size=(20, 48)).astype(np.float32)
    assert abs(fid.frechet(rows, rows)) < 1e-3


def test_fid_equals_the_closed_form_for_diagonal_gaussians():
    s, t = np.array([1.0, 2.0, 0.5, 3.0]), np.array([2.0, 1.0, 0.5, 1.5])
    mean = np.array([0.0, 1.0, -2.0, 0.5])
    unbiased = 16 / 15  # covariance of 16 rows divides by 15
    expected = (mean**2).sum() + unbiased * ((s - t) ** 2).sum()
    assert fid.frechet(cube(s, 0.0), cube(t, mean)) == pytest.approx(expected, abs=1e-6)


def test_fid_equals_the_trace_by_eigenvalues_for_correlated_features():
    draw = np.random.default_rng(1)
    a = draw.normal(size=(200, 6)) @ draw.normal(size=(6, 6))
    b = draw.normal(size=(150, 6)) @ draw.normal(size=(6, 6)) + 0.3
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root
    assert fid.frechet(a, b) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_equals_a_sum_over_pairs():
    draw = np.random.default_rng(2)
    a, b = draw.normal(size=(7, 3)), draw.normal(size=(7, 3)) + 0.5
    k = lambda x, y: (x @ y / 3 + 1) ** 3  # noqa: E731
    own = sum(k(x[i], x[j]) for x in (a, b) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    cross = sum(k(x, y) for x in a for y in b) / 49
    assert fid.kernel(a, b) == pytest.approx(own - 2 * cross)


def test_kernel_distance_is_symmetric_and_near_zero_for_two_halves_of_one_set():
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(800, 8))
    a, b = rows[:400], rows[400:]
    assert fid.kernel(a, b) == pytest.approx(fid.kernel(b, a))
    assert abs(fid.kernel(a, b)) < 0.02 < fid.kernel(a, b + 0.5)


def test_kernel_distance_of_large_sets_repeats_and_leaves_numpys_random_state_alone(monkeypatch):
    monkeypatch.setattr(fid, "KID_SUBSET", 20)
    rows = np.random.default_rng(4).normal(size=(100, 4))
    np.random.seed(11)
    before = np.random.get_state()[1].copy()
    values = [fid.kernel(rows[:50], rows[50:], seed=seed) for seed in (5, 5, 6)]
    assert values[0] == values[1] != values[2]
    assert (np.random.get_state()[1] == before).all()


def test_progress_is_the_share_of_the_way_from_untrained_to_the_floor():
    assert fid.progress(untrained=100, trained=28, floor=10) == pytest.approx(0.8)
    assert fid.progress(100, 10, 10) == 1
    assert fid.progress(10, 5, 10) is None


@pytest.mark.parametrize(("a", "b", "message"), [((1, 4), (5, 4), "N of 2 or more"), ((5, 4), (5, 3), "4 and 3")])
def test_distances_refuse_what_has_no_covariance_or_other_dimensions(a, b, message):
    with pytest.raises(ValueError, match=message):
        fid.frechet(np.zeros(a), np.zeros(b))


def test_sets_of_different_size_are_refused():
    scored = Scored(ImageSet(np.zeros((3, 4, 4, 3), np.uint8)), ["a"] * 3, ImageSet(np.zeros((2, 4, 4, 3), np.uint8)),
                    "test", "test", [], None, 0)  # fmt: skip
    with pytest.raises(ValueError, match="3 images against 2"):
        fid.fid(scored)


def test_inception_is_left_out_where_clean_fid_has_none_and_refused_where_the_manifest_names_a_wrong_file(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tower, line = fid.find_inception(None)
    assert tower is None
    assert str(tmp_path / "inception-2015-12-05.pt") in line
    with pytest.raises(ValueError, match="is missing"):
        fid.find_inception(str(tmp_path))
    (tmp_path / fid.INCEPTION_FILE).write_bytes(b"something else")
    with pytest.raises(ValueError, match="expected f58cb9b6"):
        fid.find_inception(None)


class Mean(nn.Module):
    """In the place of Inception's layers: 2,048 times the image's mean."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=[1, 2, 3])[:, None].repeat(1, 2048)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Mean()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_present_inception_reads_images_as_clean_fid_does(tmp_path, monkeypatch):
    from hspcgan.model.files import file_sha256

    torch.jit.script(Network()).save(str(tmp_path / fid.INCEPTION_FILE))
    monkeypatch.setattr(fid, "INCEPTION_SHA256", file_sha256(tmp_path / fid.INCEPTION_FILE))
    tower, _ = fid.find_inception(str(tmp_path), batch_size=2)
    images = np.stack([np.full((56, 40, 3), level, np.uint8) for level in (0, 128, 255)])
    features = tower.image_features(images)
    assert features.shape == (3, 2048)
    np.testing.assert_allclose(features[:, 0], [-1, 0, 127 / 128], atol=1e-5)
