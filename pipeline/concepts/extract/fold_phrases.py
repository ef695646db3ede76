"""Simplifies the tree before concepts are extracted: merges quantities, places and two-word prepositions."""

from collections.abc import Iterator

from hspcgan.pipeline.concepts.editable_tree import NEAR, NOMINAL
from hspcgan.pipeline.concepts.extract.tree import SIDES, Tree
from hspcgan.pipeline.concepts.lexicons import lexicon

# The noun for a pronoun if no noun before it names the person.
PERSONS = {"he": "man", "him": "man", "she": "woman", "her": "woman", "they": "people", "them": "people"}
PERSONS |= dict.fromkeys(("someone", "somebody", "anyone", "anybody"), "person")
MEMBERS = ("one", "another", "other", "second", "third")


def modifiers_of_compounds(tree: Tree) -> None:
    """Attaches an adjective or colour before a compound, or before another adjective, to the head noun.

    a white table cloth → white (cloth), table (cloth)
    a bird with a short pointy bill → short (bill), pointy (bill)
    a kitchen with a stove back splash → stove (splash), back (splash), with (kitchen, splash)
    """
    for i in range(len(tree)):
        noun = tree.heads[i]
        if tree.pos[i] == "ADV" and tree.is_a(i - 1, "compound") and tree.heads[i - 1] == i + 1:
            tree.attach(i, to=i + 1, label="compound")
        if noun <= i or not tree.is_a(i, "amod", "nummod", "det", "compound"):
            continue
        if tree.is_a(i, "compound"):
            if tree.lemmas[i] not in lexicon("colours") or tree.children(i):
                continue
            tree.relabel(i, "amod")
        while tree.heads[noun] > noun and _is_inside(tree, i, noun):
            noun = tree.heads[noun]
        tree.attach(i, to=noun)


def _is_inside(tree: Tree, i: int, noun: int) -> bool:
    """Whether `noun`, the head of `i`, is itself a modifier of another noun."""
    if tree.is_a(noun, "compound") and tree.pos[noun] in NOMINAL:
        return True
    return tree.is_a(noun, "amod") and tree.is_a(i, "amod") and tree.pos[noun] in ("ADJ", "VERB")


def quantities(tree: Tree) -> None:
    """Makes the counted thing the entity, and a quantity noun ("a group of", "a slice of") its attribute.

    Adjectives before the quantity describe the thing, except before group nouns ("a large group of people").

    a group of people standing on a hill → group (people), stand on (people, hill)
    one of the boys wears a hat → one (boy), wear (boy, hat)
    some of the apples are green → green (apple)
    two of the three dogs are brown → two (dog), three (dog), brown (dog)
    a girl eating a large slice of pizza → large (pizza), slice (pizza)
    a metal statue of a horse → metal (horse), statue (horse)
    a cheese covered slice of pizza → cover (cheese, pizza), slice (pizza)
    """
    partitives = (i for i in range(len(tree)) if tree.pos[i] in ("DET", "PRON", "NUM"))
    for i in sorted([*_nouns(tree, "quantity_nouns"), *partitives]):
        noun = tree.complement(i, "of")
        if noun < 0:
            continue
        for case in tree.children(noun, "case"):
            tree.attach(case, to=i, label="fixed")
        for material in tree.children(i, "compound"):
            if tree.lemmas[material] in lexicon("describing_nouns"):
                tree.relabel(material, "amod")
        own = ("fixed", "compound", "amod") if tree.lemmas[i] in lexicon("group_nouns") else ("fixed", "compound")
        kept = [c for c in tree.children(i, *own) if not tree.children(c, "obl:npmod")]
        _replace(tree, i, noun, "amod", keep=kept)
        tree.quantities.add(i)


def places_on_things(tree: Tree) -> None:
    """Merges a noun for a place on a thing into the preposition: "in front of", "on side of".

    a boy sits in front of a window → sit in front of (boy, window)
    a white sign on the side of a building → on side of (sign, building)
    """
    for i in _nouns(tree, "place_nouns"):
        noun = tree.complement(i, "of")
        if noun < 0 and tree.lemmas[i] in SIDES:
            noun = next((c for c in tree.children(i, "nmod:poss") if tree.pos[c] in NOMINAL), -1)
        if noun < 0 or not tree.children(i, "case"):
            continue
        _replace(tree, i, noun, "case", keep=tree.children(i, "det"))
        for child in tree.children(noun, "amod", "compound"):
            if child < i:
                tree.relabel(child, "case")
        for child in tree.children(i, "det"):
            if tree.lemmas[child] in ("both", "either"):
                tree.attach(child, to=noun, label="case")


def adverbs_before_prepositions(tree: Tree) -> None:
    """Merges an adverb into the preposition after it: "next to", "out of", "away from".

    a man stands next to a tree → stand next to (man, tree)
    """
    for i in range(len(tree)):
        bare = tree.pos[i] == "ADV" or (tree.pos[i] == "ADP" and tree.is_a(i, "advmod"))
        if bare or (tree.pos[i] in ("ADJ", "ADP") and tree.lemmas[i] in NEAR):
            noun = tree.complement(i)
            if noun >= 0 and tree.pos[noun] in (*NOMINAL, "PRON"):
                modifies = tree.is_a(i, "advmod", "amod", "acl")
                _replace(tree, i, noun, "case", keep=tree.children(i, "advmod"))
                if modifies:
                    tree.relabel(noun, "nmod" if tree.pos[tree.heads[noun]] in NOMINAL else "obl")


def colours_on_parts(tree: Tree) -> None:
    """Converts "with gray on its back" to "with a gray back", whatever the parse of the colour.

    a bird with yellow on its chest → yellow (chest), with (bird, chest)
    this bird is white with gray on its back and tail → white (bird), gray (back), gray (tail), with (bird, tail)
    a bird with red and black on the wings → red (wing), black (wing), with (bird, wing)
    """
    for start in range(len(tree)):
        end = start + 1
        while tree.words[end] in lexicon("colours") or (end > start + 1 and tree.words[end] in ("and", ",")):
            end += 1
        part = tree.heads[end]
        is_on_part = tree.words[end] in ("on", "in") and tree.is_a(end, "case") and tree.pos[part] in NOMINAL
        if tree.lemmas[start] != "with" or end == start + 1 or not is_on_part:
            continue
        owner = start
        while start <= owner <= end or owner == part:
            owner = tree.heads[owner]
        tree.attach(part, to=owner, label="nmod" if tree.pos[owner] in NOMINAL else "obl")
        tree.attach(start, to=part, label="case")
        tree.attach(end, to=part, label="dep")
        colours = [i for i in range(start + 1, end) if tree.words[i] in lexicon("colours")]
        for i in colours:
            tree.attach(i, to=part, label="amod")
        tree.shared.update(colours)


def _replace(tree: Tree, old: int, new: int, label: str, keep: list[int]) -> None:
    """Promotes `new` over `old`, and moves the dependents of `old` to `new`, except those in `keep`."""
    tree.promote(new, over=old, label=label, moving=[c for c in tree.children(old) if c not in keep])


def unnamed_persons(tree: Tree) -> None:
    """Adds a pronoun to the entities (`tree.persons`) if no noun before it names the same person.

    he is wearing a suit → man, suit
    a cat on a desk with a computer behind him → on (cat, desk), behind (computer, cat)
    """
    for i, word in enumerate(tree.words):
        noun = PERSONS.get(word)
        if noun is None or tree.pos[i] not in ("PRON", "NOUN") or tree.is_a(i, "nmod:poss", "det", "det:predet"):
            continue
        earlier = [j for j in range(i) if tree.pos[j] in NOMINAL and tree.is_entity(j)]
        if noun == "people":
            earlier = [j for j in earlier if tree.tags[j] in ("NNS", "NNPS") or tree.children(j, "conj")]
        elif noun != "person":
            living = lexicon("persons") | lexicon("animals")
            earlier = [j for j in earlier if tree.lemmas[j] in living or tree.pos[j] == "PROPN"]
        if not earlier or noun == "person":
            tree.persons[i] = noun


def unnamed_things(tree: Tree) -> None:
    """Adds "one", "another" and "the other" to the entities (`tree.persons`) if they stand for a thing named before.

    a man cuts a pizza while another holds a plate → cut (man, pizza), hold (man, plate)
    two plates, one with a sandwich and the other with a pickle → with (plate, sandwich), with (plate, pickle)
    """
    for i, word in enumerate(tree.words):
        named = [j for j in range(i) if tree.is_entity(j) and j not in tree.persons]
        if named and word in MEMBERS and not tree.is_entity(i) and tree.is_a(i, "nsubj", "appos", "conj", "root"):
            first = min(named, key=lambda j: (tree.tags[j] != "NNS", not tree.is_a(j, "nsubj", "root")))
            tree.persons[i] = tree.lemmas[first]
            tree.relabel(i, "appos" if tree.is_a(i, "conj") else tree.labels[i])  # what follows describes only this one
            for child in tree.children(i, "obl"):
                tree.relabel(child, "nmod")


def _nouns(tree: Tree, name: str) -> Iterator[int]:
    words = lexicon(name)
    return (i for i in range(len(tree)) if tree.lemmas[i] in words and tree.pos[i] in (*NOMINAL, "ADJ", "ADV"))
