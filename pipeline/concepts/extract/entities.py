"""The entities of the concept sets (§3.1.1): head nouns, multi-word names, named-entity types."""

from hspcgan.pipeline.concepts.concept_types import Entity
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon


def entity(tree: Tree, i: int) -> Entity:
    """Returns the entity of a head noun; its text is the lemma; for a name, type and name ("location new york").

    a cocktail party → party
    this small bird has red wings → bird, wing
    two birds sit beside a bird → bird, bird
    a man in shorts with two glasses of water and a woman wearing glasses → man, shorts, glass, water, woman, glasses
    Many people are walking in New York. → people, location new york
    John and his wife are attending a cocktail party → person john, wife, party
    """
    parts = name_parts(tree, i)
    head = tree.persons.get(i) or " ".join(tree.lemmas[p] for p in parts)
    latin = any("a" <= letter <= "z" for letter in head.lower())  # the models do not know other scripts
    kind = entity_type(tree.tokens[i].ner) if tree.pos[i] == "PROPN" and latin else ""
    start, end = tree.tokens[parts[0]].start, tree.tokens[parts[-1]].end
    return Entity(head, f"{kind} {head}".strip(), start, end, i, kind)


def name_parts(tree: Tree, i: int) -> list[int]:
    """Returns the words of a proper name, including its head ("new york"); for other nouns only the head."""
    if tree.pos[i] != "PROPN":
        return [i]
    parts = [c for c in tree.children(i, "flat", "compound") if tree.pos[c] == "PROPN"]
    return sorted([i, *parts])


def entity_type(ner: str) -> str:
    """Returns the prefix for a type of named entity: "person" for PERSON, "location" for GPE, "" for unlisted types."""
    return dict(line.split() for line in lexicon("entity_types")).get(ner, "")
