"""Rules that attach clauses and states to the nouns that they describe."""

from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

SUBJECTS = ("nsubj", "nsubjpass")
DETERMINERS = {"the", "its", "his", "her", "their"}
BE = ("is", "are", "was", "were")
PARTICIPLES = ("VBN", "VBD")
# Transitive verbs: if no noun follows, their object is an earlier noun.
TRANSITIVE_VERBS = ("carry", "hold", "ride", "use", "wear")


def bare_relative_clauses(edit: ParseEdit) -> None:
    """Finds relative clauses without a pronoun ("hat man is wearing"); the noun before becomes the object of the verb.

    With a main verb, the subject must be a person. With "is on", it must have no article and must not be a device that
    can be on, such as a light.

    hat man is wearing → wear (man, hat)
    silver bike man is riding → silver (bike), ride (man, bike)
    police man is standing → police (man), stand (man, –)
    walkway bench is on → on (bench, walkway)
    bathroom light is on → bathroom (light), on (light)
    """
    for verb in range(2, len(edit)):
        acts = edit.tags[verb] == "VBG" and edit.words[verb - 1] in BE
        subject = verb - 2 if acts else verb - 1
        parts = edit.children(subject, "compound")
        is_clause = edit.heads[verb] < 0 and (acts or edit.words[verb] in BE)
        if not (is_clause and parts) or (edit.heads[subject], edit.labels[subject]) != (verb, "nsubj"):
            continue
        bare = edit.lemmas[subject] not in lexicon("switched") and not edit.children(subject, "det")
        after = [c for c in edit.children(verb) if c > verb and edit.labels[c] != "punct"]
        stranded = [edit.labels[c] for c in after] == ["prep"] and not edit.children(after[0])
        if (edit.lemmas[subject] in lexicon("persons") if acts else bare) and (
            stranded or not (after or edit.lemmas[verb] not in TRANSITIVE_VERBS)
        ):
            edit.promote(parts[-1], over=verb, label="relcl")
            for child in edit.children(subject):
                edit.attach(child, to=parts[-1])


def verbs_of_the_main_clause(edit: ParseEdit) -> None:
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


def clauses_after_and(edit: ParseEdit) -> None:
    """Starts a new clause at "its NOUN is" or "the NOUN is" after "and".

    The noun must agree with the verb in number, and must not be coordinated with another subject.

    the bird has a red head and its body is black → red (head), black (body), have (bird, head)
    a bird with a yellow crown and the wings are grey → yellow (crown), grey (wing), with (bird, crown)
    the man and his dog are brown → brown (man), brown (dog)
    """
    for be in range(2, len(edit)):
        noun = be - 1
        plural = edit.words[be] in ("are", "were")
        owners = {edit.words[c] for c in edit.children(noun) if c < noun}
        if edit.words[be] not in BE or (edit.tags[noun] == "NNS") != plural or owners.isdisjoint(DETERMINERS):
            continue
        clause = edit.heads[be] if edit.labels[be] in ("aux", "auxpass") else be
        above = [c for c in edit.children(clause, *SUBJECTS, "expl") if c < noun]
        first = noun
        while edit.labels[first] == "conj":
            first = edit.heads[first]
        second = edit.labels[noun] in SUBJECTS and above
        joined = second if first == noun else edit.labels[first] not in (*SUBJECTS, "ROOT")
        links = [c for c in range(noun) if edit.labels[c] == "cc" and edit.heads[c] in (edit.heads[noun], *above)]
        if joined and links:
            if above:
                edit.promote(above[0], over=clause, label="conj")
            edit.attach(noun, to=clause, label="nsubj")
            edit.attach(links[-1], to=edit.heads[clause])


def states_of_parts(edit: ParseEdit) -> None:
    """Attaches a place or state after "with his PART" to the body part.

    a man with his hands in his pockets → with (man, hand), in (hand, pocket)
    a woman with her legs crossed → with (woman, leg), crossed (leg)
    """
    for own, label in enumerate(edit.labels):
        part, after = own + 1, own + 2
        if label != "poss" or after >= len(edit) or edit.words[own - 1] != "with":
            continue
        if (edit.heads[part], edit.labels[part]) != (own - 1, "pobj"):
            continue
        if edit.lemmas[part] not in lexicon("parts") and edit.lemmas[part] not in lexicon("body_parts"):
            continue
        if edit.labels[after] == "prep" and edit.words[after] not in ("of", "with"):
            edit.attach(after, to=part)
        elif edit.tags[after] in PARTICIPLES or edit.words[after] in lexicon("positions"):
            for owner in edit.children(after, *SUBJECTS)[:1] if edit.heads[after] < 0 else ():
                edit.promote(owner, over=after, label="acl", moving=[c for c in edit.children(after) if c < part])
            edit.attach(after, to=part, label="acl")
            if edit.pos[after] == "VERB":
                edit.retag(after, "VBN", "VERB")
