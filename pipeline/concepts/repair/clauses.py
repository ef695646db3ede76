"""Rules that attach clauses to the nouns that they describe."""

from hspcgan.pipeline.concepts.editable_tree import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

SUBJECTS = ("nsubj", "nsubjpass")
BE = ("is", "are", "was", "were")
POSSESSIVES = {"its", "his", "her", "their"}
# Transitive verbs: if no noun follows, their object is an earlier noun.
TRANSITIVE_VERBS = ("carry", "hold", "ride", "use", "wear")


def clauses_after_watch(edit: ParseEdit, known: Vocabulary) -> None:
    """Corrects "watching a boy ride": "boy" becomes the subject of "ride", and "ride" the complement of "watching".

    people watching a boy ride a horse → watch (people, boy), ride (boy, horse)
    """
    for verb in range(2, len(edit)):
        noun, watching = verb - 1, edit.heads[verb - 1]
        seen = edit.labels[noun] == "dobj" and edit.lemmas[watching] in ("see", "show", "watch")
        watcher = edit.heads[watching]
        if seen and edit.tags[verb] == "VB" and edit.heads[watcher] == verb and edit.labels[watching] == "acl":
            edit.promote(watcher, over=verb, label="dep")
            edit.attach(verb, to=watching, label="ccomp")
            edit.attach(noun, to=verb, label="nsubj")


def _ends_in_preposition(edit: ParseEdit, i: int) -> bool:
    """Whether a verb is followed only by a preposition without a noun."""
    after = [c for c in edit.children(i) if c > i and edit.labels[c] != "punct"]
    return [edit.labels[c] for c in after] == ["prep"] and not edit.children(after[0])


def bare_relative_clauses(edit: ParseEdit, _known: Vocabulary) -> None:
    """Finds relative clauses without a pronoun ("hat man is wearing"); the noun before becomes the object of the verb.

    hat man is wearing → wear (man, hat)
    silver bike man is riding → silver (bike), ride (man, bike)
    police man is standing → police (man), stand (man, –)
    walkway bench is on → on (bench, walkway)
    bathroom light is on → bathroom (light), on (light)
    """
    for verb in range(2, len(edit)):
        if edit.heads[verb] >= 0:
            continue
        acts = edit.tags[verb] == "VBG" and edit.words[verb - 1] in BE
        subject = verb - 2 if acts else verb - 1
        if not (acts or edit.words[verb] in BE) or (edit.heads[subject], edit.labels[subject]) != (verb, "nsubj"):
            continue
        parts = edit.children(subject, "compound")
        if not parts or not _can_be_relative_subject(edit, subject, acts):
            continue
        last = edit.labels[verb + 1] in ("punct", "")
        if _ends_in_preposition(edit, verb) or (last and edit.lemmas[verb] in TRANSITIVE_VERBS):
            edit.promote(parts[-1], over=verb, label="relcl")
            for child in edit.children(subject):
                edit.attach(child, to=parts[-1])


def _can_be_relative_subject(edit: ParseEdit, i: int, acts: bool) -> bool:
    """Whether word `i`, the last noun before the verb, can be the subject of a relative clause without a pronoun.

    With a main verb (`acts`), it must be a person. With "is on", it must have no article and must not be a device that
    can be on, such as a light.
    """
    if acts:
        return edit.lemmas[i] in lexicon("persons")
    return edit.lemmas[i] not in lexicon("switched") and not edit.children(i, "det")


def verbs_of_the_main_clause(edit: ParseEdit, _known: Vocabulary) -> None:
    """Moves a singular verb from the relative clause of a plural noun to the main clause, whose verb is singular.

    The plural noun that the clause describes cannot be the subject of a singular verb.

    this bird has wings that are brown and has a yellow belly → brown (wing), have (bird, belly)
    """
    for verb, label in enumerate(edit.labels):
        clause = edit.heads[verb]
        if label != "conj" or edit.labels[clause] != "relcl":
            continue
        noun = edit.heads[clause]
        main = edit.heads[noun]
        if edit.tags[verb] == edit.tags[main] == "VBZ" and edit.tags[noun] == "NNS":
            links = [c for c in edit.children(clause, "cc") if c < verb]
            for word in (verb, *links[-1:]):
                edit.attach(word, to=main)


def clauses_after_and(edit: ParseEdit, _known: Vocabulary) -> None:
    """Starts a new clause at "its NOUN is" or "the NOUN is" after "and".

    the bird has a red head and its body is black → red (head), black (body), have (bird, head)
    a bird with a yellow crown and the wings are grey → yellow (crown), grey (wing), with (bird, crown)
    the man and his dog are brown → brown (man), brown (dog)
    """
    for be in range(2, len(edit)):
        noun = be - 1
        if edit.words[be] not in BE or edit.pos[noun] not in NOMINAL:
            continue
        clause = edit.heads[be] if edit.labels[be] in ("aux", "auxpass") else be
        above = [c for c in edit.children(clause, *SUBJECTS, "expl") if c < noun]
        joined = edit.labels[noun] == "conj" or (edit.labels[noun] in SUBJECTS and above)
        links = [c for c in range(noun) if edit.labels[c] == "cc" and edit.heads[c] in (edit.heads[noun], *above)]
        if joined and links and _is_only_subject(edit, noun, be, above):
            if above:
                edit.promote(above[0], over=clause, label="conj")
            edit.attach(noun, to=clause, label="nsubj")
            edit.attach(links[-1], to=edit.heads[clause])


def _is_only_subject(edit: ParseEdit, noun: int, be: int, above: list[int]) -> bool:
    """Whether `noun` is the only subject of `be`: it agrees in number, and is not coordinated with another subject."""
    plural = edit.words[be] in ("are", "were")
    first = noun
    while edit.labels[first] == "conj":
        first = edit.heads[first]
    beside_subject = first != noun and edit.labels[first] in (*SUBJECTS, "ROOT")
    if (edit.tags[noun] == "NNS") != plural or beside_subject:
        return False
    owners = {edit.words[c] for c in edit.children(noun) if c < noun}
    both = plural and any(edit.tags[c] == "NNS" or edit.labels[c] == "expl" for c in above)
    return bool(owners & POSSESSIVES) or ("the" in owners and not both)
