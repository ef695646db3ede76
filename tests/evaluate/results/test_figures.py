"""Names of figures: whatever a value depends on changes its name."""

from types import SimpleNamespace

import numpy as np
import pytest

from hspcgan.evaluate import metrics
from hspcgan.evaluate.metrics.base import Measurement, Metric
from hspcgan.evaluate.results.figure_names import figure, name_prefix

SCORER = SimpleNamespace(label="held-out-clip", sha256="0a" * 32, mode="CLIP x, read at 56 px")
SETTINGS = {"split": "test", "reference": "test", "caption": "keyed", "seed": 0}


def name(metric="fid", n=5, part="", scorer=SCORER, **settings):
    measured = Measurement(1.5, n, 0.1, 1.3, 1.7, part)
    return figure(metric, measured, scorer, SETTINGS | settings).name


def test_a_name_begins_with_what_a_reader_looks_for():
    assert name().startswith("fid/held-out-clip/n5/test/keyed/seed0/vs-test/v1-")
    assert name("clip_score").startswith("clip_score/held-out-clip/n5/test/keyed/seed0/v1-")
    assert name("edit_consistency", part="kept").startswith("edit_consistency.kept/held-out-clip/")
    assert name_prefix("fid", "a", "b") == "fid.b/a"


@pytest.mark.parametrize(
    "change",
    [{"n": 6}, {"split": "train"}, {"reference": "train"}, {"caption": "first"}, {"seed": 1}, {"part": "place"},
     {"scorer": SimpleNamespace(label="held-out-clip", sha256="0b" * 32, mode=SCORER.mode)},
     {"scorer": SimpleNamespace(label="held-out-clip", sha256=SCORER.sha256, mode="read at 64 px")}],
)  # fmt: skip
def test_whatever_the_value_depends_on_changes_the_name(change):
    assert name(**change) != name()


@pytest.mark.parametrize("change", [{"version": 2}, {"method": lambda: "another way"}])
def test_another_version_or_method_of_a_metric_changes_the_name(monkeypatch, change):
    before, entry = name(), metrics.METRICS["fid"]
    monkeypatch.setitem(metrics.METRICS, "fid", Metric(**(vars(entry) | change)))
    assert name() != before


def test_a_metric_without_a_reference_does_not_depend_on_it():
    assert name("clip_score", reference="train") == name("clip_score")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_degenerate_figures_are_rejected(value):
    with pytest.raises(ValueError, match="images or features are degenerate"):
        figure("fid", Measurement(value, 5, 0, 0, 0), SCORER, SETTINGS)


def test_every_metric_of_the_registry_is_complete():
    for entry in metrics.METRICS.values():
        assert entry.title
        assert entry.meaning
        assert entry.method()
        assert entry.show(0.5)
        assert entry.better in ("lower", "higher")
