"""Random words on random trees: the rules of both annotators end, make no cycle and refer to words that exist."""

import random

import pytest
from helpers.corpus import bounded
from spacy.tokens import Doc

from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.annotate.to_ud import LABELS, to_ud
from hspcgan.pipeline.concepts.concept_types import Token
from hspcgan.pipeline.concepts.extract.align_sng_graph import with_graph
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.factual.to_tuples import tuples
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.rules import repair

LISTS = ("colours", "body_parts", "clothes", "persons", "posture_verbs", "quantity_nouns", "place_nouns", "positions")
WORDS = """a the his its whose that which this it they he she someone no one of to from with in on at by near beside next front side top
 close up - , . and or not 's ' " is are has there say sign photo black white back upside-down wearing worn holding hand made sitting
 flies colored sized haired left distance take two 5 none both after than ( | \u200d 🐦 鸟 İ"""
TAGS = {"DET": "DT PDT", "NOUN": "NN NNS", "PROPN": "NNP", "VERB": "VB VBG VBN VBZ VBD", "ADJ": "JJ", "ADP": "IN", "PRON": "PRP WDT PRP$",
        "AUX": "VBZ VBP", "CCONJ": "CC", "ADV": "RB", "PUNCT": ". , HYPH", "NUM": "CD", "PART": "POS TO", "X": "XX"}  # fmt: skip
UD = sorted(
    {
        *LABELS.values(),
        "nmod",
        "obl",
        "obl:npmod",
        "acl",
        "acl:relcl",
        "conj",
        "cop",
        "cc",
        "compound",
        "fixed",
        "flat",
        "nummod",
    }
)
TREES = 300


@pytest.fixture(scope="module")
def parser() -> Parser:
    made = Parser(ParseConfig())
    made.load()
    return made


def heads(draw: random.Random, count: int) -> list[int]:
    """A head for each word, itself for a root: a chain, a star or any other tree, or several trees."""
    order = draw.sample(range(count), count)
    kind, roots = draw.choice(["chain", "star", "any"]), draw.choice([0, 0, 0.2])
    found = list(range(count))
    for at, word in enumerate(order[1:], 1):
        if draw.random() >= roots:
            found[word] = {"chain": order[at - 1], "star": order[0], "any": draw.choice(order[:at])}[kind]
    return found


def check(tokens: list[Token], doc: Doc) -> None:
    """The heads of the tokens have no cycle, and the concepts refer to entities and words that exist."""
    for token in tokens:
        above = 0
        while token.head >= 0:
            token, above = tokens[token.head], above + 1
            assert above <= len(tokens), "a cycle"
    found = with_graph(concepts_from_tokens(tokens), doc, tokens)
    for item in (*found.entities, *found.attributes, *found.relations):
        assert item.text.strip()
        assert 0 <= item.word < len(tokens)
    ends = [a.entity for a in found.attributes] + [end for r in found.relations for end in (r.subject, r.object)]
    assert all(-1 <= end < len(found.entities) for end in ends)
    assert all(0 <= one.start < one.end <= len(doc.text) for one in found.entities)
    tuples(found, tokens)


@pytest.mark.parametrize("seed", range(3))
def test_rules_end_and_refer_to_words_on_any_tree(parser, seed):
    draw = random.Random(seed)
    common = WORDS.split()
    words = [*common, *(word for name in LISTS for word in sorted(lexicon(name)))]
    labels = parser.nlp.get_pipe("parser").labels
    with bounded():
        for _ in range(TREES):
            count = draw.choice([1, 2, 3, 5, 8, 12, 20, 40])
            texts = [draw.choice(common if draw.random() < 0.6 else words) for _ in range(count)]
            pos = draw.choices(list(TAGS), k=count)
            tags = [draw.choice(TAGS[one].split()) for one in pos]
            lemmas = ["be" if text in ("is", "are") else text.removesuffix("ing").lower() for text in texts]
            few = draw.sample(labels, draw.choice([2, 5, len(labels)]))
            above = heads(draw, count)
            deps = ["ROOT" if head == i else draw.choice(few) for i, head in enumerate(above)]
            doc = Doc(
                parser.nlp.vocab,
                words=texts,
                spaces=[draw.random() < 0.8 for _ in texts],
                tags=tags,
                pos=pos,
                lemmas=lemmas,
                heads=above,
                deps=deps,
            )
            merged = doc.copy()
            check(to_ud(repair(merged)), merged)
            few = draw.sample(UD, draw.choice([2, 5, len(UD)]))
            check(
                [
                    Token(text=t.text, lemma=t.lemma_, upos=t.pos_, xpos=t.tag_, head=-1 if head == i else head,
                          deprel="root" if head == i else draw.choice(few), start=t.idx, end=t.idx + len(t.text))
                    for i, (t, head) in enumerate(zip(doc, heads(draw, count), strict=True))
                ],
                doc,
            )  # fmt: skip
