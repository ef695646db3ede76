"""Features of relations, of nouns before a noun, and of things with a possessive pronoun, to predict FACTUAL's wording.

A feature is a short text, such as "with hair" for a preposition and its object.
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Relation, Token
from hspcgan.pipeline.concepts.lexicons import lexicon, lists_containing

KINDS = ("clothes", "body_parts", "parts", "persons", "containers")
POSTURES = ("sit", "stand", "walk", "play", "pose", "lie", "run")
LONG = 10
"""Maximum caption length in features; few training captions have more words."""


class Features:
    """The features of the phrases of one caption."""

    def __init__(self, concepts: Concepts, tokens: Sequence[Token]) -> None:
        self.concepts, self.tokens = concepts, tokens
        self.heads = [entity.head for entity in concepts.entities]
        self.length = min(len(tokens), LONG)

    def determiner(self, n: int) -> str:
        """Returns the kind of determiner of an entity: "own" for a possessive pronoun, "article", or "none"."""
        before = [t for t in self.tokens if t.head == self.concepts.entities[n].word]
        if any(t.deprel == "nmod:poss" and t.upos == "PRON" for t in before):
            return "own"
        return "article" if any(t.text.lower() in ("a", "an", "the") for t in before) else "none"

    def token(self, n: int) -> Token:
        """Returns the head word of an entity."""
        return self.tokens[self.concepts.entities[n].word]

    def of_relation(self, r: Relation, text: str, verb: str) -> Iterator[str]:
        """Yields features of a relation with subject and object; `verb` is the verb at the start of `text`, or ""."""
        one, other, own = self.heads[r.subject], self.heads[r.object], self.determiner(r.object)
        distance = max(-4, min(4, r.word - self.concepts.entities[r.subject].word))
        last, posture = text.split()[-1], "posture" if verb in POSTURES else "verb" if verb else "no verb"
        yield from (f"object {other}", f"{one} {other}")
        yield from (text, f"{text} {other}", f"{one} {text}", f"{one} {text} {other}", f"{text} {own} {other}")
        yield from (f"{text}, object {self.token(r.object).deprel}", f"{text}, subject {self.token(r.subject).deprel}")
        yield from (f"{text}, distance {distance}", f"{text}, {own}", f"{text}, tag {self.token(r.object).xpos}")
        links = sum(q.text != "and" for q in self.concepts.relations)
        yield from (f"{text}, from {n} words" for n in range(5, self.length + 1))
        yield from (f"{text}, from {n} relations" for n in range(2, min(links, 4) + 1))
        if verb:
            yield from (f"verb {verb}", f"verb {verb} {other}", f"{one} verb {verb}")
        for kind in lists_containing(other, KINDS):
            yield from (f"object {kind}", f"{text} {kind}", f"{text} {own} {kind}")
            yield from (f"{verb} … {last} {kind}", f"{posture} … {last} {kind}")
            for subject in lists_containing(one, KINDS):
                yield from (f"{subject} {text} {kind}", f"{subject} … {last} {kind}")

    def of_modifier(self, a: Attribute, text: str) -> Iterator[str]:
        """Yields features of a noun or adjective before the noun of its entity; `text` is its form in a name."""
        word, noun, head = self.tokens[a.word], self.token(a.entity), self.heads[a.entity]
        distance = min(self.concepts.entities[a.entity].word - a.word, 3)
        yield from ("any", f"{text} …", f"… {head}", f"{text} {head}")
        yield from (f"ending {text[-3:]}", f"words {text.count(' ')}")
        yield from (word.xpos, f"{word.upos} {noun.xpos}", f"noun {noun.deprel}", f"name {word.ner}")
        yield from (f"distance {distance}", f"length {self.length}", f"describes {text in lexicon('describing_nouns')}")
        for kind in lists_containing(head, KINDS):
            yield f"… {kind}"
            yield from (f"{other} {kind}" for other in lists_containing(text, KINDS))

    def of_owned(self, n: int, owner: int) -> Iterator[str]:
        """Yields features of an entity with a possessive pronoun, and of the entity to which the pronoun refers."""
        links = [r for r in self.concepts.relations if r.object == n]
        thing = self.heads[n]
        yield from ("any", f"length {self.length}", f"thing {thing}", f"long {self.length > 8}")
        for kind in lists_containing(thing, KINDS):
            yield from (kind, f"{kind}, long {self.length > 8}")
            yield from (f"{kind}, owner {owner_kind}" for owner_kind in lists_containing(self.heads[owner], KINDS))
        for r in links:
            verb = self.tokens[max(self.tokens[self.tokens[r.word].head].head, 0)].lemma if r.text == "in" else ""
            yield from (r.text, f"{r.text}, of owner {r.subject == owner}", f"{verb} {r.text}")
        yield f"of owner {any(r.subject == owner for r in links)}"
