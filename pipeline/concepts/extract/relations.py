"""The relation rules of the concept sets (§3.1.1): verbs, prepositions, coordination, possession.

Each rule is a function of a tree and a word that yields (text, subject, object, word). The last three are token
indices, with −1 for a subject or object that the caption does not name. To add a rule, write such a function and put
it into RULES.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from hspcgan.pipeline.concepts.extract import arguments
from hspcgan.pipeline.concepts.extract.tree import Tree

Edge = tuple[str, int, int, int]
# Prepositions that belong to the adjective before them: "full of books", "bigger than the cat".
BOUND = ("of", "to", "from", "than")
NONE = (-1,)  # in place of subjects or objects that the caption does not name


def relations(tree: Tree) -> list[Edge]:
    """Returns all relations of a caption, in the order of their words."""
    found = {edge for i in range(len(tree)) for rule in RULES for edge in rule(tree, i)}
    return sorted(found, key=lambda edge: (edge[3], edge[1], edge[2], edge[0]))


def _links(text: str, ones: Sequence[int], others: Sequence[int], word: int) -> Iterator[Edge]:
    """Yields an edge for each pair of subject and object, except pairs of an entity with itself.

    Yields none if there are no subjects or no objects; with NONE in their place, yields edges that lack them.
    """
    for one, other in product(ones, others):
        if one != other or one < 0:
            yield text, one, other, word


def is_predicate_verb(tree: Tree, i: int) -> bool:
    """Whether a word is a verb that relates entities: not an auxiliary, "be", an attribute ("flying bird") or a state.

    A past participle without complements is a state, as in "the beak is curved".
    """
    apart = tree.is_a(i, "aux", "cop", "case", "compound", "fixed", "mark")
    if tree.pos[i] != "VERB" or tree.lemmas[i] == "be" or apart:
        return False
    alone = not tree.children(i, "obj", "obl", "xcomp", "ccomp", "compound:prt")
    return not (alone and (tree.is_a(i, "amod") or arguments.is_passive(tree, i)))


def verb_text(tree: Tree, i: int) -> str:
    """Returns the lemma of a verb with its particles, and "not" in front if it is negated.

    a man picks up a ball → pick up (man, ball)
    the bird does not fly → not fly (bird, –)
    """
    negated = ["not"] if arguments.is_negated(tree, i) else []
    particles = [tree.lemmas[c] for c in tree.children(i, "compound:prt")]
    return " ".join([*negated, tree.lemmas[i], *particles])


def obliques(tree: Tree, i: int) -> Iterator[tuple[str, int, list[int]]]:
    """Yields (preposition, index of its first word, entities) for each prepositional phrase of a predicate."""
    for first in tree.children(i, "obl"):
        for word in [first, *(c for c in tree.children(first, "conj") if tree.case(c))]:
            if tree.case(word):
                yield tree.case_text(word), tree.case(word)[0], arguments.argument_entities(tree, word, i)


def verb(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates the subject of a verb to its object or to the object of the verb's first preposition.

    Further prepositions become separate relations.

    this small bird has red wings and a long black beak → have (bird, wing), have (bird, beak)
    a large yellow bird is perched on a branch → perch on (bird, branch)
    a man rides a horse through the park → ride (man, horse), through (man, park)
    a flag hanging from a pole → hang from (flag, pole)
    a bird is flying → fly (bird, –)
    a pond surrounded by trees → surround (tree, pond)
    the plate has food on it → have (plate, food), on (food, plate)
    a hose spraying water from it → spray (hose, water), from (water, hose)
    a man taking picture of a horse → take (man, picture), of (picture, horse)
    a man putting a hot dog on a bun → put (man, dog), on (dog, bun)
    a boy holding a bat in his hand → hold (boy, bat), in (bat, hand)
    """
    if not is_predicate_verb(tree, i):
        return
    text, ones, agents = verb_text(tree, i), arguments.subjects(tree, i), arguments.agents(tree, i)
    others = [] if arguments.is_passive(tree, i) else arguments.objects(tree, i)
    if agents:
        doers = [thing for agent in agents for thing in arguments.argument_entities(tree, agent, i)]
        yield from _links(text, doers or NONE, ones or NONE, i)
    phrases = [p for p in obliques(tree, i) if not (agents and p[0] == "by") and p[2]]
    if others or tree.children(i, "obj") or agents:
        if not agents:
            yield from _links(text, ones or NONE, others or NONE, i)
        for preposition, word, places in phrases:
            yield from _links(preposition, others if preposition == "of" and others else ones, places, word)
        return
    if arguments.stranded_prepositions(tree, i):
        return
    if not phrases:
        yield from _links(text, ones or NONE, NONE, i)
        return
    preposition, _, places = phrases[0]
    yield from _links(f"{text} {preposition}", ones or NONE, places, i)
    for preposition, word, places in phrases[1:]:
        yield from _links(preposition, ones, places, word)


def stranded_preposition(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates the subject of a relative clause to the noun before the clause, by the preposition at the end.

    the table the vase is on → on (vase, table)
    a plate that the cake is sitting on → sit on (cake, plate)
    """
    for word in arguments.stranded_prepositions(tree, i):
        verb_words = [] if tree.lemmas[i] == "be" else [tree.lemmas[i]]
        ones = arguments.subjects(tree, i)
        nouns = [noun for noun in arguments.antecedent(tree, i) if noun not in ones]
        yield from _links(" ".join([*verb_words, tree.lemmas[word]]), ones, nouns, i)


def predicate_preposition(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates the subject of an adjective, or of "be" as a main verb, to the noun after its preposition.

    The relation includes an adjective if the preposition is "of", "to", "from" or "than".

    there is a red flower on the water → on (flower, water)
    a shelf full of books → full of (shelf, book)
    the bird is black with white wings → with (bird, wing)
    a dog that is bigger than the cat → bigger than (dog, cat), big (dog)
    """
    is_adjective = tree.pos[i] == "ADJ" and not tree.is_a(i, "case")
    if is_adjective or (tree.lemmas[i] == "be" and not tree.is_a(i, "aux", "cop")):
        for preposition, word, places in obliques(tree, i):
            opener = tree.words[i] if preposition == "than" else tree.lemmas[i]
            joined = f"{opener} {preposition}" if is_adjective and preposition in BOUND else preposition
            yield from _links(joined, arguments.subjects(tree, i), places, word)


def predicate_noun(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates a subject to a predicate noun by its preposition, or by "be" if it has none.

    the bird is on a branch and under a leaf → on (bird, branch), under (bird, leaf)
    the bird is a sparrow → be (bird, sparrow)
    """
    cop, own = tree.children(i, "cop"), tree.children(i, "nsubj")
    joined = tree.is_a(i, "conj") and (cop or (tree.case(i) and tree.children(tree.heads[i], "nsubj")))
    if not tree.is_entity(i) or not (own or joined or (cop and tree.is_a(i, "acl"))):
        return
    if tree.case(i):
        things = arguments.argument_entities(tree, i, i)
        yield from _links(tree.case_text(i), arguments.subjects(tree, i), things, tree.case(i)[0])
    elif cop:
        yield from _links("be", arguments.subjects(tree, i), [i], cop[0])


def noun_preposition(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates two nouns by the preposition between them.

    a bird with a blue belly and red wings → with (bird, belly), with (bird, wing)
    a boy in front of a window → in front of (boy, window)
    A bed and window in a small room. → and (bed, window), in (bed, room), in (window, room)
    """
    if not tree.is_a(i, "nmod", "conj") or not tree.case(i) or tree.is_a(i, "nmod:poss"):
        return
    subject = tree.heads[i]
    if tree.is_a(i, "conj"):
        if not tree.is_a(subject, "nmod"):
            return
        subject = tree.heads[subject]
    if not tree.is_entity(subject):
        return
    text = tree.case_text(i)
    ones = arguments.coordinated_nouns(tree, subject, i)
    if text == "of":  # "food and bottles of beer": a part or content belongs only to the nearest noun
        ones = ones[-1:]
    yield from _links(text, ones, arguments.argument_entities(tree, i, i), tree.case(i)[0])


def coordination(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates the entity before a conjunction to the entity after it.

    John and his wife are attending a cocktail party → and (john, wife), attend (john, party), attend (wife, party)
    """
    first = tree.heads[i]
    if not tree.is_a(i, "conj") or not tree.is_entity(i) or not tree.is_entity(first) or tree.children(i, "nsubj"):
        return
    if not tree.case(i):  # "on a branch and under a leaf": the conjuncts are prepositional phrases, not entities
        siblings = [c for c in tree.with_conjuncts(first) if c < i and tree.is_entity(c)]
        ands = [*tree.children(i, "cc"), *(c for c in tree.children(first, "cc") if c < i)]
        for word in [c for c in ands if tree.pos[c] == "CCONJ"][:1]:
            yield from _links(tree.lemmas[word], siblings[-1:], [i], word)


def possession(tree: Tree, i: int) -> Iterator[Edge]:
    """Relates a possessor (a noun or "whose") to the owned thing by "have"; omits possessive pronouns ("his").

    a man's hat → have (man, hat)
    a bird whose wings are black → have (bird, wing), black (wing)
    """
    if tree.lemmas[i] == "whose" and tree.is_entity(tree.heads[i]):
        owners = arguments.referents(tree, i, tree.heads[i])
        yield from _links("have", owners, [tree.heads[i]], i)
    if tree.is_a(i, "nmod:poss") and tree.is_entity(i) and tree.is_entity(tree.heads[i]):
        marks = tree.children(i, "case")
        yield "have", i, tree.heads[i], marks[0] if marks else i


RULES: tuple[Callable[[Tree, int], Iterator[Edge]], ...] = (
    verb,
    stranded_preposition,
    predicate_preposition,
    predicate_noun,
    noun_preposition,
    coordination,
    possession,
)
