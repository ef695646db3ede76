"""Trees found by gold graphs, and the moves that lead to them."""

import pytest
from helpers.cli import hspcgan
from helpers.datasets import write

from hspcgan.pipeline.caption_parser.train_spacy import Round, average_weights, train_pipeline, without_held_out
from hspcgan.pipeline.caption_parser.trees_from_graphs import (
    WORDS,
    best_trees,
    edited_doc,
    improve_tree,
    move_word,
    score_tree,
    variants,
)
from hspcgan.pipeline.concepts.annotate import spacy_caption_weights
from hspcgan.pipeline.concepts.annotate.spacy import installed_model, load_spacy
from hspcgan.pipeline.concepts.editable_tree import ParseEdit


@pytest.fixture(scope="module")
def plain():
    return load_spacy(installed_model())


def edges(doc) -> set[tuple[str, str, str]]:
    return {(token.text, token.dep_, token.head.text) for token in doc}


SAUCER = "a cup on a saucer with a crack"


def test_a_tree_is_judged_by_the_graph_that_it_gives(plain):
    whole = score_tree(plain("a cup on a saucer"), WORDS.graph([["cup", "on", "saucer"]]))
    assert (whole.score, whole.exact) == (1.0, True)
    half = score_tree(
        plain("a cup on a saucer"), WORDS.graph([["cup", "on", "table"]])
    )  # 1 of 3 + 3 propositions, twice
    assert half.score == pytest.approx(2 / 6)
    assert not half.exact


@pytest.mark.parametrize("owner", ["cup", "saucer"])
def test_the_graph_says_to_which_noun_a_phrase_belongs(plain, owner):
    gold = WORDS.graph([["cup", "on", "saucer"], [owner, "with", "crack"]])
    found = improve_tree(plain(SAUCER), gold, moves=1)
    assert found.exact
    assert ("with", "prep", owner) in edges(found.doc)


def test_without_moves_a_tree_stays_as_it_was_read(plain):
    other = {"cup": "saucer", "saucer": "cup"}
    (read,) = (head for word, _, head in edges(plain(SAUCER)) if word == "with")
    gold = WORDS.graph([["cup", "on", "saucer"], [other[read], "with", "crack"]])
    assert not improve_tree(plain(SAUCER), gold, moves=0).exact


def test_moves_change_one_attachment_and_the_source_none(plain):
    doc = plain(SAUCER)
    before = edges(doc)
    moves = list(variants(doc))
    assert moves
    for move in moves:
        assert len(edges(move_word(doc, move)) - before) == 1
    assert edges(doc) == before


def test_later_pipelines_read_what_earlier_ones_did_not(plain):
    rows = [("a cup on a saucer", [["cup", "on", "saucer"]]), ("a cup on a saucer", [["cup", "under", "saucer"]])]
    found = best_trees([plain, plain], rows, moves=0)
    assert [scored.exact for scored in found] == [True, False]


def test_quoted_words_have_no_tag_on_which_spacy_can_be_trained(plain):
    rows = [('a sign reading "keep out" on a fence', [["sign", "read", "keep out"]]), ("a red sign", [["sign"]])]
    found = best_trees([plain], rows, moves=0)
    assert [scored.doc.text for scored in found] == ["a red sign"]


def test_the_longest_captions_and_their_repetitions_are_held_back(monkeypatch):
    monkeypatch.setattr("hspcgan.pipeline.caption_parser.train_spacy.HELD_LONG", 2)
    monkeypatch.setattr("hspcgan.pipeline.caption_parser.train_spacy.HELD_DRAWN", 3)
    rows = [(" ".join(["word"] * n) + f" {n % 7}", []) for n in range(3, 20)] * 2
    learned = without_held_out(rows)
    held = [row for row in rows if row not in learned]
    assert max(len(caption.split()) for caption, _ in held) == 20
    assert len(held) == 2 + 2 * 3  # the longest and its repetition; three others and theirs
    assert sorted(learned + held) == sorted(rows)


@pytest.mark.parametrize("name", ["caption-parser", "caption-choices", "caption-heads"])
def test_weights_are_not_trained_on_a_few_captions(tmp_path, name):
    gold = write(tmp_path / "one.csv", 'caption,scene_graph\na red bird,"( bird , is , red )"\n')
    coco = ("--coco", write(tmp_path / "coco.json", "{}")) if name == "caption-heads" else ()
    for factual, message in {
        gold: f"{gold} has 1 different caption, at least 3,001 are needed",
        tmp_path / "none.csv": "none.csv: no such file; give FACTUAL's train.csv as --factual",
        tmp_path: "a folder, expected a file; give FACTUAL's train.csv as --factual",
        "/dev/zero": "/dev/zero: a device, expected a file; give FACTUAL's train.csv as --factual",
    }.items():
        result = hspcgan("assets", "build", name, "--factual", factual, *coco, "--out", tmp_path / "out")
        assert (result.exit_code, message in result.output) == (3, True), result.output


def test_what_is_shown_often_enough_is_read_so():
    nlp = load_spacy(installed_model())
    (read,) = (head for word, _, head in edges(nlp(SAUCER)) if word == "with")
    other = {"cup": "saucer", "saucer": "cup"}[read]
    gold = WORDS.graph([["cup", "on", "saucer"], [other, "with", "crack"]])
    doc = improve_tree(nlp(SAUCER), gold, moves=1).doc
    learned = train_pipeline(nlp, [doc] * 40, Round(moves=1, worth=1.0, epochs=8, rate=1e-3))
    assert ("with", "prep", other) in edges(learned(SAUCER))


def test_the_mean_of_weights_is_taken_share_by_share(plain):
    one, other = load_spacy(installed_model()), load_spacy(installed_model())
    for pipeline, value in ((one, 1.0), (other, 3.0)):
        for _, layer, name in spacy_caption_weights.params(pipeline):
            layer.set_param(name, layer.get_param(name) * 0 + value)
    mean = average_weights([one, other], (0.25, 0.75))
    assert all((layer.get_param(name) == 2.5).all() for _, layer, name in spacy_caption_weights.params(mean))


def test_an_edit_becomes_a_doc_of_the_same_words(plain):
    doc = plain("a bird  swims")
    edit = ParseEdit.of_doc(doc)
    edit.retag(1, "NNP", "PROPN", "bird!")
    made = edited_doc(edit, doc)
    assert (made.text, made[1].tag_, made[1].lemma_) == (doc.text, "NNP", "bird!")
    assert [t.head.i for t in made] == [t.head.i for t in doc]
