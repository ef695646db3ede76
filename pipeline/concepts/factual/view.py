"""The queries on the concept sets of one caption that FACTUAL's conventions use."""

from collections.abc import Sequence
from dataclasses import replace

from hspcgan.pipeline.concepts.concept_types import Concepts, Relation, Token
from hspcgan.pipeline.concepts.factual import left_out
from hspcgan.pipeline.concepts.factual.naming import Naming
from hspcgan.pipeline.concepts.lexicons import lexicon


class View(Naming):
    """The concept sets of one caption with names as FACTUAL writes them; `left_out` are entities that FACTUAL omits."""

    def __init__(self, concepts: Concepts, tokens: Sequence[Token]) -> None:
        wholes = left_out.place_owners(concepts, tokens)
        super().__init__(replace(concepts, relations=_with_place_owners(concepts, wholes)), tokens)
        self.pictured_things = left_out.pictured_things(concepts)
        self.left_out = {*left_out.omitted_entities(concepts, tokens), *wholes, *self.pictured_things}
        self.joined = {(r.subject, r.text) for r in self.concepts.relations}

    def entity_names(self, r: Relation) -> tuple[str, str]:
        """Returns the names of a relation's subject and object."""
        return self.names[r.subject], self.names[r.object]

    def verb(self, r: Relation) -> str:
        """Returns the verb at the start of a relation; "" if it starts with another word."""
        return r.text.split()[0] if self.tokens[r.word].upos == "VERB" else ""

    def has_possessive(self, n: int) -> bool:
        """Whether an entity has a possessive pronoun: "his arm"."""
        return self.determiner(n) == "own"

    def owner(self, n: int) -> int:
        """Returns the entity to which the possessive pronoun of an entity refers; −1 if no entity precedes it."""
        pronoun = next(t for t in self.tokens if t.head == self.concepts.entities[n].word and t.deprel == "nmod:poss")
        persons = [k for k in range(n) if self.heads[k] in lexicon("persons")]
        if persons and pronoun.text.lower() in ("his", "her", "their"):
            return persons[-1]
        return 0 if n else -1


def _with_place_owners(concepts: Concepts, place_owners: dict[int, tuple[int, int]]) -> list[Relation]:
    """Returns the relations of a caption; "on top" becomes "on top of" with the owner from `place_owners` as object."""
    found = []
    for r in concepts.relations:
        if r.object in place_owners:
            one, other = place_owners[r.object]
            r = replace(r, text=f"{r.text} {concepts.entities[r.object].head} of", subject=one, object=other)
        found.append(r)
    return found
