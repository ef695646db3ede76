"""Captions joined at a noun, against trees written by hand."""

from spacy.lang.en import English
from spacy.tokens import Doc

from hspcgan.pipeline.caption_parser.long_captions import LONGEST, SHORTEST, doc_of, splices, tree_of

VOCABULARY = English().vocab
POS = {"DT": "DET", "NN": "NOUN", "NNS": "NOUN", "VBP": "VERB", "VBG": "VERB", "VBZ": "VERB", "IN": "ADP", ".": "PUNCT"}


def doc(text: str) -> Doc:
    """A Doc of "word/lemma/tag/head/label" pieces, heads by place."""
    pieces = [piece.split("/") for piece in text.split()]
    words, lemmas, tags, heads, labels = (list(column) for column in zip(*pieces, strict=True))
    pos = [POS[tag] for tag in tags]
    return Doc(VOCABULARY, words, tags=tags, pos=pos, lemmas=lemmas, heads=list(map(int, heads)), deps=labels)


BENCH = doc("a/a/DT/1/det girl/girl/NN/1/ROOT sitting/sit/VBG/1/acl on/on/IN/2/prep a/a/DT/5/det bench/bench/NN/3/pobj")
DRESS = doc("a/a/DT/1/det girl/girl/NN/1/ROOT wearing/wear/VBG/1/acl a/a/DT/4/det dress/dress/NN/2/dobj")
PARK = doc("a/a/DT/1/det bench/bench/NN/1/ROOT in/in/IN/1/prep a/a/DT/4/det park/park/NN/2/pobj")
SLEEPS = doc(
    "a/a/DT/1/det girl/girl/NN/2/nsubj sleeps/sleep/VBZ/2/ROOT on/on/IN/2/prep a/a/DT/5/det bench/bench/NN/3/pobj"
)

HAS = doc("a/a/DT/1/det dog/dog/NN/1/ROOT with/with/IN/1/prep a/a/DT/4/det tail/tail/NN/2/pobj")
CAT = doc("a/a/DT/1/det cat/cat/NN/1/ROOT")
STAND = doc("dogs/dog/NNS/1/nsubj stand/stand/VBP/1/ROOT near/near/IN/1/prep trees/tree/NNS/2/pobj")


def edges(docs: list[Doc], count: int = 60) -> dict[str, set[tuple[str, str, str]]]:
    """Each spliced caption with its (word, label, head) triples."""
    made = splices([tree_of(one) for one in docs], count, seed=1)
    found = [doc_of(tree, docs[0]) for tree in made]
    assert all(SHORTEST <= len(one) <= LONGEST for one in found)
    return {" ".join(t.text for t in one): {(t.text, t.dep_, t.head.text) for t in one} for one in found}


def test_a_participle_moves_over_a_noun_that_it_does_not_fit():
    made = edges([BENCH, DRESS, PARK])
    found = made["a girl sitting on a bench wearing a dress"]
    assert ("wearing", "acl", "girl") in found
    assert ("dress", "dobj", "wearing") in found
    assert not any("dress sitting" in caption for caption in made)


def test_a_phrase_stays_with_the_last_noun_where_it_fits_that_better():
    found = edges([BENCH, DRESS, PARK])["a girl sitting on a bench in a park"]
    assert ("in", "prep", "bench") in found


def test_a_participle_after_a_sentence_accompanies_its_verb():
    found = edges([SLEEPS, DRESS, PARK])["a girl sleeps on a bench wearing a dress"]
    assert ("wearing", "advcl", "sleeps") in found


def test_of_two_noun_phrases_each_keeps_its_own():
    found = edges([DRESS, PARK])["a bench in a park and a girl wearing a dress"]
    assert {("girl", "conj", "bench"), ("and", "cc", "bench"), ("wearing", "acl", "girl")} <= found


def test_a_list_goes_on_after_its_first_noun():
    found = edges([HAS, CAT])
    assert {("cat", "conj", "tail"), ("and", "cc", "tail")} <= found["a dog with a tail and a cat"]
    assert {("cat", "conj", "tail"), (",", "punct", "tail")} <= found["a dog with a tail , a cat and a cat"]


def test_two_nouns_take_the_place_of_a_plural():
    found = edges([STAND, CAT])["a cat and a cat stand near trees"]
    assert {("cat", "nsubj", "stand"), ("cat", "conj", "cat"), ("near", "prep", "stand")} <= found


def test_two_sentences_are_joined_at_their_verbs():
    captions = [caption for caption in edges([SLEEPS]) if caption.count("sleeps") == 2]
    assert captions == ["a girl sleeps on a bench and a girl sleeps on a bench"]


def test_the_same_seed_gives_the_same_captions():
    trees = [tree_of(one) for one in (BENCH, DRESS, PARK)]
    assert splices(trees, 20, seed=3) == splices(trees, 20, seed=3) != splices(trees, 20, seed=4)


def test_closing_punctuation_is_left_out():
    assert len(tree_of(doc("a/a/DT/1/det dog/dog/NN/1/ROOT ./././1/punct"))) == 2


def test_captions_of_several_sentences_are_left_out():
    assert tree_of(doc("dog/dog/NN/0/ROOT ./././0/punct cat/cat/NN/2/ROOT")) == ()
