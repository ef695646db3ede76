"""Corrections of one kind of error, on graphs small enough to be corrected by hand."""

import pytest

from hspcgan.pipeline.caption_parser import error_kinds
from hspcgan.pipeline.graphs.score import WordNet

GOLD = {("man", "on", "horse"), ("horse", "is", "brown"), ("field", "have", "horse"), ("stop sign",)}


@pytest.mark.parametrize(
    ("kind", "ours", "corrected"),
    [
        ("names", {("sign", "is", "red")}, {("stop sign", "is", "red")}),
        ("names", {("man", "on", "sign")}, {("man", "on", "stop sign")}),
        ("wording", {("man", "ride", "horse")}, {("man", "on", "horse")}),
        ("wording", {("horse", "in", "field")}, {("field", "have", "horse")}),
        ("attachment", {("man", "sit on", "bench")}, {("man", "on", "horse")}),
        ("attachment", {("man", "near", "bench")}, {("man", "near", "bench")}),
        ("missing_relations", {("man",), ("horse",)}, {("man",), ("horse",), ("man", "on", "horse")}),
        ("missing_relations", {("man", "near", "horse")}, {("man", "near", "horse")}),
        ("attributes", {("man", "is", "brown"), ("horse",)}, {("horse", "is", "brown"), ("horse",)}),
        ("additional", {("man", "near", "tree"), ("horse", "is", "brown")}, {("man",), ("horse", "is", "brown")}),
    ],
)
def test_one_kind_of_error_is_corrected(kind, ours, corrected):
    assert getattr(error_kinds, kind)(ours, GOLD) == corrected


def test_scores_rise_with_corrections():
    ours = {("man", "ride", "horse"), ("sign", "is", "red")}
    found = error_kinds.scores([(ours, GOLD)], WordNet())
    assert found["nothing"] == (pytest.approx(100 * 2 * 2 / (5 + 7)), 0)  # man, horse of 5 and 7 propositions
    assert found["wording of relations"][0] == pytest.approx(100 * 2 * 3 / (5 + 7))
    assert found["all"][0] > found["names, wording, attachment"][0]
