"""Learned wordings: the options that gold graphs use, and the weights that a logistic regression gives them."""

import numpy as np
import pytest

from hspcgan.pipeline.caption_parser.learn_choices import Example, examples, fitted, view_of, write
from hspcgan.pipeline.caption_parser.trees_from_graphs import repaired_docs
from hspcgan.pipeline.concepts.annotate.spacy import load_spacy


@pytest.fixture(scope="module")
def nlp():
    return load_spacy()


@pytest.mark.parametrize(
    ("caption", "gold", "question", "option"),
    [
        ("a man in a shirt", [["man", "in", "shirt"]], "relation", "same"),
        ("a man in a shirt", [["man", "wear", "shirt"]], "relation", "wear"),
        ("the leg of a chair", [["chair", "have", "leg"]], "relation", "<have"),
        ("a dog sitting on a bed", [["dog", "on", "bed"]], "relation", "preposition"),
        ("a man in a shirt", [["man"], ["shirt"]], "relation", ""),
        ("a tree branch", [["tree", "have", "branch"]], "modifier", "have"),
        ("a tree branch", [["tree branch"]], "modifier", "name"),
        ("a tree branch", [["branch", "is", "tree"]], "modifier", "is"),
        ("a man with his hand in a bag", [["man", "have", "hand"], ["hand", "in", "bag"]], "owned", "have"),
        ("a man with his hand in a bag", [["hand", "in", "bag"]], "owned", "none"),
    ],
)
def test_option_of_a_phrase_in_the_gold_graph(nlp, caption, gold, question, option):
    (doc,) = repaired_docs(nlp, [caption])
    found = [e for e in examples(view_of(doc), gold) if e.question == question]
    assert option in [e.option for e in found]
    assert all(e.features for e in found)


def test_weights_minimize_the_penalized_loss():
    found = [Example("owned", ("hand",), "have")] * 6 + [Example("owned", ("hand",), "none")] * 2
    weights = {option: weight for _, option, weight in fitted(found)}
    w = np.linspace(0, 2, 20001)  # by symmetry, the two weights are w and −w
    loss = 6 * np.logaddexp(0, -2 * w) + 2 * np.logaddexp(0, 2 * w) + w**2
    assert weights["have"] == pytest.approx(w[loss.argmin()], abs=1e-3)
    assert weights["none"] == pytest.approx(-w[loss.argmin()], abs=1e-3)


def test_weights_are_written_one_per_line_without_rare_options(tmp_path):
    found = [Example("owned", ("hand",), "have")] * 9 + [Example("owned", ("hand", "long"), "none")] * 6
    found += [Example("owned", ("hand",), "wear")] * 4
    write(found, tmp_path / "choices.tsv")
    lines = [line.split("\t") for line in (tmp_path / "choices.tsv").read_text("utf8").splitlines()]
    assert {(question, option) for question, _, option, _ in lines} == {("owned", "have"), ("owned", "none")}
    assert all(len(line) == 4 and float(line[3]) for line in lines)
