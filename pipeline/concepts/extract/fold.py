"""Phrases of a dependency tree folded onto their nouns before the concept rules read it.

The captions in the docstrings are the rules' tests.
"""

from collections.abc import Iterator, Sequence

from hspcgan.pipeline.concepts.extract.tree import NEAR, NOMINAL, SIDES, Tree
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tokens import Token

# What a pronoun stands for where nothing is named.
PERSONS = {"he": "man", "him": "man", "she": "woman", "her": "woman", "they": "people", "them": "people"}
PERSONS |= dict.fromkeys(("someone", "somebody", "anyone", "anybody"), "person")
GOING = ("walk", "fly", "run", "swim", "float")


def folded(tokens: Sequence[Token]) -> Tree:
    """The tree of a caption's tokens, in the shape that the concept rules read."""
    tree = Tree(tokens)
    _lift_modifiers(tree)
    _fold_quantities(tree)
    _fold_places(tree)
    _fold_adverbs(tree)
    _hang_pronouns(tree)
    _pass_clothes(tree)
    _pass_parts(tree)
    tree.persons = _unnamed_persons(tree)
    return tree


def _lift_modifiers(tree: Tree) -> None:
    """An adjective or colour before a compound, or before another adjective, is said of the whole.

    a white table cloth → white (cloth), table (cloth)
    a bird with a short pointy bill → short (bill), pointy (bill)
    """
    for i in range(len(tree)):
        noun = tree.head[i]
        if noun <= i or not tree.is_a(i, "amod", "nummod", "det", "compound"):
            continue
        if tree.is_a(i, "compound") and not (tree.lemma(i) in lexicon("colours") and not tree.children(i)):
            continue
        if tree.is_a(i, "compound"):
            tree.deprel[i] = "amod"
        while tree.head[noun] > noun and (
            (tree.is_a(noun, "compound") and tree.upos(noun) in NOMINAL)
            or (tree.is_a(noun, "amod") and tree.is_a(i, "amod") and tree.upos(noun) in ("ADJ", "VERB"))
        ):
            noun = tree.head[noun]
        tree.hang(i, noun)


def _fold_quantities(tree: Tree) -> None:
    """The thing counted is the entity, the noun of quantity its attribute; also in "a pile of", "a slice of".

    a group of people standing on a hill → group (people), stand on (people, hill)
    one of the boys wears a hat → one (boy), wear (boy, hat)
    some of the apples are green → green (apple)
    a cheese covered slice of pizza → cover (cheese, pizza), slice (pizza)
    """
    partitives = (i for i in range(len(tree)) if tree.upos(i) in ("DET", "PRON", "NUM"))
    for i in sorted([*_nouns(tree, "quantity_nouns"), *partitives]):
        noun = tree.complement(i, "of")
        if noun < 0:
            continue
        for case in tree.children(noun, "case"):
            tree.hang(case, i)
            tree.deprel[case] = "fixed"
        own = tree.children(i, "amod", "fixed", "compound")
        tree.replace(i, noun, keep=[c for c in own if not tree.children(c, "obl:npmod")])
        tree.deprel[i] = "amod"
        tree.quantities.add(i)


def _fold_places(tree: Tree) -> None:
    """The place on a thing is part of the preposition: "in front of" is the window's.

    a boy sits in front of a window → sit in front of (boy, window)
    a white sign on the side of a building → on side of (sign, building)
    """
    for i in _nouns(tree, "place_nouns"):
        noun = tree.complement(i, "of")
        if noun < 0 and tree.lemma(i) in SIDES:
            noun = next((c for c in tree.children(i, "nmod:poss") if tree.upos(c) in NOMINAL), -1)
        if noun < 0 or not tree.children(i, "case"):
            continue
        tree.replace(i, noun, keep=tree.children(i, "det"))
        tree.deprel[i] = "case"
        for child in tree.children(noun, "amod", "compound"):
            if child < i:
                tree.deprel[child] = "case"
        for child in tree.children(i, "det"):
            if tree.lemma(child) in ("both", "either"):
                tree.hang(child, noun)
                tree.deprel[child] = "case"


def _fold_adverbs(tree: Tree) -> None:
    """An adverb before a preposition is part of it: "next to", "out of", "away from".

    a man stands next to a tree → stand next to (man, tree)
    """
    for i in range(len(tree)):
        bare = tree.upos(i) == "ADV" or (tree.upos(i) == "ADP" and tree.is_a(i, "advmod"))
        if bare or (tree.upos(i) in ("ADJ", "ADP") and tree.lemma(i) in NEAR):
            noun = tree.complement(i)
            if noun >= 0 and tree.upos(noun) in (*NOMINAL, "PRON"):
                advmod = tree.is_a(i, "advmod", "amod", "acl")
                tree.replace(i, noun, keep=tree.children(i, "advmod"))
                tree.deprel[i] = "case"
                if advmod:
                    tree.deprel[noun] = "nmod" if tree.upos(tree.head[noun]) in NOMINAL else "obl"


def _hang_pronouns(tree: Tree) -> None:
    """A preposition with a pronoun speaks of the noun before it.

    a glass with dessert in it → in (dessert, glass)
    """
    for i in range(len(tree)):
        first = min(tree.children(i, "case"), default=i)
        if tree.upos(i) != "PRON" or not tree.is_a(i, "nmod", "obl") or tree.lemma(i) not in ("it", "they"):
            continue
        above, near = tree.head[i], first - 1
        if near < 0:
            continue
        while near > above and not tree.is_entity(near):
            near -= 1
        while tree.is_a(near, "conj") and tree.head[near] > above:
            near = tree.head[near]
        after_with = tree.is_a(near, "obl", "nmod") and tree.case_text(near) == "with"
        if above < near and tree.is_entity(near) and (after_with or tree.upos(above) != "VERB"):
            tree.hang(i, near)
            tree.deprel[i] = "nmod"


def _pass_clothes(tree: Tree) -> None:
    """Who wears it acts, not what is worn.

    a man in a white shirt holding a bat → hold (man, bat)
    a woman wearing red playing tennis → wear (woman, red), play (woman, tennis)
    """
    for i in range(len(tree)):
        worn = tree.head[i]
        wearer = _wearer(tree, worn) if 0 <= worn < i else -1
        if wearer < 0 or not tree.is_entity(wearer):
            continue
        acts = tree.is_a(i, "acl") and tree.tokens[i].xpos == "VBG" and tree.lemma(i) not in ("hang", "make")
        stays = tree.is_a(i, "nmod") and tree.case_text(i) in ("on", "at", "near", "in front of", "next to")
        if acts or stays:
            tree.hang(i, wearer)


def _wearer(tree: Tree, worn: int) -> int:
    """Who is in clothes, or in a colour; −1 where the word is no such thing."""
    above = tree.head[worn]
    if tree.is_a(worn, "nmod"):
        fits = {"in": lexicon("clothes") | lexicon("colours"), "with": lexicon("clothes")}
        return above if tree.lemma(worn) in fits.get(tree.case_text(worn), ()) else -1
    dressed = above >= 0 and tree.is_a(above, "acl") and tree.lemma(above) in ("wear", "dress")
    return tree.head[above] if dressed and tree.lemma(worn) in lexicon("colours") else -1


def _pass_parts(tree: Tree) -> None:
    """Who has a part sits and goes, and does things; what a part does alone stays its own ("hair blowing").

    a bird with a long beak and grey wings sitting on a branch → sit on (bird, branch)
    a giraffe with a long neck eating leaves → eat (giraffe, leaf)
    a man with a beard holding a phone → hold (man, phone)
    a woman with long hair blowing in the wind → blow in (hair, wind)
    """
    for i in range(len(tree)):
        part = tree.head[i]
        if (
            not tree.is_a(i, "acl", "advcl")
            or tree.tokens[i].xpos != "VBG"
            or tree.lemma(part) not in lexicon("body_parts")
        ):
            continue
        while tree.is_a(part, "conj"):
            part = tree.head[part]
        owner = tree.head[part]
        had = tree.is_a(part, "nmod") and tree.case_text(part) == "with" and not tree.children(part, "nmod:poss")
        whole = tree.children(i, "obj") or tree.lemma(i) in lexicon("posture_verbs") or tree.lemma(i) in GOING
        if had and whole and tree.is_entity(owner):
            tree.hang(i, owner)
            tree.deprel[i] = "acl"


def _unnamed_persons(tree: Tree) -> dict[int, str]:
    """Pronouns, by index, that speak of somebody whom no noun before them names, and the nouns they stand for.

    he is wearing a suit → man, suit
    """
    found = {}
    for i, token in enumerate(tree.tokens):
        noun = PERSONS.get(token.text.lower())
        if noun is None or token.upos not in ("PRON", "NOUN") or tree.is_a(i, "nmod:poss", "det", "det:predet"):
            continue
        earlier = [j for j in range(i) if tree.upos(j) in NOMINAL and tree.is_entity(j)]
        if noun == "people":
            earlier = [j for j in earlier if tree.tokens[j].xpos in ("NNS", "NNPS") or tree.children(j, "conj")]
        elif noun != "person":
            earlier = [j for j in earlier if tree.lemma(j) in lexicon("persons") or tree.upos(j) == "PROPN"]
        if not earlier or noun == "person":
            found[i] = noun
    return found


def _nouns(tree: Tree, name: str) -> Iterator[int]:
    words = lexicon(name)
    return (i for i in range(len(tree)) if tree.lemma(i) in words and tree.upos(i) in (*NOMINAL, "ADJ", "ADV"))
