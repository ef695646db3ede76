"""Finds the entities of a caption that FACTUAL omits: negated things, pictures ("picture of"), places ("on top").

Examples in docstrings are tests: caption → (subject, relation, object).
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts.concept_types import Concepts, Relation, Token
from hspcgan.pipeline.concepts.editable_tree import COLOURED
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

NEGATED_PREFIX = "not "


def omitted_entities(concepts: Concepts, tokens: Sequence[Token]) -> Iterator[int]:
    """Yields the entities that FACTUAL omits because the caption negates them, and "color" in "gray in color".

    a cart that is gray in color → (cart, is, gray)
    a tree with no leaves beside a pole without a sign → (tree, beside, pole)
    a tree that does not have leaves is beside a pole → (tree, beside, pole)
    """
    yield from (a.entity for a in concepts.attributes if a.text == "no" and a.entity >= 0)
    for r in concepts.relations:
        in_colour = r.text == "in" and concepts.entities[r.object].head in COLOURED
        if r.text == "without" or in_colour or _is_object_negated(concepts, tokens, r):
            yield r.object


def _is_object_negated(concepts: Concepts, tokens: Sequence[Token], r: Relation) -> bool:
    """Whether a negated relation also negates its object: false if the object has "the", "this" or a possessive.

    a small dog not wearing a collar → (dog, is, small)
    a red bus that is not touching the pole → (bus, is, red), (pole)
    """
    if not r.text.startswith(NEGATED_PREFIX) or min(r.subject, r.object) < 0:
        return False
    noun = concepts.entities[r.object].word
    named = ("the", "this", "that", "these", "those")
    return not any(t.head == noun and (t.text.lower() in named or t.deprel == "nmod:poss") for t in tokens)


def pictured_things(concepts: Concepts) -> dict[int, int]:
    """Returns {picture: thing in the picture}, as indices of entities; FACTUAL's tuples name only the thing.

    a picture of a dog → (dog)
    a close up of a bowl of soup on a table → (bowl, have, soup), (bowl, on, table)
    """
    ofs = [r for r in concepts.relations if r.text == "of" and min(r.subject, r.object) >= 0]
    return {r.subject: r.object for r in ofs if pairs("containers").get(concepts.entities[r.subject].head) == ""}


def place_owners(concepts: Concepts, tokens: Sequence[Token]) -> dict[int, tuple[int, int]]:
    """Returns {place: (thing at the place, owner of the place)}, as indices, for places without "of" ("on top").

    a box with apples on top → (apples, on top of, box)
    a man in a striped shirt with a number on the back → (number, on back of, shirt)
    """
    owned = [r for r in concepts.relations if r.text in ("with", "have") and min(r.subject, r.object) >= 0]
    found = {}
    for r in concepts.relations:
        place = concepts.entities[r.object]
        is_place = r.text in ("on", "in", "at") and r.object >= 0 and place.head in lexicon("place_nouns")
        described = any(t.head == place.word and t.deprel not in ("case", "det", "punct") for t in tokens)
        if is_place and not described and place.head not in ("left", "right"):
            ends = [(q.object, q.subject) for q in owned if q.object < r.object and r.subject in (q.subject, q.object)]
            if ends:
                found[r.object] = ends[-1]
    return found
