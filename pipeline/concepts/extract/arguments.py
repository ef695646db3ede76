"""Finds the subjects and objects of predicates; resolves ellipsis, coordination and pronouns."""

from hspcgan.pipeline.concepts.editable_tree import NOMINAL
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lexicon

RELATIVE = ("that", "which", "who", "whom", "whose")
NEGATIONS = ("not", "n't", "never", "neither", "nor")
TIMES = ("after", "before", "when", "while")
PERCEPTION_VERBS = ("see", "show", "watch")
PLURAL = ("they", "them")
PERSONAL = ("it", "he", "she", "him", "her", *PLURAL)


def argument_entities(tree: Tree, i: int, predicate: int) -> list[int]:
    """Returns the entities to which an argument (noun or pronoun) of a predicate refers, including conjuncts."""
    found: list[int] = []
    for word in tree.with_conjuncts(i):
        if word != i and tree.case(word):
            continue  # "on a branch and under a leaf": the second noun has its own preposition
        if tree.is_entity(word):
            found.append(word)
        elif tree.pos[word] in ("PRON", "DET", "SCONJ"):
            found.extend(referents(tree, word, predicate))
    return found


def referents(tree: Tree, pronoun: int, predicate: int) -> list[int]:
    """Returns the entities to which a pronoun refers.

    A relative pronoun refers to the noun of its clause. A personal pronoun refers to the last noun before it of the
    same number, preferably a subject or the root of the caption, and never to the subject of the same predicate.

    a bird that has red wings → have (bird, wing)
    the bird is small and it has a black beak → have (bird, beak)
    a white sink with two bottles sitting on it → sit on (bottle, sink)
    """
    if tree.lemmas[pronoun] in RELATIVE:
        clause = predicate
        while clause >= 0 and not tree.is_a(clause, "acl"):
            clause = tree.heads[clause]
        return antecedent(tree, clause) if clause >= 0 else []
    if tree.words[pronoun] not in PERSONAL or tree.is_a(pronoun, "nmod:poss"):
        return []
    if tree.is_a(pronoun, "nmod") and tree.is_entity(tree.heads[pronoun]):
        return _entity_before_list(tree, tree.heads[pronoun], pronoun)
    plural = tree.words[pronoun] in PLURAL
    own = {tree.heads[pronoun], *tree.children(predicate, "nsubj")}
    if tree.is_a(predicate, "acl"):
        own.add(tree.heads[predicate])
    before = [i for i in range(pronoun - 1, -1, -1) if tree.is_entity(i) and i not in own]
    fitting = [i for i in before if _is_plural(tree, i) == plural and _may_be(tree, i, pronoun)]
    chosen = [i for i in fitting if tree.is_a(i, "nsubj", "root")] or fitting
    return coordinated_nouns(tree, chosen[0], pronoun) if chosen and plural else chosen[:1]


def _entity_before_list(tree: Tree, noun: int, pronoun: int) -> list[int]:
    """Resolves a pronoun after a noun or a list of nouns: returns the last entity before the noun or list.

    If there is none, returns the first entity in the list.

    a table with a plate and a cup on it → with (table, cup), on (cup, table)
    there is a large bowl with vegetables and broccoli in it → in (broccoli, bowl)
    people at a table with food around them → around (food, people)
    a woman holding a cup with a child near her → near (child, woman)
    """
    first = noun
    while tree.is_a(first, "conj") and tree.is_entity(tree.heads[first]):
        first = tree.heads[first]
    joined = set(tree.with_conjuncts(first))
    before = [i for i in range(first - 1, -1, -1) if tree.is_entity(i) and i not in joined]
    fitting = [i for i in before if _may_be(tree, i, pronoun)]
    fitting.sort(key=lambda i: _is_plural(tree, i) != (tree.words[pronoun] in PLURAL))
    return fitting[:1] or ([first] if first != noun else [])


def _may_be(tree: Tree, i: int, pronoun: int) -> bool:
    """Whether a pronoun can refer to an entity: "it" not to a person, "her" only to a person, animal or name."""
    is_person = tree.lemmas[i] in lexicon("persons")
    if tree.words[pronoun] in ("it", *PLURAL):
        return not is_person or tree.words[pronoun] != "it"
    return is_person or tree.pos[i] == "PROPN" or tree.lemmas[i] in lexicon("animals")


def _is_plural(tree: Tree, i: int) -> bool:
    """Whether a noun is plural or has conjuncts: "wings", "a man and a woman", "people"."""
    return tree.tags[i] in ("NNS", "NNPS") or any(tree.is_entity(c) for c in tree.children(i, "conj"))


def antecedent(tree: Tree, clause: int) -> list[int]:
    """Returns the entity that a relative clause or participle describes, and its conjuncts; none after "where".

    a dog and a cat sleeping on a sofa → sleep on (dog, sofa), sleep on (cat, sofa)
    a cow in a field where horses are lying down → lie down (horse, –)
    """
    if any(tree.words[c] == "where" for c in tree.children(clause)):
        return []
    noun = tree.heads[clause]
    return coordinated_nouns(tree, noun, clause) if tree.is_entity(noun) else []


def coordinated_nouns(tree: Tree, noun: int, modifier: int) -> list[int]:
    """Returns the nouns that a modifier after them describes: `noun`, and its conjuncts that have no preposition.

    In "a bed and a window in a room", "in a room" describes both nouns.
    """
    conjuncts = [c for c in tree.children(noun, "conj") if c < modifier and tree.is_entity(c) and not tree.case(c)]
    return [noun, *conjuncts]


def subjects(tree: Tree, i: int) -> list[int]:
    """Returns the entities that are the subject of a verb, adjective or predicate noun.

    A word without a subject gets the subject of the predicate to which it is conjoined or attached, the noun that it
    modifies, or the object of its head.

    a man sits on a bench and holds a bat → sit on (man, bench), hold (man, bat)
    a boy trying to catch a ball → catch (boy, ball)
    people watching a boy ride a horse → watch (people, boy), ride (boy, horse)
    people enjoying themselves playing a game → play (people, game)
    a tennis player in the air after hitting the ball → in (player, air), hit (player, ball)
    """
    seen = set()
    while i >= 0 and i not in seen:
        seen.add(i)
        if tree.tags[i] == "VB" and tree.is_a(i - 1, "obj") and tree.lemmas[tree.heads[i - 1]] in PERCEPTION_VERBS:
            return argument_entities(tree, i - 1, tree.heads[i - 1])
        own = tree.children(i, "nsubj")
        if own:
            return [thing for word in own for thing in argument_entities(tree, word, i)]
        above = tree.heads[i]
        if tree.is_a(i, "acl", "amod"):
            return antecedent(tree, i)
        if above < 0 or not tree.is_a(i, "conj", "xcomp", "advcl"):
            return []
        timed = tree.is_a(i, "advcl") and any(tree.words[c] in TIMES for c in tree.children(i, "mark", "advmod"))
        if (tree.is_a(i, "conj") or timed) and tree.is_entity(above) and tree.pos[i] not in NOMINAL:
            return [above]
        held = [thing for word in tree.children(above, "obj") for thing in argument_entities(tree, word, above)]
        if tree.is_a(i, "xcomp") and held:
            return held
        i = above
    return []


def is_negated(tree: Tree, i: int) -> bool:
    """Whether a predicate or modifier is negated: by a word such as "never", or by its subject ("no one").

    a bird that never flies → not fly (bird, –)
    no one is sitting on the bench → not sit on (–, bench)
    a bird neither red nor blue → not red (bird), not blue (bird)
    """
    words = tree.children(i, "advmod", "cc")
    return any(tree.lemmas[c] in NEGATIONS for c in words) or any(map(tree.is_non_referring, tree.children(i, "nsubj")))


def is_passive(tree: Tree, i: int) -> bool:
    """Whether a verb is passive: "is perched", "a bird perched on a branch"."""
    if tree.children(i, "nsubj:pass", "aux:pass"):
        return True
    if tree.children(i, "nsubj", "obj") or tree.tags[i] != "VBN" or tree.children(i, "aux"):
        return False
    return tree.is_a(i, "acl", "amod", "advcl", "root", "conj")


def agents(tree: Tree, i: int) -> list[int]:
    """Returns the agents of a passive verb; after posture verbs, "by" introduces a place instead.

    a pond surrounded by trees → surround (tree, pond)
    a bird is perched by a window → perch by (bird, window)
    a snow covered roof → cover (snow, roof)
    a horse drawn carriage → draw (horse, carriage)
    """
    if not is_passive(tree, i):
        return []
    if tree.is_a(i, "amod") and tree.lemmas[i] in lexicon("agent_participles"):
        return [c for c in tree.children(i, "obl:npmod") if all(tree.words[w] == "-" for w in range(c + 1, i))]
    if tree.lemmas[i] in lexicon("posture_verbs"):
        return []
    return [c for c in tree.children(i, "obl") if tree.is_a(c, "obl:agent") or tree.case_text(c) == "by"]


def stranded_prepositions(tree: Tree, i: int) -> list[int]:
    """Returns a list with the preposition that ends a relative clause, if any: "on" in "the table the vase is on"."""
    if not tree.is_a(i, "acl:relcl") or tree.children(i, "obj", "obl") or not antecedent(tree, i):
        return []
    if is_passive(tree, i) and any(tree.lemmas[c] in RELATIVE for c in tree.children(i, "nsubj")):
        return []  # "a lamp that is turned on"
    return [c for c in tree.children(i, "advmod", "compound:prt") if c > i and tree.pos[c] == "ADP"][-1:]


def objects(tree: Tree, i: int) -> list[int]:
    """Returns the object entities of a verb; in a relative clause with a subject, the noun that the clause describes.

    the shirt the woman is wearing is red → wear (woman, shirt), red (shirt)
    people watching a man play tennis → watch (people, man), play (man, tennis)
    """
    own = tree.children(i, "obj")
    if not own and tree.lemmas[i] in PERCEPTION_VERBS:
        own = [subject for clause in tree.children(i, "ccomp") for subject in tree.children(clause, "nsubj")]
    if own:
        return [thing for word in own for thing in argument_entities(tree, word, i)]
    if not tree.is_a(i, "acl:relcl") or not tree.children(i, "nsubj") or tree.children(i, "obl", "ccomp", "xcomp"):
        return []
    subject = subjects(tree, i)
    return [] if stranded_prepositions(tree, i) else [n for n in antecedent(tree, i) if n not in subject]
