"""The concept rules, each against the caption in its docstring, and whole captions against sets written by hand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.concepts import examples, examples_in, spoken

from hspcgan.pipeline.concepts import ParseConfig, Parser, Token, concepts_from_tokens
from hspcgan.pipeline.concepts.annotate.fingerprint_inputs import rules_code
from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.extract import concept_sets as extract_rules
from hspcgan.pipeline.concepts.extract import relations
from hspcgan.pipeline.concepts.repair import rules as repair_rules


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


# What spaCy's weights learned on captions replaced rules for.
LEARNED = (Path(__file__).parent / "learned_examples.txt").read_text("utf8").splitlines()
RULES = [(caption, result) for caption, result in examples() if not result.startswith("(")]
RULES += [tuple(line.split(" → ")) for line in LEARNED]


def test_rules_have_examples():
    assert len(RULES) > 150


@pytest.mark.parametrize(
    "rule", [*repair_rules.RULES, *extract_rules.FOLDS, *relations.RULES], ids=lambda rule: rule.__qualname__
)
def test_every_rule_has_an_example(rule):
    assert set(RULES) & set(examples_in(rule.__doc__))


def items_of(text: str) -> list[str]:
    """An item is "text" or "text (ends)"."""
    return [item.strip() for item in re.findall(r"[^,()]+ \(.*?\)|[^,()]+", text)]


@pytest.mark.parametrize(("caption", "items"), RULES, ids=[caption for caption, _ in RULES])
def test_rule_says_of_its_example_what_its_docstring_says(parser, caption, items):
    found = spoken(parser.parse([caption])[0])
    wanted = items_of(items)
    if not any("(" in item for item in wanted):
        assert wanted in (found["entities"], [text.rpartition(" (")[0] for text in found["attributes"]])
    else:
        assert set(wanted) <= {*found["attributes"], *found["relations"]}


def test_worked_example_of_the_paper(parser):
    concepts = parser.parse(["John and his wife are attending a cocktail party"])[0]
    assert [e.text for e in concepts.entities] == ["person john", "wife", "party"]
    assert [a.text for a in concepts.attributes] == ["cocktail"]
    assert list(dict.fromkeys(r.text for r in concepts.relations)) == ["and", "attend"]


CAPTIONS = {
    "a large yellow bird with a blue belly is perched on a branch": (
        ["bird", "belly", "branch"],
        ["large (bird)", "yellow (bird)", "blue (belly)"],
        ["with (bird, belly)", "perch on (bird, branch)"],
    ),
    "this small bird has red wings and a long black beak": (
        ["bird", "wing", "beak"],
        ["small (bird)", "red (wing)", "long (beak)", "black (beak)"],
        ["have (bird, wing)", "have (bird, beak)", "and (wing, beak)"],
    ),
    "a bird with a white crown swims on the water beside a purple flower": (
        ["bird", "crown", "water", "flower"],
        ["white (crown)", "purple (flower)"],
        ["with (bird, crown)", "swim on (bird, water)", "beside (bird, flower)"],
    ),
    "the belly of the yellow bird is white and its wings are red": (
        ["belly", "bird", "wing"],
        ["yellow (bird)", "white (belly)", "red (wing)"],
        ["of (belly, bird)"],
    ),
    "the small bird flies in the sky and has red wings": (
        ["bird", "sky", "wing"],
        ["small (bird)", "red (wing)"],
        ["fly in (bird, sky)", "have (bird, wing)"],
    ),
    "A bed and window in a small room.": (
        ["bed", "window", "room"],
        ["small (room)"],
        ["and (bed, window)", "in (bed, room)", "in (window, room)"],
    ),
    "THERE IS A RED FLOWER UNDER THE BIRD": (["flower", "bird"], ["red (flower)"], ["under (flower, bird)"]),
}


@pytest.mark.parametrize("caption", CAPTIONS)
def test_whole_captions(parser, caption):
    assert tuple(spoken(parser.parse([caption])[0]).values()) == CAPTIONS[caption]


# What people type: without articles and verbs, in fragments, misspelt, run together.
TELEGRAPHIC = {
    "small bird, yellow belly, short beak": (["bird", "belly", "beak"], ["small (bird)", "yellow (belly)"]),
    "black and white bird w/ long tail": (["bird", "tail"], ["black (bird)", "white (bird)", "long (tail)"]),
    "brid with a yelow belly": (["brid", "belly"], ["yelow (belly)"]),
    "RED BIRD BLACK WINGS": (["bird", "wing"], ["black (wing)"]),
    "a bird wiht red wings and a crest": (["bird", "wing", "crest"], ["red (wing)"]),
}


@pytest.mark.parametrize("caption", TELEGRAPHIC)
def test_telegraphic_and_misspelt_captions_give_something_useful(parser, caption):
    found = spoken(parser.parse([caption])[0])
    entities, attributes = TELEGRAPHIC[caption]
    assert set(entities) <= set(found["entities"])
    assert set(attributes) <= set(found["attributes"])


def test_equal_heads_are_separate_entities_with_spans_and_word_indices(parser):
    caption = "a small bird sits beside a large bird"
    first, second = parser.parse([caption])[0].entities
    assert (first.word, second.word) == (2, 7)
    assert [caption[e.start : e.end] for e in (first, second)] == ["bird", "bird"]
    assert first.start != second.start


def test_result_of_a_caption_does_not_depend_on_its_batch(parser):
    texts = [*CAPTIONS, *(caption for caption, _ in RULES), "", "x" * 300, "bird"]
    together = parser.parse(texts)
    small = Parser(ParseConfig(annotator="spacy", batch_size=3))
    small.nlp = parser.nlp
    assert small.parse(texts) == together
    assert [parser.parse([text])[0] for text in texts] == together


@pytest.mark.parametrize("text", ["", "  \n ", "!!!", "\u200b", "🐦", "is", "of of of", "طائر أحمر"])
def test_texts_without_a_caption_in_them_give_no_edges_and_no_error(parser, text):
    concepts = parser.parse([text])[0]
    assert concepts.relations == [] or all(min(r.subject, r.object) < 0 for r in concepts.relations)
    assert all(0 <= e.start < e.end <= len(text) for e in concepts.entities)


def test_white_space_is_no_word(parser):
    concepts = parser.parse(["a   red \n bird"])[0]
    assert [(e.head, e.word) for e in concepts.entities] == [("bird", 2)]


WORDS = ("birds", "in", "red", "trees")


def edited() -> ParseEdit:
    """birds ← in ← trees ← red"""
    parse = [("NOUN", -1, "ROOT"), ("ADP", 0, "prep"), ("ADJ", 3, "amod"), ("NOUN", 1, "pobj")]
    return ParseEdit(
        [Token(w, w, pos, "", head, label, 0, 1) for w, (pos, head, label) in zip(WORDS, parse, strict=True)]
    )


def test_moves_change_heads_labels_and_children_together():
    edit = edited()
    edit.attach(2, to=0, label="acl")
    assert (edit.heads[2], edit.labels[2], edit.children(0), edit.children(3)) == (0, "acl", [1, 2], [])
    edit.promote(3, over=1, label="case", moving=edit.children(1))
    assert (edit.heads[:4], edit.labels[:4]) == ([-1, 3, 0, 0], ["ROOT", "case", "acl", "prep"])
    assert (edit.children(0), edit.children(0, "acl"), edit.children(3)) == ([2, 3], [2], [1])


def test_the_promoted_word_becomes_the_root():
    edit = edited()
    edit.promote(3, over=0, label="nmod", moving=[1])
    assert edit.heads[:4] == [3, 3, 3, -1]
    assert edit.labels[:4] == ["nmod", "prep", "amod", "ROOT"]
    assert edit.children(-1) == [3]


def test_a_word_is_not_attached_to_what_is_below_it():
    edit = edited()
    edit.attach(0, to=3)
    edit.attach(1, to=2, label="acl")
    assert (edit.heads[:4], edit.labels[1]) == ([-1, 0, 3, 1], "prep")


def test_the_place_above_the_root_is_empty():
    edit = edited()
    above = edit.heads[0]
    assert (above, edit.heads[above], edit.words[above], edit.pos[above], edit.labels[above]) == (-1, -1, "", "", "")
    assert len(edit) == 4


@pytest.mark.parametrize(
    ("text", "lemma"),
    [
        ("a man riding a horse", "ride"),
        ("a man rides a horse", "ride"),
        ("a man staring at a dog", "stare"),
        ("a dog sitting on a bed", "sit"),
        ("a man eating a pizza", "eat"),
        ("a car passes a bus", "pass"),
        ("a woman visiting a zoo", "visit"),
        ("a girl swinging a bat", "swing"),
        ("a dog hopping over a fence", "hop"),
        ("a man stars in a movie", "star"),
    ],
)
def test_lemmas_keep_their_silent_e(parser, text, lemma):
    assert [t.lemma_ for t in parser.nlp(text) if t.pos_ == "VERB"] == [lemma]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a man-made lake", ["a", "man-made", "lake"]),
        ("T-shirt", ["T-shirt"]),
        ("a bird--red", ["a", "bird", "--", "red"]),
        ("a bird -red", ["a", "bird", "-red"]),
    ],
)
def test_hyphenated_words_are_one_token(parser, text, words):
    assert [t.text for t in parser.nlp(text)] == words


def test_versions_name_the_tools_models_and_rules(parser):
    assert set(parser.versions()) == {"spacy", "SceneGraphParser", "spacy_model"}
    code = rules_code("spacy")
    assert {"hspcgan.pipeline.concepts.repair.clauses", "hspcgan.pipeline.concepts.parser", "lexicon/typos.txt"} <= set(
        code
    )
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in code.values())


@pytest.mark.parametrize(
    ("annotator", "absent"),
    [
        ("spacy", ("annotate.stanza", "annotate.t5")),
        ("stanza", ("annotate.to_ud",)),
        ("factual", ("extract.relations",)),
    ],
)
def test_the_code_of_other_annotators_does_not_count(annotator, absent):
    code = rules_code(annotator)
    assert not {f"hspcgan.pipeline.concepts.{name}" for name in absent} & set(code)


def test_importing_the_parser_loads_no_nlp_library():
    heavy = "{'spacy', 'stanza', 'torch', 'sng_parser'}"
    code = f"import sys, hspcgan.pipeline.concepts; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_in_the_section_are_refused():
    with pytest.raises(ValueError, match="annotatr"):
        ParseConfig.model_validate({"annotatr": "spacy"})


def test_tokens_without_any_word_give_an_empty_concept():
    assert concepts_from_tokens([]).empty
    assert spoken(concepts_from_tokens([Token("bird", "bird", "NOUN", "NN", -1, "root", 0, 4)]))["entities"] == ["bird"]
