"""Scenes of one caption: its facts hold, and what it leaves open comes as often as in all scenes that it fits."""

import numpy as np
import pytest

from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import ABSENT, sample_scenes
from hspcgan.pipeline.toybirds.scenes_of_caption import scenes_of
from hspcgan.pipeline.toybirds.weights.true_texts import Statement, truth_matrix, value_bits


def test_every_caption_is_true_of_its_scenes():
    for scene in sample_scenes(12, seed=9):
        for caption in captions(scene):
            found = scenes_of(caption.facts, 3, seed=500)
            assert len(found) == 3
            assert truth_matrix([Statement(caption.text, (caption.facts,))], value_bits(found)).all()
            assert all(one.body not in (one.belly, one.wing, one.crown) for one in found)


@pytest.mark.parametrize(
    "facts",
    [
        {"body": "red", "place": "grass"},
        {"belly": "blue", "flower_relation": "under"},
        {"collar": "pink"},
        {"nest_relation": "present"},
    ],
)
def test_scenes_are_distributed_as_those_that_the_caption_happens_to_fit(facts):
    """Against rejection alone: shares of every other field's values agree within five standard errors."""
    everything = sample_scenes(12_000, seed=77)
    rows = truth_matrix([Statement("", (facts,))], value_bits(everything))[0]
    fitting = [scene for scene, fits in zip(everything, rows, strict=True) if fits]
    drawn = scenes_of(facts, 400, seed=5)
    for name in ("body", "wing", "size", "place", "crest", "collar", "flower", "nest_relation", "second_relation"):
        for value in {getattr(scene, name) for scene in fitting}:
            here, there = ([getattr(scene, name) == value for scene in group] for group in (drawn, fitting))
            share = np.mean(here + there)
            error = np.sqrt(share * (1 - share) * (1 / len(here) + 1 / len(there)))
            assert abs(np.mean(here) - np.mean(there)) <= 5 * error, (name, value)


def test_scenes_depend_on_the_seed_alone():
    facts = {"second": "green"}
    assert scenes_of(facts, 4, seed=1) == scenes_of(facts, 4, seed=1)
    assert scenes_of(facts, 4, seed=1) != scenes_of(facts, 4, seed=2)
    assert all(scene.second == "green" and scene.second_relation != ABSENT for scene in scenes_of(facts, 4, seed=1))
