"""Attaches prepositional phrases, participles and relative clauses to the nouns that they describe; joins lists.

The candidates are the nouns before a phrase; the first of coordinated nouns stands for all of them. The score of a
candidate is the sum of the learned weights of its features, of which the head in the parse is one. The phrase moves to
the best candidate. `hspcgan assets build caption-heads` learns the weights (`caption_parser/learn_heads.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from hspcgan.pipeline.assets import CAPTION_HEADS
from hspcgan.pipeline.concepts.choices import shipped
from hspcgan.pipeline.concepts.extract import arguments
from hspcgan.pipeline.concepts.extract.tree import Tree
from hspcgan.pipeline.concepts.lexicons import lists_containing

CLASSES = ("animals", "body_parts", "clothes", "containers", "parts", "persons", "places")
FIXED = ("of", "like", "as", "than")  # prepositions of phrases that are not moved
PRONOUN = "PRP"
FAR = 3
"""Maximum rank of a candidate in features."""
PARSED = 0.4
"""Added to the score of the head in the parse; chosen on FACTUAL's dev captions."""


@dataclass(frozen=True)
class Phrase:
    """
    A phrase that describes a noun: the index of its head word and of its first word, and what its features need.

    `kind` is "prep", "rel" (a relative clause), "conj" (a noun in a list), or a participle's tag, with " obj" if it has
    an object. `relation` is the preposition or verb, `thing` the noun ("" if none); `own` is True after "his", "its".
    """

    word: int
    start: int
    kind: str
    relation: str
    thing: str
    own: bool


def phrases(tree: Tree) -> None:
    """Attaches each phrase to the noun with the highest score, and a phrase like "on it" to the nearest noun.

    a dog laying in the grass with a frisbee → lay in (dog, grass), with (dog, frisbee)
    a glass with dessert in it → in (dessert, glass)
    """
    for phrase in list(phrases_in(tree)):
        nouns = candidates(tree, phrase)
        if len(nouns) > 1 and phrase.start - 1 not in tree.persons:
            parsed = parsed_head(tree, phrase, nouns)
            best = max(nouns, key=lambda noun: _score(tree, phrase, nouns, noun, parsed) + PARSED * (noun == parsed))
            if phrase.thing == PRONOUN:
                best = next(noun for noun in reversed(nouns) if tree.case_text(noun) != "of" or noun == nouns[0])
            if best != parsed:
                move(tree, phrase, best)


def move(tree: Tree, phrase: Phrase, noun: int) -> None:
    """Attaches a phrase to a noun."""
    tree.attach(phrase.word, to=noun, label="nmod" if phrase.kind == "prep" else tree.labels[phrase.word])


def phrases_in(tree: Tree) -> Iterator[Phrase]:
    """Yields the phrases of a caption whose head may be wrong in the parse."""
    for i in range(len(tree)):
        own = any(tree.pos[c] == "PRON" for c in tree.children(i, "nmod:poss"))
        if tree.is_a(i, "nmod", "obl") and not tree.is_a(i, "nmod:poss", "obl:agent", "obl:npmod"):
            start, text = min(tree.case(i), default=len(tree)), tree.case_text(i)
            follows_verb = start > 0 and tree.pos[start - 1] in ("VERB", "ADP")  # "sitting under": the parse is right
            if start < i and text.split()[0] not in FIXED and not follows_verb:
                thing = PRONOUN if tree.tags[i] == PRONOUN else tree.lemmas[i]
                yield Phrase(i, start, "prep", text, thing, own)
        elif tree.is_a(i, "conj") and tree.is_entity(i) and not (tree.case(i) or tree.children(i, "nsubj", "cop")):
            yield Phrase(i, i, "conj", "and", tree.lemmas[i], own)
        elif tree.is_a(i, "acl:relcl"):
            yield Phrase(i, min([i, *tree.children(i)]), "rel", tree.lemmas[i], _thing(tree, i), False)
        elif _is_bare_participle(tree, i):
            kind = tree.tags[i] + (" obj" if tree.children(i, "obj") else "")
            yield Phrase(i, i, kind, tree.lemmas[i], _thing(tree, i), False)


def _is_bare_participle(tree: Tree, i: int) -> bool:
    participle = tree.is_a(i, "acl", "advcl") and tree.tags[i] in ("VBG", "VBN") and tree.pos[i] == "VERB"
    return participle and not any(c < i for c in tree.children(i, "mark", "nsubj"))


def _thing(tree: Tree, verb: int) -> str:
    return next((tree.lemmas[c] for c in tree.children(verb, "obj") or tree.children(verb, "obl")), "")


def candidates(tree: Tree, phrase: Phrase) -> list[int]:
    """Returns the nouns before a phrase that are not part of it; for lists and pronouns, only first conjuncts."""
    nouns = [i for i in range(phrase.start) if tree.is_entity(i) and not _is_below(tree, i, phrase.word)]
    single = phrase.kind != "conj" and phrase.thing != PRONOUN
    return [i for i in nouns if single or first_conjunct(tree, i, nouns) == i]


def _is_below(tree: Tree, i: int, above: int) -> bool:
    while i >= 0 and i != above:
        i = tree.heads[i]
    return i >= 0


def first_conjunct(tree: Tree, i: int, nouns: list[int]) -> int:
    """Returns the first of the coordinated nouns to which a noun belongs."""
    return tree.heads[i] if tree.is_a(i, "conj") and tree.heads[i] in nouns else i


def parsed_head(tree: Tree, phrase: Phrase, nouns: list[int]) -> int:
    """Returns the candidate that the phrase describes in the parse, as a subject if its head is a verb; −1 if none."""
    head = tree.heads[phrase.word]
    while head >= 0 and not tree.is_entity(head):
        subjects = arguments.subjects(tree, head)
        head = subjects[0] if subjects else tree.heads[head]
    return head


def _score(tree: Tree, phrase: Phrase, nouns: list[int], noun: int, parsed: int) -> float:
    weights = _weights()
    found = sum(weights.get(feature, 0.0) for feature in structure(tree, phrase, nouns, noun, parsed))
    return found + _words_score(tree.lemmas[noun], phrase.kind, phrase.relation, phrase.thing)


@lru_cache(maxsize=20_000)
def _words_score(*key: str) -> float:
    return sum(_weights().get(feature, 0.0) for feature in words(*key))


@cache
def _weights() -> dict[str, float]:
    return {feature: weight for feature, [(_, weight)] in shipped(CAPTION_HEADS)["head"].items()}


def words(noun: str, kind: str, relation: str, thing: str) -> Iterator[str]:
    """Yields features of the words of a candidate and a phrase, by themselves and by their classes."""
    yield from [f"same {kind}"] * (noun == thing)
    yield from (f"{noun} {kind}", f"{noun} {relation}", f"{noun} {relation} {thing}", f"{noun} … {thing}")
    things = lists_containing(thing, CLASSES)
    yield from (f"{noun} {relation}, {other}" for other in things)
    for one in lists_containing(noun, CLASSES):
        yield from (f"{one}, {kind}", f"{one}, {relation}", f"{one}, {relation} {thing}", f"{one}, … {thing}")
        for other in things:
            yield from (f"{one}, {relation}, {other}", f"{one}, {kind}, {other}")


def structure(tree: Tree, phrase: Phrase, nouns: list[int], noun: int, parsed: int) -> Iterator[str]:
    """Yields features of the place of a candidate in a caption; `parsed` is the candidate of the parse."""
    kind, relation = phrase.kind, phrase.relation
    tops = [first_conjunct(tree, other, nouns) for other in nouns]
    first = tops[nouns.index(noun)]
    joined = [other for other, top in zip(nouns, tops, strict=True) if top == first]
    rank = f"rank {min(len({top for top in tops if top > first}), FAR)}"
    role = tree.case_text(first) or tree.labels[first].partition(":")[0]
    if role == "obj":
        role = f"obj {tree.lemmas[tree.heads[first]]}"
    place = [rank, f"{rank} {role}", role]
    classes = lists_containing(tree.lemmas[noun], CLASSES)
    if len(joined) > 1:  # whether a phrase describes all conjuncts or one
        part = "all" if noun == first else "last" if noun == joined[-1] else "middle"
        alike = any(set(lists_containing(tree.lemmas[n], CLASSES)) & set(classes) for n in joined if n != noun)
        place += [part, f"{part} {rank}", f"{part} {role}", f"{part} alike {alike}"]
    if noun == parsed:
        yield from ("parsed", f"parsed {kind}", f"parsed {kind} {relation}", *(f"parsed {kind} {one}" for one in place))
    for one in place:
        yield from (f"{kind} {one}", f"{relation} {one}")
        yield from (f"{one} {relation}, {other}" for other in lists_containing(phrase.thing, CLASSES))
        yield from (f"{other}, {kind} {one}" for other in classes)
    yield from (f"{one}, {relation} {rank}" for one in classes)
    if phrase.own:
        yield from (f"own {relation} {rank}", *(f"{one}, own {kind}" for one in classes))
