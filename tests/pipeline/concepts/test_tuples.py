"""FACTUAL's tuples: each convention against the caption in its docstring, and whole captions written by hand."""

import re

import pytest
from helpers.concepts import examples

from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.factual.naming import ing_form


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


def said(parser: Parser, caption: str) -> set[tuple[str, ...]]:
    return {tuple(row) for row in parser.tuples([caption])[0]}


CONVENTIONS = [(caption, result) for caption, result in examples() if result.startswith("(")]


def test_conventions_have_examples():
    assert len(CONVENTIONS) > 15


@pytest.mark.parametrize(("caption", "items"), CONVENTIONS, ids=[caption for caption, _ in CONVENTIONS])
def test_convention_says_of_its_example_what_its_docstring_says(parser, caption, items):
    wanted = {tuple(item.split(", ")) for item in re.findall(r"\(([^()]+)\)", items)}
    assert wanted
    assert wanted <= said(parser, caption)


CAPTIONS = {
    "train on tracks": {("train", "on", "tracks")},
    "giraffe eating leaves": {("giraffe", "eat", "leaves")},
    "a kite": {("kite",)},
    "there are three cats under a table": {("cats", "is", "3"), ("cats", "under", "table")},
    "the dog's ear is brown": {("dog", "have", "ear"), ("ear", "is", "brown")},
    "a flag hanging from a pole": {("flag", "hang from", "pole")},
    "a cup on top of a book": {("cup", "on top of", "book")},
    "a bird on the side of a roof": {("bird", "on side of", "roof")},
    "they are in a boat": {("people", "in", "boat")},
    "a woman in a red dress": {("woman", "wear", "dress"), ("dress", "is", "red")},
    "a leather couch": {("couch", "is", "leather")},
    "a wooded hill": {("hill", "is", "wooded")},
    "the walls are painted": {("walls", "is", "painted")},
    "the cart is gray in color": {("cart", "is", "gray")},
    "a yellow color bus": {("bus", "is", "yellow")},
    "a plate has food on it": {("food", "on", "plate")},
    "the man has a hat on .": {("man", "wear", "hat")},
    "the man has a hat on a shelf": {("man", "have", "hat"), ("hat", "on", "shelf")},
    "a girl standing next to stop sign": {("girl", "stand next to", "stop sign")},
    "two trash cans in a park": {("trash cans", "is", "2"), ("trash cans", "in", "park")},
    "a roof covered in snow": {("snow", "cover", "roof")},
    "a lake surrounded by hills": {("hills", "surround", "lake")},
    "a boy and a girl ride a bus": {("boy", "ride", "bus"), ("girl", "ride", "bus")},
    "a horse is running": {("horse", "is", "running")},
    "a field without trees": {("field",)},
    "the bird is not red": {("bird",)},
    "a bird that never flies": {("bird",)},
    "a bed not made": {("bed",)},
    "the roses are not fully opened": {("roses",)},
    "the trees do not have leaves": {("trees",)},
}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_whole_captions(parser, caption):
    assert said(parser, caption) == CAPTIONS[caption]


FORMS = ("running", "sitting", "lying", "smiling", "seeing", "skiing", "playing", "looking", "visiting", "fixing")


@pytest.mark.parametrize(
    ("verb", "form"),
    zip(("run", "sit", "lie", "smile", "see", "ski", "play", "look", "visit", "fix"), FORMS, strict=True),
)
def test_participles_are_spelt_as_in_english(verb, form):
    assert ing_form(verb) == form


def test_tuples_of_a_caption_do_not_depend_on_its_batch(parser):
    texts = [*CAPTIONS, "", "???", "🐦"]
    assert parser.tuples(texts) == [parser.tuples([text])[0] for text in texts]


def test_an_empty_graph_falls_back_to_its_words(parser):
    assert parser.tuples(["yellow", "...", ""]) == [[["yellow"]], [], []]


def test_stanza_goes_through_the_same_rules():
    stanza = Parser(ParseConfig(annotator="stanza", model="toy-stanza"))
    assert said(stanza, "a large yellow bird with a blue belly is perched on a branch") == {
        ("bird", "is", "large"),
        ("bird", "is", "yellow"),
        ("belly", "is", "blue"),
        ("bird", "have", "belly"),
        ("bird", "perch on", "branch"),
    }
