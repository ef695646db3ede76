"""Converts concept sets to tuples, FACTUAL's format for scene graphs (ACL Findings 2023), for `parse --jsonl`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from hspcgan.pipeline.concepts.choices import choose
from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Relation, Token
from hspcgan.pipeline.concepts.factual import left_out
from hspcgan.pipeline.concepts.factual.conventions import ATTRIBUTES, RELATIONS, Triple, Triples
from hspcgan.pipeline.concepts.factual.view import View

Part = TypeVar("Part", Attribute, Relation)


def tuples(concepts: Concepts, tokens: Sequence[Token]) -> list[list[str]]:
    """Returns [subject, relation, object], [entity, "is", attribute], and [entity] for entities in no other tuple."""
    if concepts.empty:  # noun chunks, with word indices that may come from another annotator
        return [[name] for name in dict.fromkeys(entity.text for entity in concepts.entities)]
    view = View(concepts, tokens)
    attributes = (a for a in view.concepts.attributes if a.entity >= 0)
    edges = (*_by_rules(view, ATTRIBUTES, attributes), *_by_rules(view, RELATIONS, written_relations(view)))
    found = dict.fromkeys([*edges, *_owned(view)])
    said = {part for one, text, other in found for part in ((one,) if text == "is" else (one, other))}
    rest = [name for n, name in enumerate(view.names) if n not in view.left_out and name not in said]
    return [list(triple) for triple in found] + [[name] for name in dict.fromkeys(rest)]


def _by_rules(view: View, rules: Sequence[Callable[[View, Part], Triples]], parts: Iterable[Part]) -> Iterator[Triple]:
    """Yields the tuples from the first rule that applies to each attribute or relation in `parts`."""
    for part in parts:
        yield from next((found for rule in rules if (found := rule(view, part)) is not None), ())


def written_relations(view: View) -> Iterator[Relation]:
    """Yields the relations except "and", "or" and negated ones; the thing in a picture replaces the picture as subject.

    a yellow bird that never flies → (bird, is, yellow)
    a tall man not holding a bat → (man, is, tall)
    """
    for r in view.concepts.relations:
        if r.subject in view.pictured_things and r.text != "of" and view.tokens[r.word].upos == "ADP":
            r = replace(r, subject=view.pictured_things[r.subject])
        takes_picture = r.text == "take" and r.object in view.pictured_things
        is_absent = r.subject in view.left_out or (r.object in view.left_out and not takes_picture)
        is_written = r.text not in ("and", "or") and not r.text.startswith(left_out.NEGATED_PREFIX)
        if r.subject >= 0 and is_written and not is_absent:
            yield r


def _owned(view: View) -> Iterator[Triple]:
    """Yields (owner, "have" or "wear", thing) for each possessive pronoun, if FACTUAL usually writes this tuple.

    a man wearing a blue shirt with a sweater draped over his shoulders → (man, have, shoulders)
    """
    for n, name in enumerate(view.names):
        if n not in view.left_out and view.has_possessive(n):
            owner = view.owner(n)
            verb = choose("owned", view.of_owned(n, owner)) if owner >= 0 else ""
            if verb in ("have", "wear"):
                yield view.names[owner], verb, name
