"""Corrections of spaCy's analysis where a caption's own grammar shows that it is wrong, before anyone reads it."""

from typing import Any

from spacy.tokens import Doc, Token

from hspcgan.pipeline.concepts.repair.edit import Draft
from hspcgan.pipeline.concepts.repair.nouns import Nouns

SINGULAR = ("a", "an", "this", "that", "each", "every")
VOWELS = "aeiou"


class Repairer:
    """Mends Docs of one spaCy pipeline, by the verbs that its rule lemmatizer lists; without one it changes nothing."""

    def __init__(self, nlp: Any) -> None:
        self.lemmatizer: Any = nlp.get_pipe("lemmatizer") if nlp.has_pipe("lemmatizer") else None
        lookups: Any = getattr(self.lemmatizer, "lookups", None)
        listed = bool(lookups) and lookups.has_table("lemma_index") and lookups.has_table("lemma_exc")
        self.verbs = frozenset(lookups.get_table("lemma_index")["verb"]) if listed else frozenset()
        self.nouns = Nouns(self.lemmatizer)
        self.irregular: dict[str, list[str]] = lookups.get_table("lemma_exc")["verb"] if listed else {}

    def __call__(self, doc: Doc) -> Doc:
        """The Doc with mistaken verbs and lemmas mended in place; a copy where its tree had to change."""
        _join_close_ups(doc)
        tokens = list(doc)
        for token in tokens:
            if token.dep_ == "acl" and token.pos_ == "NOUN" and token.lower_.endswith("ing"):
                self._participle(token)
            if token.pos_ == "VERB":
                token.lemma_ = silent_e(token.lower_, token.lemma_, self.verbs)
        for token in tokens:
            subject = self._mistaken_subject(token)
            if subject is not None:
                doc = _as_verb(doc, token, subject, self._third_person(token.lower_))
                break
        return self.nouns(doc, self._verb_lemma)

    def _participle(self, token: Token) -> None:
        """A giraffe standing in tall grass: the parser sees a clause where the tagger saw a noun."""
        if self.verbs:
            token.tag_, token.pos_ = "VBG", "VERB"
            token.lemma_ = self._verb_lemma(token)

    def _verb_lemma(self, token: Token) -> str:
        """The lemma that a form has if it is a participle."""
        forms = [token.lower_[:-3], token.lower_[:-3] + "e", token.lower_[:-4]]
        lemma = next((form for form in forms if form in self.verbs), token.lower_[:-3])
        return silent_e(token.lower_, lemma, self.verbs)

    def _third_person(self, form: str) -> str:
        """The verb that a form is the third person of; "" if none."""
        guesses = [*self.irregular.get(form, []), form[:-3] + "y" if form.endswith("ies") else "", form[:-1], form[:-2]]
        return next((guess for guess in guesses if guess in self.verbs), "")

    def _mistaken_subject(self, verb: Token) -> Token | None:
        """The subject of a verb that was tagged as a plural noun, by either sign; None for any other token.

        a bird with a white crown swims on the water: "a … swims" do not agree
        the small bird flies in the sky and has red wings: a noun at the root, and yet with a subject in the singular
        """
        if verb.tag_ != "NNS" or verb.i == 0 or not self._third_person(verb.lower_):
            return None
        subjects = [c for c in verb.lefts if c.dep_ == "nsubj" and c.tag_ == "NN"]
        if verb.dep_ == "ROOT" and subjects and any(c.dep_ in ("prep", "dobj") for c in verb.rights):
            return subjects[0]
        noun = verb.nbor(-1)
        singular = any(c.dep_ == "det" and c.lower_ in SINGULAR for c in verb.lefts)
        if singular and noun.head == verb and noun.dep_ == "compound" and _clause_noun(verb).dep_ == "ROOT":
            return noun
        return None


def _join_close_ups(doc: Doc) -> None:
    """A close up of a flower is a picture, and no thing that is close: one noun of its two words or three.

    a close up of a flower → of (close-up, flower)
    a close-up of a cat → of (close-up, cat)
    """
    words = [t.lower_ for t in doc]
    if "close" not in words:
        return
    noun: dict[str | int, Any] = {"LEMMA": "close-up", "POS": "NOUN", "TAG": "NN"}
    with doc.retokenize() as retokenizer:
        for i, word in enumerate(words):
            up = i + 2 if words[i + 1 : i + 2] == ["-"] else i + 1
            if word == "close" and words[up : up + 2] == ["up", "of"]:
                retokenizer.merge(doc[i : up + 1], attrs=noun)


def silent_e(form: str, lemma: str, verbs: frozenset[str]) -> str:
    """The lemma with the e that its form shows it must have: a short stem doubles its consonant ("ridding").

    riding, rides: not rid but ride · staring: not star but stare
    """
    short = len(lemma) > 2 and lemma[-1] not in VOWELS + "wxy" and lemma[-2] in VOWELS and lemma[-3] not in VOWELS
    once = sum(c in VOWELS for c in lemma) == 1
    grown = form in (lemma + "ing", lemma + "ed") and short and once
    grown |= form == lemma + "es" and not lemma.endswith(("s", "x", "z", "ch", "sh", "o"))
    return lemma + "e" if grown and lemma + "e" in verbs else lemma


def _clause_noun(token: Token) -> Token:
    """The noun at the top of a chain of prepositional phrases."""
    while token.dep_ in ("pobj", "prep", "conj", "compound"):
        token = token.head
    return token


def _as_verb(doc: Doc, verb: Token, noun: Token, lemma: str) -> Doc:
    """A copy of the Doc where `verb` is a verb at the root; `noun`, were it part of its phrase, stands in its place."""
    draft = Draft(doc)
    if noun.dep_ == "compound":
        _lift(verb, noun, draft.heads, draft.deps)
    draft.word(verb.i, "VBZ", "VERB", lemma)
    return draft.doc()


def _lift(verb: Token, noun: Token, heads: list[int], deps: list[str]) -> None:
    """Makes the verb the root: the noun takes its place, the clause's first noun becomes its subject."""
    subject = _clause_noun(verb)
    for child in verb.lefts:
        if child != noun:
            heads[child.i] = noun.i
    heads[noun.i], deps[noun.i] = verb.head.i, verb.dep_
    if subject == verb:
        subject = noun
    for child in subject.rights:
        if child.i > verb.i and subject != noun:
            heads[child.i] = verb.i
    heads[subject.i], deps[subject.i] = verb.i, "nsubj"
    heads[verb.i], deps[verb.i] = verb.i, "ROOT"
