"""Known compounds ("fire hydrant") that spaCy's analysis tore apart: the caption is read again with one noun for each.

The captions in the docstrings are the rules' tests.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from spacy.tokens import Doc

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tree import NOMINAL

STAND_INS = {False: "window", True: "windows"}  # singular, plural: nouns that the model takes for nothing else


@cache
def compounds() -> dict[tuple[str, str], tuple[str, bool]]:
    """By their two words, as written: the second word's lemma, and whether it is plural."""
    found = {}
    for first, second in (line.split() for line in lexicon("compounds")):
        found[first, second] = second, False
        found[first, second + ("es" if second.endswith(("s", "x", "ch", "sh")) else "s")] = second, True
    return found


def torn(doc: Doc) -> list[int]:
    """Where known compounds begin whose words the analysis does not hold together.

    a hose attached to a fire hydrant → fire (hydrant), attach to (hose, hydrant)
    a trash can next to a stove → trash (can), next to (can, stove)
    """
    known = compounds()
    found: list[int] = []
    for i, words in enumerate(pairwise(t.lower_ for t in doc)):
        if words not in known or (found and found[-1] == i - 1):
            continue
        first, second = doc[i], doc[i + 1]
        beside = first.head == second or (first.head == second.head and first.head.i > second.i)
        if not (beside and second.pos_ in NOMINAL):
            found.append(i)
    return found


def simpler(doc: Doc, places: Sequence[int]) -> str:
    """The caption with one common noun in place of each compound."""
    known = compounds()
    words = [
        STAND_INS[known[t.lower_, t.nbor(1).lower_][1]] + t.nbor(1).whitespace_ if t.i in places else t.text_with_ws
        for t in doc
        if t.i - 1 not in places
    ]
    return "".join(words)


def restored(doc: Doc, read: Doc, places: Sequence[int]) -> Doc:
    """The caption's own words with the analysis of the simpler one, compounds put back.

    Args:
        doc: the first reading, which keeps its words and entities.
        read: the reading of `simpler(doc, places)`; where its words do not fit, the first one stays.
    """
    at = [i for i in range(len(doc)) if i not in places]  # the token of `doc` for each of `read`
    if len(at) != len(read):
        return doc
    known = compounds()
    heads, deps = [t.head.i for t in doc], [t.dep_ for t in doc]
    tags, kinds, lemmas = [t.tag_ for t in doc], [t.pos_ for t in doc], [t.lemma_ for t in doc]
    for i, token in zip(at, read, strict=True):
        heads[i], deps[i] = at[token.head.i], token.dep_
        tags[i], kinds[i], lemmas[i] = token.tag_, token.pos_, token.lemma_
    for i in places:
        first, second = doc[i], doc[i + 1]
        heads[i], deps[i], tags[i], kinds[i], lemmas[i] = i + 1, "compound", "NN", "NOUN", first.lower_
        lemma, plural = known[first.lower_, second.lower_]
        tags[i + 1], kinds[i + 1], lemmas[i + 1] = "NNS" if plural else "NN", "NOUN", lemma
    return Doc(
        doc.vocab,
        words=[t.text for t in doc],
        spaces=[bool(t.whitespace_) for t in doc],
        tags=tags,
        pos=kinds,
        lemmas=lemmas,
        heads=heads,
        deps=deps,
        ents=[f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc],
    )
