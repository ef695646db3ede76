"""A view of the concept sets of one caption for FACTUAL's conventions."""

from collections.abc import Sequence

from hspcgan.pipeline.concepts.concept_types import Concepts, Relation, Token
from hspcgan.pipeline.concepts.factual import left_out
from hspcgan.pipeline.concepts.factual.naming import Naming


class View:
    """The concept sets of one caption in FACTUAL's names; `left_out` are entities that FACTUAL's graphs omit."""

    def __init__(self, concepts: Concepts, tokens: Sequence[Token]) -> None:
        self.concepts, self.tokens = concepts, tokens
        self.naming = Naming(concepts, tokens)
        self.names = self.naming.names
        self.heads = [entity.head for entity in concepts.entities]
        self.tops, self.shown = left_out.tops(concepts), left_out.shown(concepts)
        self.left_out = {*left_out.absent(concepts, tokens), *self.tops.values(), *self.shown}
        self.joined = {(r.subject, r.text) for r in concepts.relations}

    def takes_picture(self, r: Relation) -> bool:
        """Whether a relation is "take" with a picture as its object."""
        return r.text == "take" and r.object in self.shown

    def ends(self, r: Relation) -> tuple[str, str]:
        """Returns the names of a relation's subject and object."""
        return self.names[r.subject], self.names[r.object]

    def verb(self, r: Relation) -> str:
        """Returns the verb at the start of a relation; "" if it starts with another word."""
        return r.text.split()[0] if self.tokens[r.word].upos == "VERB" else ""

    def says_where(self, r: Relation) -> bool:
        """Whether another relation leads from the object to the subject, as in "a table with a vase on it"."""
        return any((q.subject, q.object) == (r.object, r.subject) for q in self.concepts.relations)

    def is_own(self, n: int) -> bool:
        """Whether an entity has a possessive pronoun: "his arm"."""
        noun = self.concepts.entities[n].word
        return any(t.head == noun and t.deprel == "nmod:poss" and t.upos == "PRON" for t in self.tokens)

    def has_article(self, n: int) -> bool:
        """Whether an entity has an article."""
        noun = self.concepts.entities[n].word
        return any(t.head == noun and t.text.lower() in ("a", "an", "the") for t in self.tokens)

    def governs(self, word: int, deprel: str) -> bool:
        """Whether a word has a dependent with the given label."""
        return any(t.head == word and t.deprel == deprel for t in self.tokens)
