"""Which of a caption's entities FACTUAL's graph does not have: what is absent, pictures, bare tops.

The captions in the docstrings are the rules' tests: caption → (subject, relation, object).
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts.lexicons import pairs
from hspcgan.pipeline.concepts.parse_edit import COLOURED
from hspcgan.pipeline.concepts.tokens import Concepts, Relation, Token

DENIED = "not "


def absent(concepts: Concepts, tokens: Sequence[Token]) -> Iterator[int]:
    """What a caption says is not there, and the word "color" after "in".

    a cart that is gray in color → (cart, is, gray)
    a tree with no leaves beside a pole without a sign → (tree, beside, pole)
    a tree that does not have leaves beside a pole → (tree, beside, pole)
    """
    yield from (a.entity for a in concepts.attributes if a.text == "no" and a.entity >= 0)
    for r in concepts.relations:
        in_colour = r.text == "in" and concepts.entities[r.object].head in COLOURED
        if r.text == "without" or in_colour or _is_denied(concepts, tokens, r):
            yield r.object


def _is_denied(concepts: Concepts, tokens: Sequence[Token], r: Relation) -> bool:
    """Whether someone is said not to do something to a thing that is not there, as an unnamed one is not.

    a small dog not wearing a collar → (dog, is, small)
    a red bus that is not touching the pole → (bus, is, red), (pole)
    """
    if not r.text.startswith(DENIED) or min(r.subject, r.object) < 0:
        return False
    noun = concepts.entities[r.object].word
    named = ("the", "this", "that", "these", "those")
    return not any(t.head == noun and (t.text.lower() in named or t.deprel == "nmod:poss") for t in tokens)


def shown(concepts: Concepts) -> dict[int, int]:
    """What a picture shows, by the picture, whose places are those of what it shows.

    a picture of a dog → (dog)
    a close up of a bowl of soup on a table → (bowl, have, soup), (bowl, on, table)
    """
    ofs = [r for r in concepts.relations if r.text == "of" and min(r.subject, r.object) >= 0]
    return {r.subject: r.object for r in ofs if pairs("containers").get(concepts.entities[r.subject].head) == ""}


def tops(concepts: Concepts) -> dict[int, int]:
    """For each entity after "with", the "top" behind it that belongs to the noun before: {entity: top}."""
    ends = [r.object for r in concepts.relations if r.text in ("on", "at") and r.object >= 0]
    found = {}
    for r in concepts.relations:
        after = [n for n in ends if n > r.object and concepts.entities[n].head == "top"]
        if r.text == "with" and r.object >= 0 and after:
            found[r.object] = after[0]
    return found
