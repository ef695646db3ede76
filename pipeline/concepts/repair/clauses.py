"""Repairs of which noun a clause speaks of, on a draft of spaCy's analysis; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.extract.tree import NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.edit import Draft

SUBJECTS = ("nsubj", "nsubjpass")
BE = ("is", "are", "was", "were")
POSSESSIVES = {"its", "his", "her", "their"}
HANDLED = ("carry", "hold", "ride", "use", "wear")
"""Verbs that leave something out where they have no object."""


def relative(draft: Draft) -> None:
    """A noun before another verb's subject is what the clause describes.

    the table the vase is on → on (vase, table)
    a shirt the man is wearing → wear (man, shirt)
    path the horse is on → on (horse, path)
    white table that the cake is on → white (table), on (cake, table)
    """
    for i in range(len(draft.heads)):
        if draft.deps[i] == "acl" and draft.tags[i] in ("VBZ", "VBP") and _leaves_out(draft, i):
            draft.deps[i], draft.changed = "relcl", True
        if draft.heads[i] != i:
            continue
        loose = ("npadvmod", "dep") if _leaves_out(draft, i) else ()
        ones = [c for c in draft.children(i) if c < i and draft.deps[c] in (*SUBJECTS, *loose)]
        if len(ones) != 2 or any(draft.pos[c] not in NOMINAL for c in ones):
            continue
        ending = [c for c in draft.children(i) if draft.deps[c] in ("dobj", "attr", "acomp")]
        if not ending:
            draft.swap(ones[0], i)
            draft.deps[i] = "relcl"


def _leaves_out(draft: Draft, i: int) -> bool:
    """Whether a verb's last word is a preposition of nothing."""
    ending = [c for c in draft.children(i) if c > i and draft.deps[c] != "punct"]
    return [draft.deps[c] for c in ending] == ["prep"] and not draft.children(ending[0])


def bare_relative(draft: Draft) -> None:
    """A noun before someone who does something with it.

    hat man is wearing → wear (man, hat)
    silver bike man is riding → silver (bike), ride (man, bike)
    police man is standing → police (man), stand (man, –)
    walkway bench is on → on (bench, walkway)
    bathroom light is on → bathroom (light), on (light)
    """
    for verb in range(2, len(draft.heads)):
        acts = draft.tags[verb] == "VBG" and draft.source[verb - 1].lower_ in BE
        one = verb - 2 if acts else verb - 1
        if draft.heads[verb] != verb or not (acts or draft.source[verb].lower_ in BE):
            continue
        if (draft.heads[one], draft.deps[one]) != (verb, "nsubj") or not _someone(draft, one, acts):
            continue
        parts = [c for c in draft.children(one) if draft.deps[c] == "compound"]
        last = verb + 1 == len(draft.heads) or draft.source[verb + 1].is_punct
        if parts and (_leaves_out(draft, verb) or (last and draft.lemmas[verb] in HANDLED)):
            noun = parts[-1]
            draft.heads[noun], draft.deps[noun] = noun, "ROOT"
            draft.heads[verb], draft.deps[verb], draft.changed = noun, "relcl", True
            for child in draft.children(one):
                draft.heads[child] = noun


def _someone(draft: Draft, i: int, acts: bool) -> bool:
    """Whether the last of several nouns may speak for itself: a person who acts; a thing that is somewhere, not on."""
    if acts:
        return draft.lemmas[i] in lexicon("persons")
    return draft.lemmas[i] not in lexicon("switched") and not any(draft.deps[c] == "det" for c in draft.children(i))


def all_subjects(draft: Draft) -> None:
    """A clause said to describe a noun, whose subject "and" or a comma joins to that noun, speaks of both.

    a man with a beard and a woman with long hair are dancing → dance (man, –), dance (woman, –)
    a man, a woman and a child are walking → walk (man, –), walk (woman, –), walk (child, –)
    """
    for verb, dep in enumerate(draft.deps):
        noun = draft.heads[verb]
        ones = [c for c in draft.children(verb) if draft.deps[c] == "nsubj" and noun < c < verb]
        plural = (
            any(draft.source[c].lower_ in ("are", "were") for c in draft.children(verb)) or draft.tags[verb] == "VBP"
        )
        if dep != "relcl" or draft.heads[noun] != noun or len(ones) != 1 or not plural:
            continue
        first = ones[0]
        while first > noun and (draft.heads[first - 1] == ones[0] or draft.heads[first - 1] == first):
            first -= 1
        link = first - 1
        if draft.deps[link] != "cc" and draft.source[link].lower_ != ",":
            continue
        draft.swap(verb, noun)
        draft.deps[noun] = "nsubj"
        draft.heads[ones[0]], draft.deps[ones[0]], draft.heads[link] = noun, "conj", noun


def agreeing(draft: Draft) -> None:
    """After a relative clause, a verb in the singular is not said of a noun in the plural, but of the main subject.

    this bird has wings that are brown and has a yellow belly → brown (wing), have (bird, belly)
    """
    for verb, dep in enumerate(draft.deps):
        clause = draft.heads[verb]
        noun = draft.heads[clause]
        main = draft.heads[noun]
        agrees = draft.tags[verb] == draft.tags[main] == "VBZ" and draft.tags[noun] == "NNS"
        if agrees and (dep, draft.deps[clause]) == ("conj", "relcl"):
            links = [c for c in draft.children(clause) if draft.deps[c] == "cc" and c < verb]
            for word in (verb, *links[-1:]):
                draft.heads[word], draft.changed = main, True


def own_predicate(draft: Draft) -> None:
    """A noun between "and its" or "and the" and "is" begins a clause of its own.

    the bird has a red head and its body is black → red (head), black (body), have (bird, head)
    a bird with a yellow crown and the wings are grey → yellow (crown), grey (wing), with (bird, crown)
    the man and his dog are brown → brown (man), brown (dog)
    """
    for be in range(2, len(draft.heads)):
        noun = be - 1
        if draft.source[be].lower_ not in BE or draft.pos[noun] not in NOMINAL:
            continue
        clause = draft.heads[be] if draft.deps[be] in ("aux", "auxpass") else be
        above = [c for c in draft.children(clause) if draft.deps[c] in (*SUBJECTS, "expl") and c < noun]
        joined = draft.deps[noun] == "conj" or (draft.deps[noun] in SUBJECTS and above)
        links = [c for c in range(noun) if draft.deps[c] == "cc" and draft.heads[c] in (draft.heads[noun], *above)]
        if not joined or not links or not _speaks_alone(draft, noun, be, above):
            continue
        if above:
            draft.swap(above[0], clause)
            draft.deps[clause] = "conj"
        draft.heads[noun], draft.deps[noun], draft.heads[links[-1]] = clause, "nsubj", draft.heads[clause]
        draft.changed = True


def _speaks_alone(draft: Draft, noun: int, be: int, above: list[int]) -> bool:
    """Whether "its NOUN is" fits the noun alone, which is joined to no subject."""
    plural = draft.source[be].lower_ in ("are", "were")
    first = noun
    for _ in draft.heads:  # no longer: rules before this one may have left a circle
        first = draft.heads[first] if draft.deps[first] == "conj" else first
    beside_subject = first != noun and draft.deps[first] in (*SUBJECTS, "ROOT")
    if (draft.tags[noun] == "NNS") != plural or beside_subject:
        return False
    owners = {draft.source[c].lower_ for c in draft.children(noun) if c < noun}
    both = plural and any(draft.tags[c] == "NNS" or draft.deps[c] == "expl" for c in above)
    return bool(owners & POSSESSIVES) or ("the" in owners and not both)


def compared(draft: Draft) -> None:
    """A noun before a comparison, which was read as a measure ("a foot taller").

    a boy taller than the girl → tall (boy), taller than (boy, girl)
    """
    for i in range(1, len(draft.heads) - 1):
        noun = i - 1
        measured = draft.heads[noun] == i and draft.deps[noun] in ("npadvmod", "compound", "nsubj")
        if draft.tags[i] != "JJR" or draft.pos[noun] not in NOMINAL or not measured:
            continue
        if draft.source[i + 1].lower_ == "than":
            draft.swap(noun, i)
            draft.deps[i] = "amod"
            for child in draft.children(i):
                if child < noun:
                    draft.heads[child] = noun
