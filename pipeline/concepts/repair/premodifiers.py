"""Rules for words before a noun that modify it, but that spaCy parsed as nouns or clauses."""

from hspcgan.pipeline.concepts.editable_tree import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

MADE = ("build", "craft", "grow", "knit", "make")
MAKERS = ("factory", "hand", "home", "machine", "man")


def makers_before_participles(edit: ParseEdit, _known: Vocabulary) -> None:
    """In "home built motorcycle", attaches the maker or place ("home") to the participle ("built").

    a home built motorcycle in a garage → home built (motorcycle), in (motorcycle, garage)
    a hand made quilt on a bed → hand made (quilt), on (quilt, bed)
    """
    for made in range(1, len(edit) - 1):
        maker, noun = made - 1, made + 1
        if edit.words[maker] in MAKERS and edit.lemmas[made] in MADE and edit.pos[noun] in NOMINAL:
            top = next((i for i in (maker, made) if edit.heads[i] not in (maker, made, noun)), noun)
            edit.promote(noun, over=top, label="amod", moving=edit.children(maker) + edit.children(made))
            edit.attach(made, to=noun, label="amod")
            edit.attach(maker, to=made, label="compound")
            edit.retag(made, "VBN", "VERB")


def hyphenated_words(edit: ParseEdit, _known: Vocabulary) -> None:
    """Attaches the parts of a hyphenated word to its last part, and the last part to the noun that it describes.

    a boat on a man-made lake → man-made (lake), on (boat, lake)
    a chocolate-dipped strawberry → chocolate-dipped (strawberry)
    a 5-year-old girl with a doll → 5-year-old (girl), with (girl, doll)
    an old, rusty, broken-down truck → old (truck), rusty (truck), broken-down (truck)
    a snow-covered road → cover (snow, road)
    """
    if "-" not in edit.words:
        return
    last = 0
    while last < len(edit):
        first = last
        while (
            last + 2 < len(edit) and edit.words[last + 1] == "-" and edit.is_joined(last) and edit.is_joined(last + 1)
        ):
            last += 2
        if first < last:
            _join_parts(edit, first, last)
        last += 1


def _join_parts(edit: ParseEdit, first: int, last: int) -> None:
    nouns = {edit.heads[i] for i in range(first, last + 1, 2) if edit.heads[i] > last}
    if len(nouns) == 1 and edit.pos[last] not in NOMINAL:
        edit.attach(last, to=nouns.pop(), label="amod")
    elif edit.labels[last] != "amod":
        return
    covered = edit.lemmas[last] in lexicon("agent_participles") and edit.pos[first] in NOMINAL
    for i in range(first, last):
        edit.attach(i, to=last, label="punct" if edit.words[i] == "-" else "npadvmod" if covered else "compound")


def adverbs_inside_names(edit: ParseEdit, known: Vocabulary) -> None:
    """Tags an adverb between the two nouns of a compound as a noun, and adds it to the compound.

    a kitchen with a stove back splash → stove (splash), back (splash), with (kitchen, splash)
    """
    for i, tag in enumerate(edit.tags):
        if tag != "RB" or not i or edit.words[i] not in known.nouns or edit.labels[i - 1] not in ("compound", "nmod"):
            continue
        if edit.pos[i - 1] in NOMINAL and edit.heads[i - 1] == i + 1 and edit.pos[i + 1] in NOMINAL:
            edit.retag(i, "NN", "NOUN", edit.words[i])
            edit.attach(i, to=i + 1, label="compound")
            edit.relabel(i - 1, "compound")
