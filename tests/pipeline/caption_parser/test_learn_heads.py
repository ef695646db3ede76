"""Learned heads of phrases: the examples from labels and graphs, and the weights that a regression gives them."""

import json

import numpy as np
import pytest
from helpers.concepts import spoken

from hspcgan.pipeline.caption_parser import learn_heads
from hspcgan.pipeline.caption_parser.learn_heads import Example, accuracy, fitted
from hspcgan.pipeline.concepts import ParseConfig, Parser

MADE = [line.split(" → ") for line in learn_heads.EXAMPLES.read_text("utf8").splitlines()]


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


@pytest.mark.parametrize(("caption", "relations"), MADE, ids=[caption for caption, _ in MADE])
def test_made_sentences_are_read_as_they_say(parser, caption, relations):
    found = spoken(parser.parse([caption])[0])["relations"]
    for text, ends in (relation.split(" (") for relation in relations.split("), ")):
        assert any(one.startswith(text) and one.endswith(ends.rstrip(")") + ")") for one in found), found


def test_labels_contain_positions_only():
    for line in learn_heads.LABELS.read_text("utf8").splitlines():
        caption, word, nouns = line.split("\t")
        assert all(int(noun) < int(word) for noun in nouns.split(","))
        assert caption.isdecimal()


def test_a_label_names_the_right_candidates_of_a_phrase(tmp_path, monkeypatch):
    caption = "a dog on a bed with a ball"
    monkeypatch.setattr(learn_heads, "LABELS", tmp_path / "labels.tsv")
    learn_heads.LABELS.write_text(f"7\t{caption.index('ball')}\t{caption.index('dog')}\n8\t3\t0\n")
    (tmp_path / "coco.json").write_text(json.dumps({"annotations": [{"id": 7, "caption": caption}]}))
    (found,) = learn_heads.from_labels(tmp_path / "coco.json")
    assert found.right == {0}
    assert [any(f.startswith("dog ") for f in features) for features in found.candidates] == [True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"annotations": [{"caption": "a bird"}]}',
            r"not COCO's captions.*:\n  annotations\.0\.id: is missing",
        ),
        ("[]", r"not COCO's captions_val2017\.json:"),
        (
            '{"annotations": []}',
            r"coco\.json has no caption that heads\.tsv labels; give COCO's captions_val",
        ),
    ],
)
def test_a_file_that_is_not_cocos_is_refused(tmp_path, content, message):
    (tmp_path / "coco.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        learn_heads.from_labels(tmp_path / "coco.json")


def test_the_gold_graph_names_the_right_candidate():
    row = ("a boy near a table holding a cup", [["boy", "hold", "cup"], ["boy", "near", "table"]])
    (found,) = learn_heads.from_gold([row])
    assert found.right == {0}
    assert len(found.candidates) == 2


def test_relations_are_compared_with_random_nouns():
    rows = [("", [["man", "wear", "hat"], ["cat", "sit on", "mat"], ["mat", "is", "red"]])] * 20
    found = list(learn_heads.from_relations(rows))
    assert all(example.right == {0} and len(example.candidates) == 2 for example in found)
    firsts = {example.candidates[0][1] for example in found}
    assert firsts == {"man wear", "cat sit", "cat on"}


def test_weights_minimize_the_penalized_loss():
    """The loss of candidates with one feature each is that of a logistic regression over their difference."""
    found = [Example((("near",), ("far",)), frozenset({0}), 0.5)] * 6
    found += [Example((("near",), ("far",)), frozenset({1}), 1.0)]
    weights = fitted(found)
    w = np.linspace(0, 2, 20001)  # by symmetry, the two weights are w and −w
    loss = 3 * np.logaddexp(0, -2 * w) + np.logaddexp(0, 2 * w) + w**2
    assert weights["near"] == pytest.approx(w[loss.argmin()], abs=1e-3)
    assert weights["far"] == pytest.approx(-w[loss.argmin()], abs=1e-3)


def test_accuracy_is_the_share_of_right_best_candidates():
    example = Example((("a",), ("b",), ()), frozenset({0, 2}), 1.0)
    assert accuracy({"a": 1.0}, [example]) == 1
    assert accuracy({"b": 1.0}, [example, example]) == 0
    assert accuracy({}, [example]) == 1
