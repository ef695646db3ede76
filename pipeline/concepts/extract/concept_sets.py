"""Extracts entity, attribute and relation sets (§3.1.1) from the UD tree of a caption, by rules.

To add a rule, write a function with an example in its docstring ("caption → result", which is tested), and put the
function into the list of its phase.
"""

from collections.abc import Callable, Sequence

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Relation, Token
from hspcgan.pipeline.concepts.extract import attach, attributes, fold_phrases, relations
from hspcgan.pipeline.concepts.extract.entities import entity
from hspcgan.pipeline.concepts.extract.tree import Tree

# Rules that change the tree before concepts are extracted, in order of execution.
FOLDS: tuple[Callable[[Tree], None], ...] = (
    fold_phrases.modifiers_of_compounds,
    fold_phrases.quantities,
    fold_phrases.places_on_things,
    fold_phrases.adverbs_before_prepositions,
    fold_phrases.colours_on_parts,
    attach.phrases,
    fold_phrases.unnamed_persons,
)


def concepts_from_tokens(tokens: Sequence[Token]) -> Concepts:
    """
    Returns the concept sets of one caption, without sng_parser's graph.

    Entities, attributes and relations are in the order of their words. Phrases are lemmas in lower case.
    """
    tree = Tree(tokens)
    for rule in FOLDS:
        rule(tree)
    heads = [i for i in range(len(tree)) if tree.is_entity(i) and not relations.is_colour_predicate(tree, i)]
    slot = {i: n for n, i in enumerate(heads)}
    found = sorted({(word, owner, text) for text, owner, word in attributes.attributes(tree)})
    edges = (
        Relation(text, slot.get(one, -1), slot.get(other, -1), word)
        for text, one, other, word in relations.relations(tree)
    )
    return Concepts(
        entities=[entity(tree, i) for i in heads],
        attributes=[Attribute(text, slot.get(owner, -1), word) for word, owner, text in found],
        relations=list(dict.fromkeys(edges)),
        empty=not heads,
    )
