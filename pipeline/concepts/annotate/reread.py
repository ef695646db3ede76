"""Nouns that spaCy's analysis tore apart or took for adverbs: the caption is read again with an easy noun for each.

The captions in the docstrings are the rules' tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from spacy.tokens import Doc, Token

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.parse_edit import NOMINAL, ParseEdit

STAND_INS = {False: "window", True: "windows"}  # singular, plural: nouns that the model takes for nothing else
OPENERS = ("DET", "CCONJ", "PUNCT", "ADP")


@dataclass(frozen=True)
class Misread:
    """Words of a Doc from `start` on that are one noun, and the noun that is read in their place."""

    start: int
    stand_in: str
    lemma: str
    plural: bool = False
    words: int = 2


@cache
def compounds() -> dict[tuple[str, str], tuple[str, bool]]:
    """By their two words, as written: the second word's lemma, and whether it is plural."""
    found = {}
    for first, second in (line.split() for line in lexicon("compounds")):
        found[first, second] = second, False
        found[first, second + ("es" if second.endswith(("s", "x", "ch", "sh")) else "s")] = second, True
    return found


def misread(doc: Doc) -> list[Misread]:
    """Known compounds whose words the analysis does not hold together, and backs that it takes for adverbs.

    a hose attached to a fire hydrant → fire (hydrant), attach to (hose, hydrant)
    a trash can next to a stove → trash (can), next to (can, stove)
    a small bird with a grey breast and grey back → grey (back), with (bird, back)
    """
    known = compounds()
    found = [Misread(t.i, "chest", "back", words=1) for t in doc if t.lower_ == "back" and _is_body(t)]
    taken = -1
    for i, words in enumerate(pairwise(t.lower_ for t in doc)):
        if words not in known or i == taken:
            continue
        first, second = doc[i], doc[i + 1]
        beside = first.head == second or (first.head == second.head and first.head.i > second.i)
        if not (beside and second.pos_ in NOMINAL):
            lemma, plural = known[words]
            found.append(Misread(i, STAND_INS[plural], lemma, plural))
            taken = i + 1
    return sorted(found, key=lambda one: one.start)


def _is_body(back: Token) -> bool:
    """Whether "back", taken for no noun, is one: after a quality that opens its phrase, and before no noun of its own.

    a cat looking curious back at the camera → look back at (cat, camera)
    the man is happy back home → happy (man)
    """
    if back.i == 0 or back.pos_ in NOMINAL or (back.dep_ in ("amod", "compound") and back.head.i > back.i):
        return False
    before = back.nbor(-1)
    opened = before.i > 0 and (before.nbor(-1).pos_ in OPENERS or before.nbor(-1).lemma_ == "have")
    return before.lower_ in lexicon("colours") or (before.tag_ == "JJ" and opened)


def simpler(doc: Doc, places: Sequence[Misread]) -> str:
    """The caption with an easy noun in place of each of `places`."""
    texts, at = [], 0
    for one in places:
        end = one.start + one.words
        texts += [t.text_with_ws for t in doc[at : one.start]] + [one.stand_in + doc[end - 1].whitespace_]
        at = end
    return "".join([*texts, *(t.text_with_ws for t in doc[at:])])


def restored(doc: Doc, read: Doc, places: Sequence[Misread]) -> Doc:
    """The caption's own words with the analysis of the simpler one, the nouns put back.

    Args:
        doc: the first reading, which keeps its words and entities.
        read: the reading of `simpler(doc, places)`; where its words do not fit, the first one stays.
    """
    firsts = {one.start for one in places if one.words == 2}
    at = [i for i in range(len(doc)) if i not in firsts]  # the token of `doc` for each of `read`
    if len(at) != len(read):
        return doc
    lemmas, pos, tags = [t.lower_ for t in doc], ["NOUN"] * len(doc), ["NN"] * len(doc)
    heads, labels = [i + 1 for i in range(len(doc))], ["compound"] * len(doc)
    for i, token in zip(at, read, strict=True):
        lemmas[i], pos[i], tags[i], labels[i] = token.lemma_, token.pos_, token.tag_, token.dep_
        heads[i] = at[token.head.i] if token.head.i != token.i else -1
    edit = ParseEdit([t.text for t in doc], lemmas, pos, tags, heads, labels)
    for one in places:
        edit.retag(one.start + one.words - 1, "NNS" if one.plural else "NN", "NOUN", one.lemma)
    return edit.as_doc(doc)


def lacks_article(doc: Doc) -> bool:
    """Whether a caption was read as an order or a fragment that its first word opens; with "the" before it is a noun.

    train on tracks → on (train, track)
    left ear of a cow → left (ear), of (ear, cow)
    draw a picture of a green dragon → of (picture, dragon), green (dragon)
    """
    first = next((t for t in doc if not t.is_space), None)
    if first is None or first.pos_ in ("DET", "PRON", "NUM", "ADP", "SCONJ", "CCONJ", "PUNCT"):
        return False  # most captions end here, before their words are walked through
    words = [t for t in doc if not t.is_space]
    if len(words) < 2 or first.ent_type_ == "PERSON":
        return False
    root = next(t for t in words if t.head == t)
    if first.lower_ in lexicon("imperatives") and words[1].pos_ in ("DET", "NUM"):
        return False
    if first.tag_ == "VBG" and first.lower_ not in lexicon("ing_nouns"):
        return False
    if root == first and root.pos_ not in NOMINAL:
        return root.pos_ != "AUX"
    return first.tag_ in ("VB", "VBP", "VBZ", "VBD", "VBG", "RB", "UH", "MD")
