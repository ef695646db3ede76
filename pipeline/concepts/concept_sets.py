"""An analysed caption → its entity, attribute and relation sets (§3.1.1), by rules over its dependency tree.

The rules read Universal Dependencies, whoever annotated them. The captions in the docstrings are the rules' tests.
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts import relations as rules
from hspcgan.pipeline.concepts import roles
from hspcgan.pipeline.concepts.folds import folded
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs
from hspcgan.pipeline.concepts.tokens import Attribute, Concepts, Entity, Relation, Token
from hspcgan.pipeline.concepts.tree import COLOURED, NOMINAL, Tree


def concepts_from_tokens(tokens: Sequence[Token]) -> Concepts:
    """The concept sets of one caption, without sng_parser's graph.

    Entities, attributes and relations come in the order of their words. Phrases are lemmas in lower case.
    """
    tree = folded(tokens)
    heads = [i for i in range(len(tree)) if tree.is_entity(i) and not rules.is_colour_predicate(tree, i)]
    slot = {i: n for n, i in enumerate(heads)}
    found = sorted({(word, owner, text) for text, owner, word in attributes(tree)})
    edges = [(text, slot.get(one, -1), slot.get(other, -1), word) for text, one, other, word in rules.relations(tree)]
    return Concepts(
        entities=[entity(tree, i) for i in heads],
        attributes=[Attribute(text, slot.get(owner, -1), word) for word, owner, text in found],
        relations=[Relation(*edge) for edge in dict.fromkeys(edges)],
        empty=not heads,
    )


def entity(tree: Tree, i: int) -> Entity:
    """The head noun's lemma; a name of many words is one entity; a named entity carries its type in front.

    a cocktail party → party
    this small bird has red wings → bird, wing
    two birds sit beside a bird → bird, bird
    a man in shorts with two glasses of water and a woman wearing glasses → man, shorts, glass, water, woman, glasses
    Many people are walking in New York. → people, location new york
    John and his wife are attending a cocktail party → person john, wife, party
    """
    parts = name_parts(tree, i)
    head = tree.persons.get(i) or " ".join(tree.lemma(p) for p in parts)
    latin = any("a" <= letter <= "z" for letter in head.lower())  # of other scripts the models know nothing
    kind = entity_type(tree.tokens[i].ner) if tree.upos(i) == "PROPN" and latin else ""
    start, end = tree.tokens[parts[0]].start, tree.tokens[parts[-1]].end
    return Entity(head, f"{kind} {head}".strip(), start, end, i, kind)


def name_parts(tree: Tree, i: int) -> list[int]:
    """The words of a proper name, its head included: "new york"; of other nouns the head alone."""
    if tree.upos(i) != "PROPN":
        return [i]
    parts = [c for c in tree.children(i, "flat", "compound") if tree.upos(c) == "PROPN"]
    return sorted([i, *parts])


def entity_type(ner: str) -> str:
    """The word that stands before a named entity: "person" of PERSON, "location" of GPE; "" of other types."""
    return dict(line.split() for line in lexicon("entity_types")).get(ner, "")


def attributes(tree: Tree) -> Iterator[tuple[str, int, int]]:
    """(text, entity's token or -1, word) of each attribute of a caption."""
    for i in range(len(tree)):
        if i in tree.quantities:
            if tree.upos(i) not in ("DET", "PRON"):
                yield tree.lemma(i), tree.head[i], i
        elif tree.is_a(i, "amod", "nummod", "compound", "det"):
            yield from modifier(tree, i)
        else:
            yield from predicate(tree, i)


def modifier(tree: Tree, i: int) -> Iterator[tuple[str, int, int]]:
    """Words before a noun: adjectives, participles without complement, numbers, nouns, "no".

    a black and white bird → black (bird), white (bird)
    a flying bird → flying (bird)
    two birds → two (bird)
    a cocktail party → cocktail (party)
    a dining room table → dining room (table)
    a bird with no crest → no (crest)
    a no parking sign on a wall → no parking (sign)
    an orange-red car → orange-red (car)
    """
    noun = tree.head[i]
    if not tree.is_entity(noun) or i in name_parts(tree, noun) or tree.is_a(i, "compound:prt"):
        return
    if tree.is_a(i, "det") and (tree.lemma(i) != "no" or forbids(tree, i + 1)):
        return
    for word in tree.with_conjuncts(i):
        if tree.upos(word) == "VERB" and rules.is_predicate_verb(tree, word):
            continue
        if tree.is_spoken(word) and not (is_shade(tree, word) or goes_on(tree, word)):
            yield denied_or(tree, word), noun, word


def forbids(tree: Tree, i: int) -> bool:
    """Whether a sign says "no" to what stands before it; "no stop sign" says that there is none."""
    after = i > 0 and tree.lemma(i - 1) == "no" and i + 1 < len(tree) and tree.lemma(i + 1) == "sign"
    return after and tree.head[i] == i + 1 and f"{tree.lemma(i)} sign" not in lexicon("compounds")


def predicate(tree: Tree, i: int) -> Iterator[tuple[str, int, int]]:
    """Adjectives, colours and states that a clause says of its subject.

    the belly of the bird is white and its wings are red → white (belly), red (wing)
    a bird that is yellow and black → yellow (bird), black (bird)
    the man looks happy → happy (man)
    the beak is curved → curved (beak)
    the bird is not red → not red (bird)
    a toilet with the seat up → up (seat)
    the lid is up and the light is off → up (lid), off (light)
    a man is about to hit a ball → hit (man, ball)
    """
    if i > 0 and is_position(tree, i):
        yield tree.lemma(i), i - 1, i
    if tree.is_a(i, "case", "amod", "advmod", "fixed", "compound") or tree.is_mutual(i):
        return
    state = tree.upos(i) == "VERB" and roles.is_passive(tree, i) and not rules.is_predicate_verb(tree, i)
    governed = tree.is_a(i, "root", "conj", "xcomp", "acl", "advcl", "ccomp", "parataxis")
    cop = bool(tree.children(i, "cop"))
    quality = tree.upos(i) == "ADJ" and (governed or cop) and tree.lemma(i) != "about"
    quality |= cop and tree.lemma(i) in {"on", "off", *lexicon("positions")}
    if tree.is_a(i, "conj") and tree.is_a(tree.head[i], "amod"):
        return
    if not (state or quality or rules.is_colour_predicate(tree, i)):
        return
    text = denied_or(tree, i)
    for owner in roles.subjects(tree, i) or [-1]:
        yield text, owner, i


def denied_or(tree: Tree, i: int) -> str:
    """An attribute's text, "not" in front of what is denied."""
    return ("not " if roles.is_denied(tree, i) else "") + attribute_text(tree, i)


def is_position(tree: Tree, i: int) -> bool:
    """An adverb of state right after a noun, whatever noun it was hung on: "the seat up", "a sky overhead"."""
    bare = tree.is_a(i, "advmod", "compound:prt", "acl", "amod", "dep") and not tree.children(i)
    return (
        bare and tree.lemma(i) in lexicon("positions") and tree.is_entity(i - 1) and tree.upos(tree.head[i]) in NOMINAL
    )


def attribute_text(tree: Tree, i: int) -> str:
    """The lemma of an adjective or number, the form of a participle, the whole of a compound.

    a larger bird → large
    a painted wall → painted
    a long-tailed bird → long-tailed
    a light blue sky → light blue
    a white colored truck → white
    a rust colored wall → rust colored
    a black haired boy → black haired
    a medium sized bird → medium sized
    a medium size dog → medium size
    """
    start, tokens = i, tree.tokens
    if forbids(tree, i):
        return f"no {tokens[i].text.lower()}"
    while start > 0 and tokens[start - 1].end == tokens[start].start and _hyphenated(tree, start):
        start -= 1
    if start < i:
        return "".join(token.text for token in tokens[start : i + 1]).lower()
    inner = [attribute_text(tree, c) for c in tree.children(i, "compound") if c < i]
    if i > 0 and is_shade(tree, i - 1):
        if tokens[i].text.lower() in COLOURED and tree.lemma(i - 1) in lexicon("colours"):
            return tree.lemma(i - 1)
        inner = [tokens[i - 1].text.lower()]
        if i > 1 and is_shade(tree, i - 2):
            inner.insert(0, tree.lemma(i - 2))
        return " ".join([*inner, tokens[i].text.lower()])
    form = tokens[i].text.lower() if tree.upos(i) == "VERB" else tree.lemma(i)
    return " ".join([*inner, form])


def is_shade(tree: Tree, i: int) -> bool:
    """a light blue sky · a cream colored wall · a black haired boy: the first word belongs to the second"""
    if i + 1 >= len(tree) or tree.head[i] not in (i + 1, tree.head[i + 1]) or tree.is_entity(i + 1):
        return False
    after = tree.tokens[i + 1].text.lower()
    if tree.upos(i) not in ("ADJ", "NOUN", "ADV", "VERB", "NUM"):
        return False
    return (
        after in (*COLOURED, "size", "sized", "shaped")
        or after in pairs("bearers")
        or (tree.lemma(i) in lexicon("shades") and after in lexicon("colours"))
    )


def goes_on(tree: Tree, i: int) -> bool:
    """Whether a hyphen joins a word to the next one, which is no entity: "orange" of "orange-red"."""
    if i + 2 >= len(tree) or tree.is_entity(i + 2):
        return False
    one, hyphen, other = tree.tokens[i : i + 3]
    return hyphen.text == "-" and one.end == hyphen.start and hyphen.end == other.start


def _hyphenated(tree: Tree, start: int) -> bool:
    """Whether the word at `start` or the one before is a hyphen, inside one modifier."""
    return "-" in (tree.tokens[start].text, tree.tokens[start - 1].text)
