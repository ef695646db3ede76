"""Attaches prepositional phrases and participles to the nouns that they describe.

A word keeps its head from the dependency parser unless a `Rule` returns another head. Rules run in the order in which
they are passed to `_attach`; each starts from the head that the previous one has set.
"""

from collections.abc import Callable

from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon

MOTION_VERBS = ("walk", "fly", "run", "swim", "float")
# Prepositions of places that describe a person, not the person's clothes.
PLACE_PREPOSITIONS = ("on", "at", "near", "in front of", "next to")
Rule = Callable[[Tree, int], int]  # tree and word → the head of the word, −1 if the rule does not apply


def prepositional_phrases(tree: Tree) -> None:
    """Attaches each prepositional phrase to the noun that it describes, if a rule finds one.

    a boy sits on a rock beside a lake → sit on (boy, rock), beside (boy, lake)
    """
    for i in range(len(tree)):
        if tree.is_a(i, "nmod", "obl"):
            rules = (_clause_subject_beside_place, _noun_before_pronoun_phrase)
            _attach(tree, i, "nmod", *rules, _noun_before_with_x_on_it, _wearer_before_place)


def participles(tree: Tree) -> None:
    """Attaches each present participle (-ing) to its subject, if a rule finds one.

    a bird with a long beak and grey wings sitting on a branch → sit on (bird, branch)
    """
    for i in range(len(tree)):
        if tree.tags[i] == "VBG" and tree.is_a(i, "acl", "advcl", "xcomp"):
            _attach(tree, i, "acl", _part_before_hanging_verb, _owner_before_with_part, _noun_before_without)


def _attach(tree: Tree, i: int, label: str, *rules: Rule) -> None:
    for rule in rules:
        head = rule(tree, i)
        if head >= 0:
            tree.attach(i, to=head, label=label)


def _clause_subject_beside_place(tree: Tree, i: int) -> int:
    """Returns the new head of "beside X" after "on PLACE": the subject of the clause, not the place.

    a boy sits on a rock beside a lake → sit on (boy, rock), beside (boy, lake)
    """
    place = tree.heads[i]
    nested = tree.is_a(i, "nmod") and tree.is_a(place, "obl") and tree.case_text(place) in ("on", "in", "at")
    if not nested or tree.case_text(i) not in ("beside", "next to", "near"):
        return -1
    return next((c for c in tree.children(tree.heads[place], "nsubj") if tree.is_entity(c)), -1)


def _noun_before_pronoun_phrase(tree: Tree, i: int) -> int:
    """Returns the new head of a pronoun with a preposition ("in it"): the noun before the preposition.

    a glass with dessert in it → in (dessert, glass)
    """
    if tree.pos[i] != "PRON" or tree.lemmas[i] not in ("it", "they"):
        return -1
    above, near = tree.heads[i], min(tree.children(i, "case"), default=i) - 1
    if near < 0:
        return -1
    while near > above and not tree.is_entity(near):
        near -= 1
    while tree.is_a(near, "conj") and tree.heads[near] > above:
        near = tree.heads[near]
    after_with = tree.is_a(near, "obl", "nmod") and tree.case_text(near) == "with"
    fits = above < near and tree.is_entity(near) and (after_with or tree.pos[above] != "VERB")
    return near if fits else -1


def _noun_before_with_x_on_it(tree: Tree, i: int) -> int:
    """Returns the new head of X in "with X on it": the noun before "with", if it is not a person.

    boy wearing a white shirt with fish on it → with (shirt, fish), on (fish, shirt)
    """
    if tree.case_text(i) != "with" or tree.pos[i + 1] != "ADP" or "it" not in tree.words[i + 2 : i + 3]:
        return -1
    near = tree.case(i)[0] - 1
    if tree.lemmas[tree.heads[i]] not in lexicon("persons") and tree.pos[tree.heads[i]] != "VERB":
        return -1
    return near if near >= 0 and tree.is_entity(near) and tree.lemmas[near] not in lexicon("persons") else -1


def _wearer_before_place(tree: Tree, i: int) -> int:
    """Returns the new head of a place after clothes ("in a hat on a bench"): the person who wears the clothes.

    a man in a hat on a bench → on (man, bench)
    """
    stays = tree.is_a(i, "nmod") and tree.case_text(i) in PLACE_PREPOSITIONS
    return _wearer(tree, tree.heads[i]) if stays and tree.heads[i] < i else -1


def _wearer(tree: Tree, worn: int) -> int:
    """Returns the entity that wears the clothes or colour `worn`; −1 if there is none."""
    above, wearer = tree.heads[worn], -1
    if tree.is_a(worn, "nmod"):
        fits = {"in": lexicon("clothes") | lexicon("colours"), "with": lexicon("clothes")}
        wearer = above if tree.lemmas[worn] in fits.get(tree.case_text(worn), ()) else -1
    elif (
        tree.is_a(above, "acl") and tree.lemmas[above] in ("wear", "dress") and tree.lemmas[worn] in lexicon("colours")
    ):
        wearer = tree.heads[above]
    return wearer if wearer >= 0 and tree.is_entity(wearer) else -1


def _noun_before_without(tree: Tree, i: int) -> int:
    """Returns the new head of a participle after "without THING": the noun before "without", not the thing.

    a dog without a leash chasing a ball → chase (dog, ball)
    """
    absent = tree.heads[i]
    owner = tree.heads[absent]
    return owner if tree.case_text(absent) == "without" and tree.is_entity(owner) else -1


def _part_before_hanging_verb(tree: Tree, i: int) -> int:
    """Returns the new head of "blowing", "flowing" or "hanging" after "with PART": the body part.

    a woman with long hair blowing in the wind → blow in (hair, wind)
    a girl with hair hanging over her face → hang over (hair, face)
    """
    part = i - 1
    is_part = tree.lemmas[part] in lexicon("body_parts") and tree.heads[part] == tree.heads[i]
    return part if is_part and tree.case_text(part) == "with" and tree.lemmas[i] in ("blow", "flow", "hang") else -1


def _owner_before_with_part(tree: Tree, i: int) -> int:
    """Returns the part's owner as new head of a posture or action verb that follows "with PART"; −1 otherwise.

    a bird with a long beak and grey wings sitting on a branch → sit on (bird, branch)
    a giraffe with a long neck eating leaves → eat (giraffe, leaf)
    a man with a beard holding a phone → hold (man, phone)
    """
    part = tree.heads[i]
    if tree.lemmas[part] not in lexicon("body_parts"):
        return -1
    while tree.is_a(part, "conj"):
        part = tree.heads[part]
    owner = tree.heads[part]
    had = tree.is_a(part, "nmod") and tree.case_text(part) == "with" and not tree.children(part, "nmod:poss")
    whole = tree.children(i, "obj") or tree.lemmas[i] in lexicon("posture_verbs") or tree.lemmas[i] in MOTION_VERBS
    return owner if had and whole and tree.is_entity(owner) else -1
