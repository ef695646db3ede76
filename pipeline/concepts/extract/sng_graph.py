"""sng_parser's scene graph of a parsed caption, laid over the concept sets by character span (§3.1.2)."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from spacy.tokens import Doc, Span

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Entity, Relation, Token


@cache
def _backend() -> Any:
    """sng_parser's spaCy backend for ready Docs: all it asks of spaCy is `self.nlp(sentence)`."""
    import sng_parser.backends  # noqa: F401  # fills the registry; its decorator leaves None under the class's own name
    from sng_parser import Parser, database

    with warnings.catch_warnings():  # it does not close its word lists
        warnings.simplefilter("ignore", ResourceWarning)
        for name in ("phrasal-preps.txt", "phrasal-verbs.txt", "scene-nouns.txt"):
            database.load_list(name)
    base: Any = Parser._backend_registry["spacy"]

    class DocParser(base):
        """Reads Docs parsed elsewhere, in batches, instead of loading a model of its own."""

        def __init__(self) -> None:
            self.nlp = lambda doc: doc

    return DocParser()


def raw_graph(doc: Doc) -> dict:
    """The graph that `sng_parser.parse(doc.text)` returns, from a Doc that is parsed already."""
    return _backend().parse(doc)


def with_graph(concepts: Concepts, doc: Doc, tokens: Sequence[Token]) -> Concepts:
    """The concept sets with sng_parser's graph over them; of a caption without entities, its noun chunks."""
    return add_graph(from_noun_chunks(doc) if concepts.empty else concepts, doc, tokens)


def add_graph(concepts: Concepts, doc: Doc, tokens: Sequence[Token]) -> Concepts:
    """Fills gaps in the concept sets' edges from sng_parser's graph, and counts how the two compare.

    An attribute without entity, or a relation without one of its ends, takes it from the graph if a tuple there has the
    same words and the other end. `notes` counts

    - `entities_unaligned`: nouns of the graph that are no entity of the sets;
    - the graph's relations by what became of them: `edges_agreed` (the rules relate the same two entities),
      `edges_filled`, `edges_unaligned` (an end is no entity, or both are the same), `edges_graph_only` (dropped: nearly
      all come from a modifier that was given to the wrong conjunct);
    - `edges_rules_only`: pairs of entities that the rules relate and the graph does not.
    """
    graph = raw_graph(doc)
    chunks = [doc[e["span_bounds"][0] : e["span_bounds"][1]] for e in graph["entities"]]
    slots = [locate(chunk, concepts, tokens) for chunk in chunks]
    nouns = [slot for slot, chunk in zip(slots, chunks, strict=True) if chunk.root.pos_ != "PRON"]
    tuples = [(slots[r["subject"]], r["lemma_relation"].lower(), slots[r["object"]]) for r in graph["relations"]]
    aligned = [t for t in tuples if min(t[0], t[2]) >= 0 and t[0] != t[2]]
    notes = {"entities_unaligned": nouns.count(-1), "edges_unaligned": len(tuples) - len(aligned), "edges_filled": 0}
    relations = [_fill(relation, aligned, notes) for relation in concepts.relations]
    pairs = {frozenset((r.subject, r.object)) for r in relations if min(r.subject, r.object) >= 0}
    known = [frozenset((one, other)) for one, _, other in aligned]
    notes["edges_agreed"] = sum(pair in pairs for pair in known) - notes["edges_filled"]
    notes["edges_graph_only"] = sum(pair not in pairs for pair in known)
    notes["edges_rules_only"] = len(pairs - set(known))
    attributes = [_attach(a, graph["entities"], slots) for a in concepts.attributes]
    whole = replace(concepts, relations=list(dict.fromkeys(relations)), attributes=attributes, notes=notes)
    return replace(whole, graph=drawing(whole))


def locate(chunk: Span, concepts: Concepts, tokens: Sequence[Token]) -> int:
    """The entity that a noun chunk stands for; −1 if there is none.

    That is the entity with the same head, or with the chunk's head as an attribute ("a group" of people), or else the
    only one inside the chunk.
    """
    at, entities = chunk.root.idx, concepts.entities
    hits = [n for n, e in enumerate(entities) if e.start <= at < e.end]
    hits += [a.entity for a in concepts.attributes if tokens[a.word].start <= at < tokens[a.word].end]
    inside = [n for n, e in enumerate(entities) if chunk.start_char <= e.start and e.end <= chunk.end_char]
    return hits[0] if hits else inside[0] if len(inside) == 1 else -1


def _fill(relation: Relation, tuples: list[tuple[int, str, int]], notes: dict[str, int]) -> Relation:
    """The relation with a missing end taken from a tuple that shares its words and its other end."""
    if min(relation.subject, relation.object) >= 0:
        return relation
    for one, text, other in tuples:
        same = set(text.split()) & set(relation.text.split())
        if same and relation.subject in (-1, one) and relation.object in (-1, other):
            notes["edges_filled"] += 1
            return replace(relation, subject=one, object=other)
    return relation


def _attach(attribute: Attribute, entities: list[dict], slots: list[int]) -> Attribute:
    """An attribute without entity is given to the chunk with a modifier of that text."""
    if attribute.entity >= 0:
        return attribute
    for entity, slot in zip(entities, slots, strict=True):
        modifiers = {text.lower() for m in entity["modifiers"] for text in (m["span"], m["lemma_span"])}
        if slot >= 0 and attribute.text in modifiers:
            return replace(attribute, entity=slot)
    return attribute


def drawing(concepts: Concepts) -> dict:
    """The scene graph as plain lists and dicts, in sng_parser's layout, for `captions.parquet` and for drawing."""
    entities: list[dict] = [
        {"head": e.head, "attributes": [], "start": e.start, "end": e.end} for e in concepts.entities
    ]
    for attribute in concepts.attributes:
        if attribute.entity >= 0:
            entities[attribute.entity]["attributes"].append(attribute.text)
    return {"entities": entities, "relations": [[r.subject, r.text, r.object] for r in concepts.relations]}


def from_noun_chunks(doc: Doc) -> Concepts:
    """The fallback where the rules found nothing: the heads of spaCy's noun chunks as entities, without edges."""
    spoken = [t for t in doc if re.search(r"\w", t.text)]
    roots = [c.root for c in doc.noun_chunks if c.root.pos_ not in ("PRON", "DET") and c.root in spoken]
    if not roots:
        roots = [t for t in spoken if not (t.is_stop or t.is_punct)]
    words = [t for t in doc if not t.is_space]
    place = {t.i: n for n, t in enumerate(words)}
    entities = [Entity(t.lemma_.lower(), t.lemma_.lower(), t.idx, t.idx + len(t.text), place[t.i]) for t in roots]
    return Concepts(entities=entities, empty=True)
