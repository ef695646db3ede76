"""Attaches prepositional phrases and participles to the nouns that they describe.

A word keeps its head from the dependency parser unless a `Rule` returns another head. Rules run in the order in which
they are passed to `_attach`; each starts from the head that the previous one has set.
"""

from collections.abc import Callable

from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon

LOOKING_VERBS = ("gaze", "glance", "look", "peek", "peer", "point", "stare")
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
            rules = (_clause_subject_beside_place, _noun_before_pronoun_phrase, _wearer_before_place)
            _attach(tree, i, "nmod", *rules, _user_of_own_part)


def participles(tree: Tree) -> None:
    """Attaches each present participle (-ing) to its subject, if a rule finds one.

    a bird with a long beak and grey wings sitting on a branch → sit on (bird, branch)
    """
    for i in range(len(tree)):
        if tree.tags[i] == "VBG" and tree.is_a(i, "acl", "advcl", "xcomp"):
            _attach(tree, i, "acl", _owner_before_with_part)


def _attach(tree: Tree, i: int, label: str, *rules: Rule) -> None:
    for rule in rules:
        head = rule(tree, i)
        if head >= 0:
            tree.attach(i, to=head, label="obl" if tree.pos[head] == "VERB" else label)


def _clause_subject_beside_place(tree: Tree, i: int) -> int:
    """Returns the new head of "beside X" after "on PLACE": the subject of the clause, not the place.

    In "look through PLACE at X", it is the verb.

    a boy sits on a rock beside a lake → sit on (boy, rock), beside (boy, lake)
    a cat looks through a window at a dog → look through (cat, window), at (cat, dog)
    """
    place, case = tree.heads[i], tree.case_text(i)
    verb = tree.heads[place]
    if not (tree.is_a(i, "nmod") and tree.is_a(place, "obl")):
        return -1
    if case == "at":
        return verb if tree.lemmas[verb] in LOOKING_VERBS else -1
    beside = case in ("beside", "next to", "near") and tree.case_text(place) in ("on", "in", "at")
    return next((c for c in tree.children(verb, "nsubj") if tree.is_entity(c)), -1) if beside else -1


def _user_of_own_part(tree: Tree, i: int) -> int:
    """Returns the new head of "with his PART": the next person or verb above, not the thing before "with".

    a woman holding a slice of pizza with her mouth → hold (woman, pizza), with (woman, mouth)
    a man in a blue shirt with his hands in his pockets → with (man, hand), in (hand, pocket)
    """
    own = tree.case_text(i) == "with" and tree.lemmas[i] in lexicon("body_parts") | lexicon("parts")
    if not own or {tree.words[c] for c in tree.children(i, "nmod:poss")}.isdisjoint(("his", "her", "their")):
        return -1
    above = tree.heads[i]
    while above >= 0 and tree.pos[above] not in ("VERB", "PROPN") and tree.lemmas[above] not in lexicon("persons"):
        above = tree.heads[above]
    return above


def _noun_before_pronoun_phrase(tree: Tree, i: int) -> int:
    """Returns the new head of a pronoun with a preposition ("in it"): the noun before the preposition.

    a glass with dessert in it → in (dessert, glass)
    """
    if tree.pos[i] != "PRON" or tree.lemmas[i] not in ("it", "they"):
        return -1
    above, near = tree.heads[i], min(tree.children(i, "case"), default=i) - 1
    while near > above and not tree.is_entity(near):
        near -= 1
    while tree.is_a(near, "conj") and tree.heads[near] > above:
        near = tree.heads[near]
    after_with = tree.is_a(near, "obl", "nmod") and tree.case_text(near) == "with"
    fits = above < near and tree.is_entity(near) and (after_with or tree.pos[above] != "VERB")
    return near if fits else -1


def _wearer_before_place(tree: Tree, i: int) -> int:
    """Returns the new head of a place after clothes ("in a hat on a bench"): the person who wears the clothes.

    a man in a hat on a bench → on (man, bench)
    """
    worn = tree.heads[i]
    place = tree.is_a(i, "nmod") and tree.case_text(i) in PLACE_PREPOSITIONS
    clothed = place and tree.is_a(worn, "nmod") and tree.case_text(worn) in ("in", "with")
    return tree.heads[worn] if clothed and tree.lemmas[worn] in lexicon("clothes") | lexicon("colours") else -1


def _owner_before_with_part(tree: Tree, i: int) -> int:
    """Returns the part's owner as new head of a posture or action verb that follows "with PART"; −1 otherwise.

    a bird with a long beak and grey wings sitting on a branch → sit on (bird, branch)
    a giraffe with a long neck eating leaves → eat (giraffe, leaf)
    a man with a beard holding a phone → hold (man, phone)
    a dog without a leash chasing a ball → chase (dog, ball)
    """
    part = tree.heads[i]
    while tree.is_a(part, "conj"):
        part = tree.heads[part]
    owner, case = tree.heads[part], tree.case_text(part)
    own = case == "with" and tree.lemmas[part] in lexicon("body_parts") and not tree.children(part, "nmod:poss")
    whole = tree.children(i, "obj") or tree.lemmas[i] in lexicon("posture_verbs") or tree.lemmas[i] in MOTION_VERBS
    return owner if (own or case == "without") and whole and tree.is_entity(owner) else -1
