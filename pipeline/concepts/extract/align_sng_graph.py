"""Aligns sng_parser's scene graph of a parsed caption with the concept sets by character span (§3.1.2)."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Entity, Relation, Token

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span


@cache
def _backend() -> Any:
    """Returns sng_parser's spaCy backend, changed to accept a parsed Doc instead of a string."""
    import sng_parser.backends  # noqa: F401  # fills the registry; its decorator leaves None under the class's own name
    from sng_parser import Parser, database

    with warnings.catch_warnings():  # sng_parser does not close the files of its word lists
        warnings.simplefilter("ignore", ResourceWarning)
        for name in ("phrasal-preps.txt", "phrasal-verbs.txt", "scene-nouns.txt"):
            database.load_list(name)
    base: Any = Parser._backend_registry["spacy"]

    class DocParser(base):
        """sng_parser's backend without a spaCy model: `parse` accepts a Doc, because `self.nlp` returns its input."""

        def __init__(self) -> None:
            self.nlp = lambda doc: doc

    return DocParser()


def raw_graph(doc: "Doc") -> dict:
    """Returns the graph that `sng_parser.parse(doc.text)` would return, from a parsed Doc."""
    return _backend().parse(doc)


def with_graph(concepts: Concepts, doc: "Doc", tokens: Sequence[Token]) -> Concepts:
    """Fills missing entities of attributes and relations from sng_parser's graph; counts differences from this graph.

    If the sets have no entities, these are first taken from spaCy's noun chunks.
    An attribute without an entity gets the entity that has the same modifier in the graph. A relation without subject
    or object gets it from a relation in the graph that has a word and the other entity in common. `notes` counts

    - `entities_unaligned`: nouns in the graph that are not entities in the sets;
    - relations in the graph: `edges_agreed` (the rules relate the same two entities), `edges_filled` (used to fill a
      missing subject or object), `edges_unaligned` (its subject or object is not an entity, or both are the same),
      `edges_graph_only` (dropped; nearly all come from a modifier attached to the wrong conjunct);
    - `edges_rules_only`: pairs of entities that are related by the rules but not in the graph.
    """
    graph, concepts = raw_graph(doc), from_noun_chunks(doc) if concepts.empty else concepts
    chunks = [doc[e["span_bounds"][0] : e["span_bounds"][1]] for e in graph["entities"]]
    slots = [find_entity(chunk, concepts, tokens) for chunk in chunks]
    nouns = [slot for slot, chunk in zip(slots, chunks, strict=True) if chunk.root.pos_ != "PRON"]
    tuples = [(slots[r["subject"]], r["lemma_relation"].lower(), slots[r["object"]]) for r in graph["relations"]]
    aligned = [t for t in tuples if min(t[0], t[2]) >= 0 and t[0] != t[2]]
    notes = {"entities_unaligned": nouns.count(-1), "edges_unaligned": len(tuples) - len(aligned), "edges_filled": 0}
    relations = [_fill_relation(relation, aligned, notes) for relation in concepts.relations]
    pairs = {frozenset((r.subject, r.object)) for r in relations if min(r.subject, r.object) >= 0}
    known = [frozenset((one, other)) for one, _, other in aligned]
    notes["edges_agreed"] = sum(pair in pairs for pair in known) - notes["edges_filled"]
    notes["edges_graph_only"] = sum(pair not in pairs for pair in known)
    notes["edges_rules_only"] = len(pairs - set(known))
    attributes = [_fill_attribute(a, graph["entities"], slots) for a in concepts.attributes]
    return replace(concepts, relations=list(dict.fromkeys(relations)), attributes=attributes, notes=notes)


def find_entity(chunk: "Span", concepts: Concepts, tokens: Sequence[Token]) -> int:
    """Returns the index of the entity that corresponds to a noun chunk; −1 if there is none.

    This is the entity with the same head, or with the head of the chunk as an attribute ("a group" of people), or else
    the entity inside the chunk if there is exactly one.
    """
    at, entities = chunk.root.idx, concepts.entities
    hits = [n for n, e in enumerate(entities) if e.start <= at < e.end]
    hits += [a.entity for a in concepts.attributes if tokens[a.word].start <= at < tokens[a.word].end]
    inside = [n for n, e in enumerate(entities) if chunk.start_char <= e.start and e.end <= chunk.end_char]
    return hits[0] if hits else inside[0] if len(inside) == 1 else -1


def _fill_relation(relation: Relation, tuples: list[tuple[int, str, int]], notes: dict[str, int]) -> Relation:
    """Fills a missing subject or object of a relation from a tuple that shares a word and the other entity with it."""
    if min(relation.subject, relation.object) >= 0:
        return relation
    for one, text, other in tuples:
        same = set(text.split()) & set(relation.text.split())
        if same and relation.subject in (-1, one) and relation.object in (-1, other):
            notes["edges_filled"] += 1
            return replace(relation, subject=one, object=other)
    return relation


def _fill_attribute(attribute: Attribute, entities: list[dict], slots: list[int]) -> Attribute:
    """Fills the missing entity of an attribute from a noun chunk that has the attribute as a modifier."""
    if attribute.entity >= 0:
        return attribute
    for entity, slot in zip(entities, slots, strict=True):
        modifiers = {text.lower() for m in entity["modifiers"] for text in (m["span"], m["lemma_span"])}
        if slot >= 0 and attribute.text in modifiers:
            return replace(attribute, entity=slot)
    return attribute


def from_noun_chunks(doc: "Doc") -> Concepts:
    """Returns the heads of spaCy's noun chunks as entities, without edges: the fallback if the rules found none."""
    spoken = [t for t in doc if re.search(r"\w", t.text)]
    roots = [c.root for c in doc.noun_chunks if c.root.pos_ not in ("PRON", "DET") and c.root in spoken]
    if not roots:
        roots = [t for t in spoken if not (t.is_stop or t.is_punct)]
    words = [t for t in doc if not t.is_space]
    place = {t.i: n for n, t in enumerate(words)}
    entities = [Entity(t.lemma_.lower(), t.lemma_.lower(), t.idx, t.idx + len(t.text), place[t.i]) for t in roots]
    return Concepts(entities=entities, empty=True)
