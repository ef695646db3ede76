"""Extracts entity, attribute and relation sets (§3.1.1) from the UD tree of a caption, by rules.

To add a rule, write a function with an example in its docstring ("caption → result", which is tested), and put the
function into the list of its phase.
"""

from collections.abc import Callable, Sequence

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Entity, Relation, Token
from hspcgan.pipeline.concepts.extract import attach, attributes, fold_phrases, relations
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon

# Rules that change the tree before concepts are extracted, in order of execution.
FOLDS: tuple[Callable[[Tree], None], ...] = (
    fold_phrases.modifiers_of_compounds,
    fold_phrases.quantities,
    fold_phrases.places_on_things,
    fold_phrases.adverbs_before_prepositions,
    fold_phrases.colours_on_parts,
    fold_phrases.unnamed_things,
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
    heads = [i for i in range(len(tree)) if tree.is_entity(i)]
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


def entity(tree: Tree, i: int) -> Entity:
    """Returns the entity of a head noun; its text is the lemma; for a name, type and name ("location new york").

    a cocktail party → party
    this small bird has red wings → bird, wing
    two birds sit beside a bird → bird, bird
    a man in shorts with two glasses of water and a woman wearing glasses → man, shorts, glass, water, woman, glasses
    Many people are walking in New York. → people, location new york
    John and his wife are attending a cocktail party → person john, wife, party
    """
    parts = tree.name_parts(i)
    head = tree.persons.get(i) or " ".join(tree.lemmas[p] for p in parts)
    latin = any("a" <= letter <= "z" for letter in head.lower())  # the models do not know other scripts
    kind = entity_type(tree.tokens[i].ner) if tree.pos[i] == "PROPN" and latin else ""
    start, end = tree.tokens[parts[0]].start, tree.tokens[parts[-1]].end
    return Entity(head, f"{kind} {head}".strip(), start, end, i, kind)


def entity_type(ner: str) -> str:
    """Returns the prefix for a type of named entity: "person" for PERSON, "location" for GPE, "" for unlisted types."""
    return dict(line.split() for line in lexicon("entity_types")).get(ner, "")
