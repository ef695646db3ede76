"""Repairs of words that spaCy confuses with nouns in telegraphic captions ("train on tracks", "giraffe eating leaves").

Its small model learnt from newspapers, where a sentence has a verb: it takes nouns without article for verbs, and
participles for nouns.
"""

from hspcgan.pipeline.concepts.lexicons import lexicon, pairs
from hspcgan.pipeline.concepts.parse_edit import COLOURED, NEAR, NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

MADE = ("baked", "boiled", "cooked", "cut", "fried", "made")  # "deep fried", "soft boiled": the first word says how
MODIFIERS = ("compound", "amod", "nmod")
ATTACHED = (*MODIFIERS, "nsubj", "npadvmod", "poss")
AFTER_PARTICIPLES = ("ADP", "DET", "ADV", "SCONJ", "PRON", "ADJ", "PART", "PUNCT", "")

OBJECTS = ("pobj", "dobj")
PICTURES = ("photo", "photograph", "picture", "image", "shot")


def unknown_words(edit: ParseEdit, known: Vocabulary) -> None:
    """A word that is a noun by the lists, and not what spaCy took it for, is a noun.

    a man grabbing skateboard → grab (man, skateboard)
    large sign on building → on (sign, building)
    the bird has black eyes, orange feet and a brown back → brown (back), have (bird, back)
    a kitchen with a stove, refrigerator, and sink → with (kitchen, sink)
    """
    for i in range(len(edit)):
        if edit.pos[i] not in NOMINAL and _is_noun(edit, i, known):
            _as_noun(edit, i)


def _is_noun(edit: ParseEdit, i: int, known: Vocabulary) -> bool:
    word, label, pos = edit.words[i], edit.labels[i], edit.pos[i]
    if edit.tags[i] == "VBG" and word in lexicon("ing_nouns"):
        acts = edit.children(i, "dobj", "nsubj", "aux", "advmod")
        return label in ("pcomp", "pobj", "dobj", "ROOT", "attr", "conj") and not acts
    if pos == "ADJ" and label == "ROOT" and word in known.nouns:
        return any(c > i for c in edit.children(i, "prep")) and not edit.children(i, "nsubj", "aux")
    if edit.tags[i] == "MD" and word == "can":
        return edit.pos[i - 1] in ("NOUN", "ADJ", "DET") and not any(edit.tags[c] == "VB" for c in edit.children(i))
    if label == "conj" and edit.tags[i] in ("VB", "VBP"):  # "a stove, refrigerator, and sink"
        last = edit.pos[i + 1] in ("", "ADP", "PUNCT") and not edit.children(i, "dobj", "nsubj", "aux", "prep")
        return last and word in known.nouns and edit.pos[edit.heads[i]] in NOMINAL
    if pos not in ("ADV", "ADJ"):
        return False
    after = label == "amod" and edit.heads[i] == i - 1 and edit.pos[i - 1] in NOMINAL
    if pos == "ADJ" and not after and label in ("amod", "acomp", "compound", "nmod"):
        return False
    return len(word) > 3 and word in known.nouns and word not in (known.adverbs if pos == "ADV" else known.adjectives)


def _as_noun(edit: ParseEdit, i: int) -> None:
    head, label = edit.heads[i], edit.labels[i]
    edit.retag(i, "NN", "NOUN", edit.words[i])
    if label == "pcomp":
        edit.relabel(i, "pobj")
    elif label == "advmod" and head == i - 1 and edit.pos[head] == "VERB":
        edit.relabel(i, "dobj")
    elif label in ("advmod", "amod") and head == i - 1 and edit.pos[head] in (*NOMINAL, "ADJ"):
        quality = edit.pos[head] == "ADJ" or edit.words[head] in lexicon("colours")
        edit.promote(i, over=head, label="amod" if quality else "compound", moving=edit.children(head))


def adjectives_tagged_as_nouns(edit: ParseEdit, known: Vocabulary) -> None:
    """A "noun" before a noun that is an adjective by the lists; the adjectives before it belong to the noun.

    a green grassy field → green (field), grassy (field)
    """
    for i, label in enumerate(edit.labels):
        if label not in ("compound", "nmod") or edit.pos[i] not in NOMINAL or edit.heads[i] < i:
            continue
        word = edit.texts[i]  # "New" of "New York" is no adjective
        if word in known.adjectives and word not in known.nouns:
            edit.retag(i, "JJ", "ADJ", edit.words[i])
            edit.relabel(i, "amod")
            for child in edit.children(i, "amod", "det", "nummod"):
                edit.attach(child, to=edit.heads[i])


def worn_colours(edit: ParseEdit, _known: Vocabulary) -> None:
    """A colour that someone is in or wears, without a noun after it, stands for clothes.

    a man in white walking down a path → in (man, white), walk down (man, path)
    a figure dressed in red and blue → dress in (figure, red), dress in (figure, blue)
    woman wearing black → wear (woman, black)
    """
    for i, pos in enumerate(edit.pos):
        if pos != "ADJ" or edit.words[i] not in lexicon("colours") or not _is_worn(edit, i):
            continue
        joined = [c for c in edit.children(i, "conj") if edit.words[c] in lexicon("colours")]
        for word in (i, *joined):
            edit.retag(word, "NN", "NOUN", edit.words[word])
        edit.relabel(i, "dobj" if edit.pos[edit.heads[i]] == "VERB" else "pobj")


def worn_colours_before_participles(edit: ParseEdit, known: Vocabulary) -> None:
    """After "in" or "wearing", a colour before a word in -ing is worn, and the word is what the wearer does.

    a woman dressed in black sitting and reading a book → dress in (woman, black), sit (woman, –), read (woman, book)
    """
    for i in range(2, len(edit)):
        colour, noun = i - 1, edit.heads[i]
        if edit.words[colour] not in lexicon("colours") or edit.heads[colour] != i or edit.labels[i] not in OBJECTS:
            continue
        verb = known.verb_of_participle(edit.words[i]) if edit.words[i].endswith("ing") else ""
        if verb not in known.verbs or edit.words[i] in lexicon("ing_nouns") or noun != colour - 1:
            continue
        dressed = edit.heads[noun] if edit.words[noun] == "in" else noun
        if edit.lemmas[dressed] not in ("dress", "wear"):
            continue
        edit.promote(colour, over=i, label="acl")
        edit.attach(i, to=edit.heads[dressed] if edit.labels[dressed] == "acl" else dressed)
        edit.retag(colour, "NN", "NOUN", edit.words[colour])
        edit.retag(i, "VBG", "VERB", verb)


def _is_worn(edit: ParseEdit, i: int) -> bool:
    """Not "a photo in black and white"."""
    head = edit.heads[i]
    if head > i or edit.pos[i + 1] in (*NOMINAL, "ADJ", "ADV") or edit.tags[i + 1] == "VBN":
        return False
    clothed = edit.words[head] == "in" and edit.lemmas[edit.heads[head]] in {"dress", "wear", *lexicon("persons")}
    return clothed or (edit.labels[i] == "dobj" and edit.lemmas[head] == "wear")


def pictures_in_black_and_white(edit: ParseEdit, _known: Vocabulary) -> None:
    """Black and white are no clothes of a picture, and what follows them belongs to the picture.

    a photo in black and white of a bird → of (photo, bird)
    """
    for i, word in enumerate(edit.words):
        picture = edit.heads[i]
        if word == "in" and edit.words[i + 1 : i + 4] == ["black", "and", "white"] and edit.lemmas[picture] in PICTURES:
            for colour in (i + 1, i + 3):
                edit.retag(colour, "JJ", "ADJ")
                for child in edit.children(colour, "prep"):
                    edit.attach(child, to=picture)


def colours_on_parts(edit: ParseEdit, _known: Vocabulary) -> None:
    """A colour after "with" and before "on" is a noun to which the place belongs; `fold` gives it to the place.

    this bird is white with gray on its back and tail → white (bird), gray (back), gray (tail), with (bird, tail)
    a bird with red and black on the wings → red (wing), black (wing), with (bird, wing)
    """
    for start, word in enumerate(edit.words):
        if word != "with":
            continue
        end = start + 1
        while edit.words[end] in lexicon("colours") or (end > start + 1 and edit.words[end] in ("and", ",")):
            end += 1
        if end == start + 1 or edit.words[end] not in ("on", "in"):
            continue
        if edit.tags[end + 1] == "PRP":  # "a vase with lavender in it"
            continue
        first, *others = [i for i in range(start + 1, end) if edit.words[i] in lexicon("colours")]
        for i in (first, *others):
            edit.retag(i, "NN", "NOUN", edit.words[i])
        edit.attach(first, to=start, label="pobj")
        edit.attach(end, to=first, label="prep")
        for i in others:
            edit.attach(i, to=first, label="conj")


def adjectives_of_adjectives(edit: ParseEdit, _known: Vocabulary) -> None:
    """An adjective before another one describes the noun, except in a shade ("dark blue") or a compound.

    this bird has a long pointed bill → long (bill), pointed (bill), have (bird, bill)
    a short sleeved shirt → short sleeved (shirt)
    a deep fried chicken → fried (chicken)
    """
    for i, label in enumerate(edit.labels):
        head = edit.heads[i]
        if label != "advmod" or edit.tags[i] != "JJ" or head != i + 1 or edit.labels[head] != "amod":
            continue
        after = edit.words[head]
        shade = edit.words[i] in lexicon("shades") and after in lexicon("colours")
        if not shade and after not in (*COLOURED, "sized", "shaped", *MADE) and after not in pairs("part_words"):
            edit.attach(i, to=edit.heads[head], label="amod")


def participles(edit: ParseEdit, known: Vocabulary) -> None:
    """A "noun" in -ing after a noun is what that noun does; the word that it was made to describe is its object.

    a surfboard laying in the grass → lay in (surfboard, grass)
    giraffe eating leaves → eat (giraffe, leaf)
    """
    for i, tag in enumerate(edit.tags):
        if not i or tag not in ("NN", "VBG") or not edit.words[i].endswith("ing") or not _is_participle(edit, i, known):
            continue
        noun, top = i - 1, edit.heads[i]
        edit.retag(noun, "NN" if edit.tags[noun] == "JJ" else edit.tags[noun], "NOUN")
        if edit.labels[i] in MODIFIERS:
            edit.attach(noun, to=top)
            edit.promote(noun, over=top, label="dobj", moving=_before(edit, top, noun))
            edit.attach(i, to=noun, label="acl")
            edit.attach(top, to=i)
        else:
            edit.promote(noun, over=i, label="acl")
            if edit.labels[noun] == "pcomp":
                edit.relabel(noun, "pobj")
        for child in _before(edit, i, noun):
            edit.attach(child, to=noun)
        edit.retag(i, "VBG", "VERB", known.verb_of_participle(edit.words[i]))


def _before(edit: ParseEdit, i: int, noun: int) -> list[int]:
    return [c for c in edit.children(i) if c < noun or edit.labels[c] == "punct"]


def _is_participle(edit: ParseEdit, i: int, known: Vocabulary) -> bool:
    if edit.words[i] in lexicon("ing_nouns") or edit.words[i] in lexicon("name_openers"):
        return False
    noun, label, head = i - 1, edit.labels[i], edit.heads[i]
    if edit.pos[noun] not in NOMINAL and not (edit.pos[noun] == "ADJ" and edit.words[noun] in known.nouns):
        return False
    if label in MODIFIERS:
        return edit.labels[noun] in ATTACHED and edit.heads[noun] in (i, head) and head > i
    attached = ATTACHED if edit.tags[i] == "NN" else MODIFIERS
    return edit.heads[noun] == i and edit.labels[noun] in attached and edit.pos[i + 1] in AFTER_PARTICIPLES


def places_after_to(edit: ParseEdit, known: Vocabulary) -> None:
    """A "verb" after "next to" or "parked close to" is a place.

    car parked next to sidewalk → park next to (car, sidewalk)
    """
    for i, tag in enumerate(edit.tags):
        to, anchor = i - 1, i - 2
        if tag != "VB" or i < 2 or edit.words[to] != "to" or edit.words[i] not in known.nouns:
            continue
        if edit.children(i, "dobj") or not (edit.words[anchor] in NEAR or edit.tags[anchor] == "VBN"):
            continue
        edit.retag(i, "NN", "NOUN", edit.words[i])
        edit.retag(to, "IN", "ADP", "to")
        if edit.heads[i] >= 0:
            edit.attach(to, to=anchor, label="prep")
            edit.attach(i, to=to, label="pobj")
