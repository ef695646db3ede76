"""Parses captions with spaCy. A caption with one of two known parse errors is changed and parsed a second time.

The errors are a first noun that lacks an article and is parsed as a verb ("train on tracks"), and a noun that is split
("trash can") or tagged as an adverb ("back"). The changes are undone in the result, which has the caption's own words.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from spacy.tokens import Doc, Token

from hspcgan.pipeline.concepts.editable_tree import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

STAND_INS = {False: "window", True: "windows"}  # singular, plural: words that the model always tags as nouns
OPENERS = ("DET", "CCONJ", "PUNCT", "ADP")


@dataclass(frozen=True)
class TornNoun:
    """A noun of `words` tokens from index `start`, and the noun `stand_in` that replaces it for the second parse."""

    start: int
    stand_in: str
    lemma: str
    plural: bool = False
    words: int = 2


def read(nlp: Any, texts: Sequence[str], batch_size: int, named: Collection[int] = ()) -> list[Doc]:
    """
    Returns spaCy's Doc for each caption. A caption with a known parse error is changed and parsed a second time.

    Args:
        nlp: From `annotate.spacy.load_spacy`. If "ner" is disabled, it runs only on captions that need entity types.
        named: Indices of captions in which another annotator found names; these also get entity types.
    """
    docs = list(nlp.pipe(texts, batch_size=batch_size))
    bare = {n for n, doc in enumerate(docs) if lacks_article(doc)}
    _add_entity_types(nlp, [doc for n, doc in enumerate(docs) if n in bare or n in named or has_name(doc)], batch_size)
    bare = {n for n in bare if lacks_article(docs[n])}  # names need no article
    torn = {n: nouns for n, doc in enumerate(docs) if (nouns := torn_nouns(doc))}
    changed = sorted(bare | set(torn))
    simpler = [("the " if n in bare else "") + with_stand_ins(docs[n], torn.get(n, ())) for n in changed]
    again = list(nlp.pipe(simpler, batch_size=batch_size))
    _add_entity_types(
        nlp, [doc for n, doc in zip(changed, again, strict=True) if n in named or has_name(doc)], batch_size
    )
    for n, doc in zip(changed, again, strict=True):
        whole = doc[1:].as_doc() if n in bare else doc
        docs[n] = restored(docs[n], whole, torn[n]) if n in torn else whole
    return docs


def _add_entity_types(nlp: Any, docs: Sequence[Doc], batch_size: int) -> None:
    if "ner" in nlp.disabled:
        deque(nlp.get_pipe("ner").pipe(docs, batch_size=batch_size), maxlen=0)


def has_name(doc: Doc) -> bool:
    """Whether a word that is not in lower case is tagged as a name; the rules treat lower-case names as nouns."""
    return any(t.pos_ == "PROPN" and not t.text.islower() for t in doc)


def lacks_article(doc: Doc) -> bool:
    """Whether the first word is probably a noun without an article that was parsed as another part of speech.

    train on tracks → on (train, track)
    left ear of a cow → left (ear), of (ear, cow)
    draw a picture of a green dragon → of (picture, dragon), green (dragon)
    """
    first = next((t for t in doc if not t.is_space), None)
    if first is None or first.pos_ in ("DET", "PRON", "NUM", "ADP", "SCONJ", "CCONJ", "PUNCT"):
        return False  # most captions return here, before the loop over their words
    words = [t for t in doc if not t.is_space]
    if len(words) < 2 or first.ent_type_ == "PERSON":
        return False
    if first.lower_ in lexicon("imperatives") and words[1].pos_ in ("DET", "NUM"):
        return False
    if first.tag_ == "VBG" and first.lower_ not in lexicon("ing_nouns"):
        return False
    if first.head == first and first.pos_ not in NOMINAL:
        return first.pos_ != "AUX"
    return first.tag_ in ("VB", "VBP", "VBZ", "VBD", "VBG", "RB", "UH", "MD")


@cache
def compounds() -> dict[tuple[str, str], tuple[str, bool]]:
    """Returns {(first word, second word): (lemma of the second word, whether it is plural)} for all known compounds."""
    found = {}
    for first, second in (line.split() for line in lexicon("compounds")):
        found[first, second] = second, False
        found[first, second + ("es" if second.endswith(("s", "x", "ch", "sh")) else "s")] = second, True
    return found


def torn_nouns(doc: Doc) -> list[TornNoun]:
    """Returns the known compounds that the parse splits, and each noun "back" that is not tagged as a noun.

    a hose attached to a fire hydrant → fire (hydrant), attach to (hose, hydrant)
    a trash can next to a stove → trash (can), next to (can, stove)
    a small bird with a grey breast and grey back → grey (back), with (bird, back)
    """
    words = [t.lower_ for t in doc]
    found = [
        TornNoun(i, "chest", "back", words=1) for i, word in enumerate(words) if word == "back" and _is_body(doc[i])
    ]
    taken, known = -1, compounds()
    for i, pair in enumerate(pairwise(words)):
        if pair in known and i != taken and not _are_one(doc[i], doc[i + 1]):
            lemma, plural = known[pair]
            found.append(TornNoun(i, STAND_INS[plural], lemma, plural))
            taken = i + 1
    return sorted(found, key=lambda noun: noun.start)


def _are_one(first: Token, second: Token) -> bool:
    beside = first.head == second or (first.head == second.head and first.head.i > second.i)
    return beside and second.pos_ in NOMINAL


def _is_body(back: Token) -> bool:
    """Whether "back" means the body part, although it is not tagged as a noun.

    This is so if it follows a colour, or an adjective at the start of a phrase, and does not modify a noun after it.

    a cat looking curious back at the camera → look back at (cat, camera)
    the man is happy back home → happy (man)
    """
    if back.i == 0 or back.pos_ in NOMINAL or (back.dep_ in ("amod", "compound") and back.head.i > back.i):
        return False
    if back.i + 1 < len(back.doc) and back.nbor(1).lemma_ in lexicon("body_parts"):  # "brownish back legs"
        return False
    before = back.nbor(-1)
    opened = before.i > 0 and (before.nbor(-1).pos_ in OPENERS or before.nbor(-1).lemma_ == "have")
    return before.lower_ in lexicon("colours") or (before.tag_ == "JJ" and opened)


def with_stand_ins(doc: Doc, torn: Sequence[TornNoun]) -> str:
    """Returns the caption with each noun in `torn` replaced by a noun that spaCy tags correctly."""
    texts, at = [], 0
    for noun in torn:
        end = noun.start + noun.words
        texts += [t.text_with_ws for t in doc[at : noun.start]] + [noun.stand_in + doc[end - 1].whitespace_]
        at = end
    return "".join([*texts, *(t.text_with_ws for t in doc[at:])])


def restored(doc: Doc, read: Doc, torn: Sequence[TornNoun]) -> Doc:
    """Returns a Doc with the words of the caption and the parse of the changed caption.

    Args:
        doc: The first parse, from which words and entities are taken.
        read: The parse of `with_stand_ins(doc, torn)`; if its words do not match, `doc` is returned.
    """
    firsts = {noun.start for noun in torn if noun.words == 2}
    at = [i for i in range(len(doc)) if i not in firsts]  # the token of `doc` for each of `read`
    if len(at) != len(read):
        return doc
    lemmas, pos, tags = [t.lower_ for t in doc], ["NOUN"] * len(doc), ["NN"] * len(doc)
    heads, labels = [i + 1 for i in range(len(doc))], ["compound"] * len(doc)
    for i, token in zip(at, read, strict=True):
        lemmas[i], pos[i], tags[i], labels[i] = token.lemma_, token.pos_, token.tag_, token.dep_
        heads[i] = at[token.head.i] if token.head.i != token.i else -1
    edit = ParseEdit([t.text for t in doc], lemmas, pos, tags, heads, labels, [t.idx for t in doc])
    for noun in torn:
        edit.retag(noun.start + noun.words - 1, "NNS" if noun.plural else "NN", "NOUN", noun.lemma)
    return edit.as_doc(doc)
