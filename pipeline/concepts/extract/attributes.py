"""The attribute rules of the concept sets (§3.1.1): words before a noun, and predicates of a clause."""

from collections.abc import Iterator

from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL
from hspcgan.pipeline.concepts.extract import arguments, relations
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs


def attributes(tree: Tree) -> Iterator[tuple[str, int, int]]:
    """Yields (text, token index of the entity or −1, token index of the attribute) for each attribute of a caption."""
    for i in range(len(tree)):
        if i in tree.quantities:
            if tree.pos[i] not in ("DET", "PRON"):
                yield tree.lemmas[i], tree.heads[i], i
        elif tree.is_a(i, "amod", "nummod", "compound", "det"):
            yield from modifier(tree, i)
        else:
            yield from predicate(tree, i)


def modifier(tree: Tree, i: int) -> Iterator[tuple[str, int, int]]:
    """Yields attributes from words before a noun: adjectives, participles without complements, numbers, nouns, "no".

    a black and white bird → black (bird), white (bird)
    a flying bird → flying (bird)
    two birds → two (bird)
    a cocktail party → cocktail (party)
    a dining room table → dining room (table)
    a bird with no crest → no (crest)
    a no parking sign on a wall → no parking (sign)
    an orange-red car → orange-red (car)
    """
    noun = tree.heads[i]
    if not tree.is_entity(noun) or i in tree.name_parts(noun) or tree.is_a(i, "compound:prt"):
        return
    if tree.is_a(i, "det") and (tree.lemmas[i] != "no" or is_prohibition(tree, i + 1)):
        return
    for word in tree.with_conjuncts(i):
        if tree.pos[word] == "VERB" and relations.is_predicate_verb(tree, word):
            continue
        if tree.has_letter_or_digit(word) and not (is_shade(tree, word) or is_hyphen_prefix(tree, word)):
            for owner in tree.with_conjuncts(noun) if i in tree.shared else [noun]:
                yield text_with_negation(tree, word), owner, word


def is_prohibition(tree: Tree, i: int) -> bool:
    """Whether "no" before a word is a prohibition on a sign: true for "no parking sign", false for "no stop sign"."""
    after = i > 0 and tree.lemmas[i - 1] == "no" and i + 1 < len(tree) and tree.lemmas[i + 1] == "sign"
    return after and tree.heads[i] == i + 1 and f"{tree.lemmas[i]} sign" not in lexicon("compounds")


def predicate(tree: Tree, i: int) -> Iterator[tuple[str, int, int]]:
    """Yields attributes from adjectives, colours and states that are predicates of a clause.

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
        yield tree.lemmas[i], i - 1, i
    if tree.is_a(i, "case", "amod", "advmod", "fixed", "compound"):
        return
    state = tree.pos[i] == "VERB" and arguments.is_passive(tree, i) and not relations.is_predicate_verb(tree, i)
    governed = tree.is_a(i, "root", "conj", "xcomp", "acl", "advcl", "ccomp", "parataxis")
    cop = bool(tree.children(i, "cop"))
    quality = tree.pos[i] == "ADJ" and (governed or cop) and tree.lemmas[i] != "about"
    quality |= cop and tree.lemmas[i] in {"on", "off", *lexicon("positions")}
    if tree.is_a(i, "conj") and tree.is_a(tree.heads[i], "amod"):
        return
    if not (state or quality):
        return
    text = text_with_negation(tree, i)
    for owner in arguments.subjects(tree, i) or [-1]:
        yield text, owner, i


def text_with_negation(tree: Tree, i: int) -> str:
    """Returns the text of an attribute, with "not" in front if it is negated."""
    return ("not " if arguments.is_negated(tree, i) else "") + attribute_text(tree, i)


def is_position(tree: Tree, i: int) -> bool:
    """Whether a word states the position of the noun directly before it: "the seat up", "a sky overhead"."""
    bare = tree.is_a(i, "advmod", "compound:prt", "acl", "amod", "dep") and not tree.children(i)
    after_noun = tree.is_entity(i - 1) and tree.pos[tree.heads[i]] in NOMINAL
    return bare and after_noun and tree.lemmas[i] in lexicon("positions")


def attribute_text(tree: Tree, i: int) -> str:
    """Returns the lemma of an adjective or number, a participle as written, or all words of a compound.

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
    if is_prohibition(tree, i):
        return f"no {tokens[i].text.lower()}"
    while start > 0 and tokens[start - 1].end == tokens[start].start and _hyphenated(tree, start):
        start -= 1
    if start < i:
        return "".join(token.text for token in tokens[start : i + 1]).lower()
    inner = [attribute_text(tree, c) for c in tree.children(i, "compound") if c < i]
    if i > 0 and is_shade(tree, i - 1):
        if tokens[i].text.lower() in COLOURED and tree.lemmas[i - 1] in lexicon("colours"):
            return tree.lemmas[i - 1]
        inner = [tokens[i - 1].text.lower()]
        if i > 1 and is_shade(tree, i - 2):
            inner.insert(0, tree.lemmas[i - 2])
        return " ".join([*inner, tokens[i].text.lower()])
    form = tokens[i].text.lower() if tree.pos[i] == "VERB" else tree.lemmas[i]
    return " ".join([*inner, form])


def is_shade(tree: Tree, i: int) -> bool:
    """Whether a word modifies the modifier after it: "light blue sky", "cream colored wall", "black haired boy"."""
    if i + 1 >= len(tree) or tree.heads[i] not in (i + 1, tree.heads[i + 1]) or tree.is_entity(i + 1):
        return False
    after = tree.words[i + 1]
    if tree.pos[i] not in ("ADJ", "NOUN", "ADV", "VERB", "NUM"):
        return False
    of_colour = tree.lemmas[i] in lexicon("shades") and after in lexicon("colours")
    return of_colour or after in (*COLOURED, "size", "sized", "shaped") or after in pairs("part_words")


def is_hyphen_prefix(tree: Tree, i: int) -> bool:
    """Whether a hyphen joins a word to a following word that is not an entity: "orange" in "orange-red"."""
    if i + 2 >= len(tree) or tree.is_entity(i + 2):
        return False
    one, hyphen, other = tree.tokens[i : i + 3]
    return hyphen.text == "-" and one.end == hyphen.start and hyphen.end == other.start


def _hyphenated(tree: Tree, start: int) -> bool:
    """Whether the word at `start` or the word before it is a hyphen."""
    return "-" in (tree.tokens[start].text, tree.tokens[start - 1].text)
