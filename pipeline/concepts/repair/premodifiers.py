"""Repairs of words before a noun that spaCy took for things or for clauses."""

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.parse_edit import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary


def kinds(edit: ParseEdit, _known: Vocabulary) -> None:
    """After a colour, a word in -ing before a noun is a modifier.

    a green folding chair on the grass → green (chair), folding (chair), on (chair, grass)
    a woman in blue holding bags → in (woman, blue), hold (woman, bag)
    """
    for i, tag in enumerate(edit.tags):
        colour, noun = i - 1, i + 1
        if tag != "VBG" or not i or edit.words[colour] not in lexicon("colours") or edit.pos[noun] not in NOMINAL:
            continue
        worn = colour > 0 and (edit.words[colour - 1] == "in" or edit.lemmas[colour - 1] == "wear")
        is_clause = (edit.heads[i], edit.labels[i]) == (colour, "acl")
        if is_clause and not worn and (edit.heads[noun], edit.labels[noun]) == (i, "dobj"):
            _describe(edit, colour, noun)
            edit.attach(i, to=noun, label="amod")


def two_colours(edit: ParseEdit, _known: Vocabulary) -> None:
    """Two colours joined by "and" before a noun both describe it.

    grey and white cat on a bed → grey (cat), white (cat), on (cat, bed)
    """
    for link, label in enumerate(edit.labels):
        one, other, noun = link - 1, link + 1, link + 2
        if label != "cc" or not link or noun >= len(edit) or edit.words[one] not in lexicon("colours"):
            continue
        if edit.words[other] not in lexicon("colours") or edit.pos[one] not in NOMINAL or edit.pos[noun] not in NOMINAL:
            continue
        if (edit.heads[noun], edit.labels[noun], edit.heads[other]) == (one, "conj", noun):
            _describe(edit, one, noun)
            edit.attach(link, to=one)
            edit.attach(other, to=one, label="conj")


def _describe(edit: ParseEdit, colour: int, noun: int) -> None:
    """Makes a noun the head of the phrase that began with a colour, and the colour its modifier."""
    edit.promote(noun, over=colour, label="amod", moving=edit.children(colour))
    edit.retag(colour, "JJ", "ADJ", edit.words[colour])


def covered_things(edit: ParseEdit, _known: Vocabulary) -> None:
    """In "moss covered rock", the noun before the participle covers the noun after it.

    a moss covered rock near a stream → cover (moss, rock), near (rock, stream)
    ice covered branches on a tree → cover (ice, branch), on (branch, tree)
    an oil covered road → cover (oil, road)
    """
    for i, tag in enumerate(edit.tags):
        cover = i - 1
        if tag not in ("VBD", "VBN") or edit.lemmas[i] not in lexicon("covering_verbs") or edit.heads[cover] != i:
            continue
        noun = next((c for c in edit.children(i, "dobj") if c > i), -1)
        if noun < 0 or edit.pos[cover] not in NOMINAL or edit.labels[cover] not in ("nsubj", "npadvmod"):
            continue
        if edit.children(noun, "det"):
            continue
        edit.promote(noun, over=i, label="amod", moving=edit.children(i))
        for child in edit.children(cover):
            edit.attach(child, to=noun)
        edit.attach(cover, to=i, label="npadvmod")
        edit.retag(i, "VBN", "VERB")


def deckers(edit: ParseEdit, _known: Vocabulary) -> None:
    """The number before "decker" belongs to it.

    a red double decker bus → red (bus), double decker (bus)
    a green double decker bus sits at the front of a row of buses → green (bus), double decker (bus)
    """
    for i, word in enumerate(edit.words):
        count, bus = i - 1, i + 1
        if word != "decker" or not i or (edit.labels[i], edit.heads[i]) != ("compound", bus):
            continue
        if edit.heads[count] in (i, bus):
            for child in edit.children(count):
                edit.attach(child, to=bus)
            edit.attach(count, to=i, label="compound")
            edit.relabel(i, "amod")
            edit.retag(i, "JJ", "ADJ", "decker")


def modifiers_of_modifiers(edit: ParseEdit, _known: Vocabulary) -> None:
    """An adjective before two nouns describes the second.

    this bird has a long wing span → long (span), wing (span)
    """
    for i, label in enumerate(edit.labels):
        if label == "amod" and edit.pos[i] == "NOUN" and i < edit.heads[i]:
            for child in edit.children(i, "amod"):
                if child < i:
                    edit.attach(child, to=edit.heads[i])
