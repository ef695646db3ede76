"""FACTUAL's answers: tuples out of the model's text, and their places in the caption. Needs no extra."""

import importlib.util

import pytest
from helpers.concepts import spoken

from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.annotate.spacy import load_spacy
from hspcgan.pipeline.concepts.annotate.t5 import Factual, tuples_in
from hspcgan.pipeline.concepts.factual.from_tuples import concepts_from_tuples


@pytest.fixture(scope="module")
def nlp():
    return load_spacy()


ANSWERS = {
    # as the model's page shows its output
    "( pigs, is, 2), (bags, on back of, pigs), (bags, is, 2), (pigs, fly on, sky )": (
        [["pigs", "is", "2"], ["bags", "on back of", "pigs"], ["bags", "is", "2"], ["pigs", "fly on", "sky"]],
        0,
    ),
    "( pole )": ([["pole"]], 0),
    "( monkey , v:sit next to , monkey:1 )": ([["monkey", "v:sit next to", "monkey:1"]], 0),
    "( car, pv:park, on, ground )": ([["car", "pv:park on", "ground"]], 0),
    "( a , on , b ) , ( a , on , b )": ([["a", "on", "b"]], 0),
    "( bench , is , wooden ) , ( bench , face": ([["bench", "is", "wooden"]], 1),
    "( bench , is , woo": ([], 1),
    "( a , b ) , ( c )": ([["c"]], 1),
    "( a ,  , b ) ( c , is , ! ) (_)": ([], 3),
    "( a , b , c , d , e )": ([], 1),
    "( tree ( leaf , is , green ) )": ([["leaf", "is", "green"]], 1),
    "no tuples at all": ([], 1),
    ")) , ((": ([], 0),
    "": ([], 0),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_tuples_are_read_and_malformed_pieces_counted(answer):
    assert tuples_in(answer) == ANSWERS[answer]


def places(caption, concepts):
    return [(e.head, caption[e.start : e.end], e.word) for e in concepts.entities]


# caption, tuples → entities as (head, as written, word), attributes, relations
CASES = [
    (
        "a man in a white shirt",
        [["man", "wear", "shirt"], ["shirt", "is", "white"]],
        [("man", "man", 1), ("shirt", "shirt", 5)],
        ["white (shirt)"],
        ["wear (man, shirt)"],
    ),
    (
        "Two pigs fly with 3 bags",
        [["bags", "is", "3"], ["pigs", "is", "2"], ["pigs", "with", "bags"]],
        [("pig", "pigs", 1), ("bag", "bags", 5)],
        ["two (pig)", "3 (bag)"],
        ["with (pig, bag)"],
    ),
    (  # a longer name chooses first
        "white bed spread on bed .",
        [["bed", "under", "bed spread"], ["bed spread", "is", "white"]],
        [("bed spread", "bed spread", 2), ("bed", "bed", 4)],
        ["white (bed spread)"],
        ["under (bed, bed spread)"],
    ),
    (  # nodes of one name, numbered or as the two ends of one relation
        "a red bowl beside a bowl",
        [["bowl:1", "v:stand beside", "bowl"], ["bowl", "is", "red"]],
        [("bowl", "bowl", 2), ("bowl", "bowl", 5)],
        ["red (bowl)"],
        ["stand beside (bowl, bowl)"],
    ),
    (
        "a monkey sitting next to another monkey",
        [["monkey", "sit next to", "monkey"]],
        [("monkey", "monkey", 1), ("monkey", "monkey", 6)],
        [],
        ["sit next to (monkey, monkey)"],
    ),
    (  # spelt apart; FACTUAL's spelling of "guy"; a head that is all the caption has of a name
        "a guy with a cell phone and a racket",
        [["person", "with", "cellphone"], ["person", "with", "tennis racket"]],
        [("person", "guy", 1), ("cellphone", "cell phone", 5), ("tennis racket", "racket", 8)],
        [],
        ["with (person, cellphone)", "with (person, tennis racket)"],
    ),
    ("a pole", [["pole"]], [("pole", "pole", 1)], [], []),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_tuples_find_their_places(nlp, case):
    caption, tuples, entities, attributes, relations = case
    concepts = concepts_from_tuples(tuples, nlp(caption))
    assert places(caption, concepts) == entities
    assert spoken(concepts)["attributes"] == attributes
    assert spoken(concepts)["relations"] == relations
    assert concepts.notes["factual_unlocated"] == concepts.notes["factual_dropped"] == 0
    assert not concepts.empty


def test_numbered_nodes_take_their_occurrences_in_order(nlp):
    concepts = concepts_from_tuples([["bowl:1", "beside", "bowl"]], nlp("a bowl beside a bowl"))
    assert [(r.subject, r.object) for r in concepts.relations] == [(1, 0)]


def test_what_the_caption_does_not_name_is_left_out_and_counted(nlp):
    tuples = [["lady", "wear", "hat"], ["lady", "is", "tall"], ["dog", "near", "lady"], ["unicorn"]]
    concepts = concepts_from_tuples(tuples, nlp("somebody in a hat"))
    assert spoken(concepts) == {"entities": ["hat"], "attributes": [], "relations": ["wear (–, hat)"]}
    assert concepts.notes == {"factual_unlocated": 3, "factual_dropped": 2, "factual_unworded": 1}
    assert concepts.relations[0].word == concepts.entities[0].word == 3


def test_a_relation_without_words_is_dropped_and_counted(nlp):
    concepts = concepts_from_tuples([["man", "v:", "hat"]], nlp("a man and a hat"))
    assert spoken(concepts) == {"entities": ["man", "hat"], "attributes": [], "relations": []}
    assert concepts.notes["factual_dropped"] == 1


def test_two_nodes_for_one_word_leave_one_end_open(nlp):
    concepts = concepts_from_tuples([["bus", "next to", "bus"]], nlp("two buses next to each other"))
    assert spoken(concepts)["relations"] == ["next to (bus, –)"]
    assert concepts.notes["factual_unlocated"] == 1


def test_of_a_repeated_word_the_nearest_says_it(nlp):
    tuples = [["stove", "is", "white"], ["fridge", "is", "white"], ["fridge", "on", "floor"], ["stove", "on", "table"]]
    concepts = concepts_from_tuples(tuples, nlp("white stove on table , white fridge on floor"))
    assert [(a.text, a.entity, a.word) for a in concepts.attributes] == [("white", 0, 0), ("white", 2, 5)]
    assert [(r.subject, r.object, r.word) for r in concepts.relations] == [(0, 1, 2), (2, 3, 7)]


@pytest.mark.parametrize("tuples", [[], [["unicorn"]], [["!1", "is", ":1"]], [["dog !", "on", "(,"]]])
def test_nothing_placed_is_empty(nlp, tuples):
    assert concepts_from_tuples(tuples, nlp("a red bird , ,")).empty


def test_missing_pieces_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"weights/factual is not a FACTUAL parser: no such folder.*models fetch factual"
    ):
        Factual("")
    with pytest.raises(ValueError, match="no such folder"):
        Factual(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"config\.json, model\.safetensors, tokenizer\.json or spiece\.model missing"):
        Parser(ParseConfig(annotator="factual", model=str(tmp_path))).versions()
    for name in ("config.json", "model.safetensors", "spiece.model"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[factual\]'"):
        Factual(str(tmp_path))
