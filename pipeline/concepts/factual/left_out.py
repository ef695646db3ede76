"""Finds the entities of a caption that FACTUAL omits: negated things, "picture of", "on top".

Examples in docstrings are tests: caption → (subject, relation, object).
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts.concept_types import Concepts, Relation, Token
from hspcgan.pipeline.concepts.editable_tree import COLOURED
from hspcgan.pipeline.concepts.lexicons import pairs

DENIED = "not "


def absent(concepts: Concepts, tokens: Sequence[Token]) -> Iterator[int]:
    """Yields the entities that a caption negates, and the word "color" after "in".

    a cart that is gray in color → (cart, is, gray)
    a tree with no leaves beside a pole without a sign → (tree, beside, pole)
    a tree that does not have leaves is beside a pole → (tree, beside, pole)
    """
    yield from (a.entity for a in concepts.attributes if a.text == "no" and a.entity >= 0)
    for r in concepts.relations:
        in_colour = r.text == "in" and concepts.entities[r.object].head in COLOURED
        if r.text == "without" or in_colour or _is_denied(concepts, tokens, r):
            yield r.object


def _is_denied(concepts: Concepts, tokens: Sequence[Token], r: Relation) -> bool:
    """Whether a negated relation also negates its object: false if the object has "the", "this" or a possessive.

    a small dog not wearing a collar → (dog, is, small)
    a red bus that is not touching the pole → (bus, is, red), (pole)
    """
    if not r.text.startswith(DENIED) or min(r.subject, r.object) < 0:
        return False
    noun = concepts.entities[r.object].word
    named = ("the", "this", "that", "these", "those")
    return not any(t.head == noun and (t.text.lower() in named or t.deprel == "nmod:poss") for t in tokens)


def shown(concepts: Concepts) -> dict[int, int]:
    """Returns {entity of a picture: entity in the picture}; FACTUAL's tuples name only the latter.

    a picture of a dog → (dog)
    a close up of a bowl of soup on a table → (bowl, have, soup), (bowl, on, table)
    """
    ofs = [r for r in concepts.relations if r.text == "of" and min(r.subject, r.object) >= 0]
    return {r.subject: r.object for r in ofs if pairs("containers").get(concepts.entities[r.subject].head) == ""}


def tops(concepts: Concepts) -> dict[int, int]:
    """Returns {entity after "with": entity "top" after it}, as in "a box with apples on top"."""
    ends = [r.object for r in concepts.relations if r.text in ("on", "at") and r.object >= 0]
    found = {}
    for r in concepts.relations:
        after = [n for n in ends if n > r.object and concepts.entities[n].head == "top"]
        if r.text == "with" and r.object >= 0 and after:
            found[r.object] = after[0]
    return found
