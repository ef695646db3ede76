"""An analysed caption → its entity, attribute and relation sets (§3.1.1), by rules over its dependency tree.

The rules read Universal Dependencies from any annotator.
"""

from collections.abc import Sequence

from hspcgan.pipeline.concepts.extract.attributes import attributes
from hspcgan.pipeline.concepts.extract.entities import entity
from hspcgan.pipeline.concepts.extract.fold import folded
from hspcgan.pipeline.concepts.extract.relations import is_colour_predicate, relations
from hspcgan.pipeline.concepts.tokens import Attribute, Concepts, Relation, Token


def concepts_from_tokens(tokens: Sequence[Token]) -> Concepts:
    """The concept sets of one caption, without sng_parser's graph.

    Entities, attributes and relations come in the order of their words. Phrases are lemmas in lower case.
    """
    tree = folded(tokens)
    heads = [i for i in range(len(tree)) if tree.is_entity(i) and not is_colour_predicate(tree, i)]
    slot = {i: n for n, i in enumerate(heads)}
    found = sorted({(word, owner, text) for text, owner, word in attributes(tree)})
    edges = [(text, slot.get(one, -1), slot.get(other, -1), word) for text, one, other, word in relations(tree)]
    return Concepts(
        entities=[entity(tree, i) for i in heads],
        attributes=[Attribute(text, slot.get(owner, -1), word) for word, owner, text in found],
        relations=[Relation(*edge) for edge in dict.fromkeys(edges)],
        empty=not heads,
    )
