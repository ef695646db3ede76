"""Toy birds: scenes, drawings, captions and what is true of them."""

from dataclasses import replace

import numpy as np
import pytest

from hspcgan.pipeline.toybirds.captions import CAPTIONS, PRESENT, captions
from hspcgan.pipeline.toybirds.draw import RGB, draw
from hspcgan.pipeline.toybirds.grammar import conllu
from hspcgan.pipeline.toybirds.scene import (
    ABSENT,
    COLOURS,
    LENGTHS,
    PARTS,
    SIZES,
    Scene,
    held_out,
    sample_scenes,
    scene_of,
    validation_scenes,
)
from hspcgan.pipeline.toybirds.weights.true_texts import (
    caption_statement,
    descriptions,
    phrases,
    truth_matrix,
    value_bits,
    without_parts,
)

SCENES = sample_scenes(300, seed=3)


def matches(facts: dict[str, str], scene: Scene) -> bool:
    """Whether all the facts hold in the scene."""
    for name, value in facts.items():
        actual = getattr(scene, name)
        if actual in (ABSENT, False) or (value != PRESENT and actual != value):
            return False
    return True


def test_a_longer_list_of_scenes_begins_with_the_shorter():
    assert sample_scenes(5, seed=3) == SCENES[:5]
    assert sample_scenes(5, seed=4) != SCENES[:5]


def test_validation_scenes_are_none_of_the_others_and_each_key_gives_its_scene_again():
    scenes, unseen = sample_scenes(40, seed=3), validation_scenes(5, seed=3)
    assert {scene.split for scene in unseen} == {"val"}
    assert not {scene.key for scene in scenes} & {scene.key for scene in unseen}
    assert all(scene_of(scene.key) == scene for scene in [*scenes, *unseen])
    with pytest.raises(ValueError, match="not the key of a toy bird"):
        scene_of("cat-0-1")


def test_held_out_pairs_of_colours_are_never_trained_on():
    pairs = {(body, belly) for body in COLOURS for belly in COLOURS if body != belly and held_out(body, belly)}
    assert 8 <= len(pairs) <= 11
    assert all(scene.split == "test" for scene in SCENES if (scene.body, scene.belly) in pairs)
    assert 0.1 < np.mean([scene.split == "test" for scene in SCENES]) < 0.3


def test_a_drawing_depends_on_the_scene_alone_and_comes_in_any_size():
    first, again, large = draw(SCENES[0], 56), draw(SCENES[0], 56), draw(SCENES[0], 224)
    assert np.array_equal(first, again)
    assert (first.size, large.size, large.mode) == ((56, 56), (224, 224), "RGB")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_drawn_in_its_colour_and_left_out_when_absent(part):
    scene = replace(
        SCENES[0], size="large", place="grass", body="white", belly="white", wing="white", crown="white", beak="white",
        collar=ABSENT, flower=ABSENT, second=ABSENT, nest_relation=ABSENT, crest=True,
    )  # fmt: skip
    purple = np.array(RGB["purple"])

    def share(picture):
        return np.mean(np.abs(np.asarray(picture).astype(int) - purple).max(axis=2) < 12)

    assert share(draw(scene, 112)) == 0
    assert share(draw(replace(scene, **{part: "purple"}), 112)) > 0.002
    assert share(draw(without_parts(replace(scene, **{part: "purple"}), [part]), 112)) == 0


def test_each_scene_has_five_true_captions_that_between_them_name_nearly_every_part():
    for scene in SCENES:
        said = captions(scene)
        assert len(said) == CAPTIONS
        assert all(matches(caption.facts, scene) for caption in said)
        named = {name for caption in said for name in caption.facts}
        assert "body" in named
        assert len(named & {"belly", "wing", "crown", "beak"}) >= 3


def test_a_caption_states_only_what_its_words_say():
    """Held against the words themselves: every colour, size and length that is spoken is a fact, and vice versa."""
    for scene in SCENES[:100]:
        for caption in captions(scene):
            telling = (*COLOURS, *SIZES, *LENGTHS)
            words = sorted(word for word in caption.text.replace(",", "").split() if word in telling)
            assert words == sorted(value for value in caption.facts.values() if value in telling)


def test_truth_agrees_with_matching_facts_one_by_one():
    scenes = [without_parts(scene, ["wing"]) if i % 3 else scene for i, scene in enumerate(SCENES[:40])]
    statements = [caption_statement(caption) for scene in SCENES[:10] for caption in captions(scene)]
    found = truth_matrix(statements, value_bits(scenes))
    for t, statement in enumerate(statements):
        for s, scene in enumerate(scenes):
            assert found[t, s] == any(matches(facts, scene) for facts in statement.alternatives)


def test_phrases_without_their_part_are_false():
    wings = next(p for p in phrases() if p.text == "a photo of a wing")
    scene = SCENES[0]
    bits = value_bits([scene, without_parts(scene, ["wing"]), without_parts(scene, ["body"])])
    assert truth_matrix([wings], bits).tolist() == [[True, False, False]]


def test_descriptions_name_each_colour_of_each_part_once_in_blocks_of_one_colour():
    texts = [statement.text for statement in descriptions()]
    assert len(texts) == len(set(texts)) == len(COLOURS) * 6
    size = len(texts) // len(COLOURS)
    assert all(colour in text for i, colour in enumerate(COLOURS) for text in texts[i * size : (i + 1) * size])


def test_gold_trees_are_trees_and_their_spans_are_the_words():
    for scene in SCENES[:100]:
        for caption in captions(scene):
            heads = [token.head for token in caption.tokens]
            assert heads.count(-1) == 1
            for token in caption.tokens:
                assert caption.text[token.start : token.end] == token.text
                seen, at = set(), token.index
                while heads[at] != -1:
                    assert at not in seen
                    seen.add(at)
                    at = heads[at]


def test_conllu_has_a_line_of_ten_columns_for_each_word():
    caption = captions(SCENES[0])[0]
    lines = conllu(caption.text, caption.tokens).strip().splitlines()
    assert lines[0] == f"# text = {caption.text}"
    assert [line.count("\t") for line in lines[1:]] == [9] * len(caption.tokens)
