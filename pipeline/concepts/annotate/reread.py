"""Nouns that spaCy's analysis tore apart or took for adverbs: the caption is read again with an easy noun for each.

The captions in the docstrings are the rules' tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from spacy.tokens import Doc, Token

from hspcgan.pipeline.concepts.extract.tree import NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.edit import Draft

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
    draft = Draft(doc)
    for i, token in zip(at, read, strict=True):
        draft.heads[i], draft.deps[i] = at[token.head.i], token.dep_
        draft.word(i, token.tag_, token.pos_, token.lemma_)
    for i in firsts:
        draft.heads[i], draft.deps[i] = i + 1, "compound"
        draft.word(i, "NN", "NOUN", doc[i].lower_)
    for one in places:
        draft.word(one.start + one.words - 1, "NNS" if one.plural else "NN", "NOUN", one.lemma)
    return draft.doc()
