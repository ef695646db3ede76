"""sng_parser's graph from batched Docs, and how it is laid over the concept sets."""

import json

import pytest

from hspcgan.pipeline.concepts import Attribute, Concepts, Entity, ParseConfig, Parser, Relation
from hspcgan.pipeline.concepts.annotate.spacy import installed_model, load_spacy
from hspcgan.pipeline.concepts.annotate.to_ud import to_ud
from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.extract import align_sng_graph

CAPTIONS = [
    "A woman is playing the piano,",
    "A large yellow bird with a blue belly is perched on a branch.",
    "The piano is played by a woman in the room.",
    "A piano next to a woman standing in front of a window",
    "a man and a woman sit on a bench and a chair",
    "A group of people walking up a hill with their two dogs",
    "There is a red flower under the bird that it looks at",
    "A man looks after a black and white cat",
    "yellow",
]


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


def test_batched_docs_give_the_graphs_of_the_library_called_text_by_text():
    import sng_parser

    alone = sng_parser.Parser("spacy", model=installed_model())
    docs = list(load_spacy(installed_model()).pipe(CAPTIONS, batch_size=4))
    assert [align_sng_graph.raw_graph(doc) for doc in docs] == [alone.parse(text) for text in CAPTIONS]


def lay_over(parser: Parser, text: str, concepts: Concepts) -> Concepts:
    doc = parser.nlp(text)
    return align_sng_graph.with_graph(concepts, doc, to_ud(ParseEdit.of_doc(doc)))


TEXT = "A woman is playing the old piano."
WOMAN, PIANO = Entity("woman", "woman", 2, 7, 1), Entity("piano", "piano", 27, 32, 6)


def test_a_missing_end_is_taken_from_the_graph_by_character_span(parser):
    given = Concepts([WOMAN, PIANO], [Attribute("old", -1, 5)], [Relation("play", 0, -1, 3)])
    found = lay_over(parser, TEXT, given)
    assert found.relations == [Relation("play", 0, 1, 3)]
    assert found.attributes == [Attribute("old", 1, 5)]
    assert found.notes == {
        "entities_unaligned": 0,
        "edges_unaligned": 0,
        "edges_filled": 1,
        "edges_agreed": 0,
        "edges_graph_only": 0,
        "edges_rules_only": 0,
    }


def test_rules_edges_stand_and_differences_are_counted(parser):
    given = Concepts([WOMAN, PIANO], [Attribute("old", 0, 5)], [Relation("play", 0, 1, 3)])
    found = lay_over(parser, TEXT, given)
    assert (found.relations, found.attributes) == (given.relations, given.attributes)
    assert (found.notes["edges_agreed"], found.notes["edges_filled"]) == (1, 0)
    assert lay_over(parser, TEXT, Concepts([WOMAN, PIANO])).notes["edges_graph_only"] == 1
    reads = Concepts([WOMAN, PIANO], [], [Relation("hear", 0, -1, 3)])
    assert lay_over(parser, TEXT, reads).relations == reads.relations


def test_what_cannot_be_aligned_is_counted(parser):
    found = lay_over(parser, TEXT, Concepts([WOMAN]))
    assert (found.notes["entities_unaligned"], found.notes["edges_unaligned"]) == (1, 1)


def test_relations_of_the_rules_alone_are_counted(parser):
    text = "a man's hat"
    concepts = parser.parse([text])[0]
    assert [(r.text, r.subject, r.object) for r in concepts.relations] == [("have", 0, 1)]
    assert concepts.notes["edges_rules_only"] == 1


def test_a_noun_of_quantity_is_aligned_with_the_thing_counted(parser):
    concepts = parser.parse(["A group of people walking up a hill"])[0]
    assert [e.head for e in concepts.entities] == ["people", "hill"]
    assert concepts.notes["entities_unaligned"] == 0


def test_the_drawing_repeats_the_edges_and_is_plain_json(parser):
    text = "a large yellow bird with a blue belly is perched on a branch"
    graph = parser.parse([text])[0].graph
    assert json.loads(json.dumps(graph)) == graph
    assert graph == {
        "entities": [
            {"head": "bird", "attributes": ["large", "yellow"], "start": 15, "end": 19},
            {"head": "belly", "attributes": ["blue"], "start": 32, "end": 37},
            {"head": "branch", "attributes": [], "start": 54, "end": 60},
        ],
        "relations": [[0, "with", 1], [0, "perch on", 2]],
    }


def test_without_entities_the_noun_chunks_are_taken_and_the_caption_counts_as_empty(parser):
    concepts = align_sng_graph.from_noun_chunks(parser.nlp("They see a red bird on the roof"))
    assert [(e.head, e.start, e.end, e.word) for e in concepts.entities] == [("bird", 15, 19, 4), ("roof", 27, 31, 7)]
    assert concepts.empty
    assert parser.parse(["it is there"])[0].empty
    assert not parser.parse(["a bird"])[0].empty


def test_a_caption_of_one_colour_still_has_something_to_encode(parser):
    concepts = parser.parse(["yellow"])[0]
    assert concepts.empty
    assert [e.text for e in concepts.entities] == ["yellow"]
