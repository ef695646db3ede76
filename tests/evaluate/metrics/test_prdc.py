"""Precision, recall, density and coverage against the definitions, written out point by point."""

import tracemalloc

import numpy as np
import pytest

from hspcgan.evaluate.metrics import prdc
from hspcgan.evaluate.metrics.base import MetricInput


def by_definition(drawn, real, k):
    """Naeem et al. 2020, equations 2 to 6, in loops."""
    length = lambda x, y: float(np.sqrt(((x - y) ** 2).sum()))  # noqa: E731
    radius = lambda x, points: sorted(length(x, y) for y in points if y is not x)[k - 1]  # noqa: E731
    real_radius, drawn_radius = [radius(x, real) for x in real], [radius(y, drawn) for y in drawn]
    inside = [[length(y, x) < r for x, r in zip(real, real_radius, strict=True)] for y in drawn]
    precision = np.mean([any(row) for row in inside])
    density = np.mean([sum(row) / k for row in inside])
    recall = np.mean([any(length(x, y) < r for y, r in zip(drawn, drawn_radius, strict=True)) for x in real])
    coverage = np.mean([any(row[i] for row in inside) for i in range(len(real))])
    return precision, recall, density, coverage


@pytest.mark.parametrize(("n", "r", "shift"), [(30, 30, 0.0), (25, 40, 1.0), (40, 25, 3.0)])
def test_all_four_equal_their_definitions(n, r, shift):
    draw = np.random.default_rng(n)
    drawn = list(draw.normal(shift, 1, size=(n, 3)).astype(np.float32))
    real = list(draw.normal(size=(r, 3)).astype(np.float32))
    seen = MetricInput(np.stack(drawn), ["a"] * n, np.stack(real))
    got = [metric(seen)[0].value for metric in (prdc.precision, prdc.recall, prdc.density, prdc.coverage)]
    assert got == pytest.approx(by_definition(drawn, real, prdc.K))


def test_the_same_set_covers_itself_and_a_far_one_covers_nothing():
    rows = np.random.default_rng(0).normal(size=(50, 4))
    same = MetricInput(rows, ["a"] * 50, rows)
    assert [metric(same)[0].value for metric in (prdc.precision, prdc.recall, prdc.coverage)] == [1, 1, 1]
    far = MetricInput(rows + 100, ["a"] * 50, rows)
    assert [metric(far)[0].value for metric in (prdc.precision, prdc.recall, prdc.coverage)] == [0, 0, 0]


def test_blocks_of_rows_give_the_same(monkeypatch):
    draw = np.random.default_rng(5)
    drawn, real = draw.normal(size=(30, 3)), draw.normal(size=(33, 3))
    whole = prdc.compare(drawn, real)
    monkeypatch.setattr(prdc, "BLOCK", 7)
    for name, values in prdc.compare(drawn, real).items():
        np.testing.assert_array_equal(values, whole[name], name)


def test_memory_is_that_of_a_block_of_rows_not_of_all_distances():
    points = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    tracemalloc.start()
    try:
        prdc.compare(points, points + 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * 8 * 4000**2  # all distances in float64: 128 MB


def test_values_of_real_images_are_no_values_of_captions():
    rows = np.random.default_rng(0).normal(size=(20, 2))
    seen = MetricInput(rows, ["a"] * 20, rows)
    assert not prdc.recall(seen)[0].rows
    assert len(prdc.precision(seen)[0].rows) == 20
