"""Repairs of what spaCy makes of telegraphic captions ("train on tracks", "giraffe standing in grass").

Its small model learnt from newspapers, where a sentence has a verb: it takes nouns without article for verbs, and
participles for nouns. The captions in the docstrings are the rules' tests.
"""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc, Token

from hspcgan.pipeline.concepts.extract.tree import COLOURED, NEAR, NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs
from hspcgan.pipeline.concepts.repair.edit import Draft
from hspcgan.pipeline.concepts.repair.noun_phrases import regroup
from hspcgan.pipeline.concepts.repair.owned_parts import having, with_parts
from hspcgan.pipeline.concepts.repair.premodifiers import premodified

MADE = ("baked", "boiled", "cooked", "cut", "fried", "made")  # "deep fried", "soft boiled": the first word says how
ATTACHED = ("compound", "amod", "nmod", "nsubj", "npadvmod", "poss")


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


class Nouns:
    """Tells nouns from other words by the lists of a rule lemmatizer; without them it changes nothing."""

    def __init__(self, lemmatizer: Any) -> None:
        lookups: Any = getattr(lemmatizer, "lookups", None)
        listed = bool(lookups) and lookups.has_table("lemma_index")
        table = lookups.get_table("lemma_index") if listed else {}
        self.known = {pos: frozenset(table[pos]) if listed else frozenset() for pos in ("noun", "verb", "adj", "adv")}

    def __call__(self, doc: Doc, verb_lemma: Callable[[Token], str]) -> Doc:
        """The Doc with mistaken nouns and participles mended; itself where none was found."""
        if not self.known["noun"]:
            return doc
        draft = Draft(doc)
        for t in doc:
            if self._is_noun(t):
                _noun(draft, t.i)
            elif self._is_adjective(t):
                _adjective(draft, t.i)
            elif _is_worn(t):
                _worn(draft, t.i)
            elif _is_quality(t):
                draft.heads[t.i], draft.deps[t.i], draft.changed = t.head.head.i, "amod", True
            elif t.i > 0 and self._is_participle(t):
                _participle(draft, t.i, verb_lemma(t))
            elif t.tag_ == "VB" and t.i > 1 and t.nbor(-1).lower_ == "to" and self._after_to(t):
                _place(draft, t.i)
            elif t.lemma_ == "have":
                having(draft, t)
        premodified(draft)
        with_parts(draft)
        regroup(draft)
        return draft.doc()

    def _is_noun(self, t: Token) -> bool:
        """No adverb or adjective by the lists, but a noun; or a noun in -ing that was taken for a clause."""
        word = t.lower_
        if t.tag_ == "VBG" and word in lexicon("ing_nouns"):
            acts = any(c.dep_ in ("dobj", "nsubj", "aux", "advmod") for c in t.children)
            return t.dep_ in ("pcomp", "pobj", "dobj", "ROOT", "attr", "conj") and not acts
        if t.pos_ == "ADJ" and t.dep_ == "ROOT" and word in self.known["noun"]:
            return any(c.dep_ == "prep" for c in t.rights) and not any(c.dep_ in ("nsubj", "aux") for c in t.children)
        if t.tag_ == "MD" and word == "can":
            return t.i > 0 and t.nbor(-1).pos_ in ("NOUN", "ADJ", "DET") and not any(c.tag_ == "VB" for c in t.rights)
        kind = {"ADV": "adv", "ADJ": "adj"}.get(t.pos_)
        after = t.dep_ == "amod" and t.head.i == t.i - 1 and t.head.pos_ in NOMINAL
        if kind is None or (not after and kind == "adj" and t.dep_ in ("amod", "acomp", "compound", "nmod")):
            return False
        return word in self.known["noun"] and word not in self.known[kind] and len(word) > 3

    def _is_adjective(self, t: Token) -> bool:
        """A "noun" before a noun that is none by the lists."""
        known = t.lower_ in self.known["adj"] and t.lower_ not in self.known["noun"]
        noun = t.pos_ in NOMINAL and t.text.islower()  # "New York" stays a name
        return known and noun and t.dep_ in ("compound", "nmod") and t.head.i > t.i

    def _is_participle(self, t: Token) -> bool:
        """A "noun" in -ing, or one that was made to describe what follows, after the noun that it says something of."""
        if t.tag_ not in ("NN", "VBG") or not t.lower_.endswith("ing") or t.lower_ in lexicon("ing_nouns"):
            return False
        if t.lower_ in lexicon("name_openers"):
            return False
        before = t.nbor(-1)
        if before.pos_ not in NOMINAL and not (before.pos_ == "ADJ" and before.lower_ in self.known["noun"]):
            return False
        last = t.i + 1 == len(t.doc) or t.nbor(1).is_punct
        if t.dep_ in ("compound", "amod", "nmod"):
            return before.dep_ in ATTACHED and before.head in (t, t.head) and t.head.i > t.i
        followed = last or t.nbor(1).pos_ in ("ADP", "DET", "ADV", "SCONJ", "PRON", "ADJ", "PART")
        attached = ATTACHED if t.tag_ == "NN" else ATTACHED[:3]
        return before.head == t and before.dep_ in attached and followed

    def _after_to(self, t: Token) -> bool:
        known = t.lower_ in self.known["noun"] and not any(c.dep_ == "dobj" for c in t.children)
        return known and (t.nbor(-2).lower_ in NEAR or t.nbor(-2).tag_ == "VBN")


def _is_quality(t: Token) -> bool:
    """An adjective said to describe the next one, where the two are no shade ("dark blue") and no compound.

    this bird has a long pointed bill → long (bill), pointed (bill), have (bird, bill)
    a short sleeved shirt → short sleeved (shirt)
    a deep fried chicken → fried (chicken)
    """
    if t.tag_ != "JJ" or t.dep_ != "advmod" or t.head.i != t.i + 1 or t.head.dep_ != "amod":
        return False
    after = t.head.lower_
    shade = t.lower_ in lexicon("shades") and after in lexicon("colours")
    return not shade and after not in (*COLOURED, "sized", "shaped", *MADE) and after not in pairs("part_words")


def _noun(draft: Draft, i: int) -> None:
    """What is no verb, adverb or adjective, as a noun in its place.

    a man grabbing skateboard → grab (man, skateboard)
    large sign on building → on (sign, building)
    the bird has black eyes, orange feet and a brown back → brown (back), have (bird, back)
    """
    draft.word(i, "NN", "NOUN", draft.source[i].lower_)
    head = draft.heads[i]
    if draft.deps[i] == "pcomp":
        draft.deps[i] = "pobj"
    elif draft.deps[i] == "advmod" and head == i - 1 and draft.pos[head] == "VERB":
        draft.deps[i] = "dobj"
    elif draft.deps[i] in ("advmod", "amod") and head == i - 1 and draft.pos[head] in (*NOMINAL, "ADJ"):
        draft.swap(i, head)
        for child in draft.children(head):
            draft.heads[child] = i
        quality = draft.pos[head] == "ADJ" or draft.source[head].lower_ in lexicon("colours")
        draft.deps[head] = "amod" if quality else "compound"


def _is_worn(t: Token) -> bool:
    """A colour that someone is in or dressed in, of no noun after it; "a photo in black and white" is none."""
    if t.pos_ != "ADJ" or t.head.i > t.i or t.lower_ not in lexicon("colours"):
        return False
    clothed = t.head.lower_ == "in" and t.head.head.lemma_ in {"dress", "wear", *lexicon("persons")}
    if not clothed and not (t.dep_ == "dobj" and t.head.lemma_ == "wear"):
        return False
    return t.i + 1 == len(t.doc) or (t.nbor(1).pos_ not in (*NOMINAL, "ADJ", "ADV") and t.nbor(1).tag_ != "VBN")


def _worn(draft: Draft, i: int) -> None:
    """A colour that someone is in or wears stands for clothes.

    a man in white walking down a path → in (man, white), walk down (man, path)
    a figure dressed in red and blue → dress in (figure, red), dress in (figure, blue)
    woman wearing black → wear (woman, black)
    """
    joined = [c for c in draft.children(i) if draft.deps[c] == "conj" and draft.source[c].lower_ in lexicon("colours")]
    for word in (i, *joined):
        draft.word(word, "NN", "NOUN", draft.source[word].lower_)
    governor = draft.heads[i]
    draft.deps[i] = "dobj" if draft.pos[governor] == "VERB" else "pobj"
    if draft.deps[i] == "dobj" and draft.deps[governor] == "acl":
        for word in (i, governor):
            draft.doings_to(word, draft.heads[governor])


def _adjective(draft: Draft, i: int) -> None:
    """What was taken for a noun before a noun; adjectives before it are the noun's.

    a green grassy field → green (field), grassy (field)
    """
    draft.word(i, "JJ", "ADJ", draft.source[i].lower_)
    draft.deps[i] = "amod"
    for child in draft.children(i):
        if draft.deps[child] in ("amod", "det", "nummod"):
            draft.heads[child] = draft.heads[i]


def _participle(draft: Draft, i: int, lemma: str) -> None:
    """The noun before a participle heads the phrase, and the one it was made to describe is its object.

    a surfboard laying in the grass → lay in (surfboard, grass)
    giraffe eating leaves → eat (giraffe, leaf)
    """
    noun, top = i - 1, draft.heads[i]
    draft.word(noun, "NN" if draft.tags[noun] == "JJ" else draft.tags[noun], "NOUN", draft.lemmas[noun])
    if draft.deps[i] in ("compound", "amod", "nmod"):
        draft.heads[noun] = draft.heads[i]
        draft.swap(noun, top)
        draft.heads[top], draft.deps[top] = i, "dobj"
        for child in draft.children(top):
            if child < noun or draft.deps[child] == "punct":
                draft.heads[child] = noun
    else:
        draft.heads[noun] = i
        draft.swap(noun, i)
    for child in draft.children(i):
        if child < noun or draft.deps[child] == "punct":
            draft.heads[child] = noun
    draft.heads[i], draft.deps[i] = noun, "acl"
    draft.word(i, "VBG", "VERB", lemma)


def _place(draft: Draft, i: int) -> None:
    """car parked next to sidewalk → park next to (car, sidewalk)"""
    to, anchor = i - 1, i - 2
    draft.word(i, "NN", "NOUN", draft.source[i].lower_)
    draft.word(to, "IN", "ADP", "to")
    if draft.heads[i] != i:
        draft.heads[to], draft.deps[to] = anchor, "prep"
        draft.heads[i], draft.deps[i] = to, "pobj"
