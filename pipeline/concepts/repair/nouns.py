"""Rules for nouns: colours used as nouns ("a man in white", "gray on its back"), and adjacent noun phrases."""

from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

PICTURES = ("photo", "photograph", "picture", "image", "shot")


def worn_colours(edit: ParseEdit, _known: Vocabulary) -> None:
    """Tags a colour after "in" or "wear" as a noun (clothes) if no noun follows.

    a man in white walking down a path → in (man, white), walk down (man, path)
    a figure dressed in red and blue → dress in (figure, red), dress in (figure, blue)
    woman wearing black → wear (woman, black)
    """
    for i, pos in enumerate(edit.pos):
        if pos != "ADJ" or edit.words[i] not in lexicon("colours") or not _means_clothes(edit, i):
            continue
        joined = [c for c in edit.children(i, "conj") if edit.words[c] in lexicon("colours")]
        for word in (i, *joined):
            edit.retag(word, "NN", "NOUN", edit.words[word])
        edit.relabel(i, "dobj" if edit.pos[edit.heads[i]] == "VERB" else "pobj")


def _means_clothes(edit: ParseEdit, i: int) -> bool:
    """Whether a colour means clothes: true in "a man in white", false in "a photo in black and white"."""
    head = edit.heads[i]
    if head > i or edit.pos[i + 1] in (*NOMINAL, "ADJ", "ADV") or edit.tags[i + 1] == "VBN":
        return False
    clothed = edit.words[head] == "in" and edit.lemmas[edit.heads[head]] in {"dress", "wear", *lexicon("persons")}
    return clothed or (edit.labels[i] == "dobj" and edit.lemmas[head] == "wear")


def pictures_in_black_and_white(edit: ParseEdit, _known: Vocabulary) -> None:
    """In "a photo in black and white of X", tags the colours as adjectives, not clothes; attaches "of X" to "photo".

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
    """In "with COLOUR on PLACE" or "with COLOUR in PLACE", tags the colour as a noun, and attaches the place to it.

    `extract.fold_phrases.colours_on_parts` then makes the colour an attribute of the place.

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


def backs_after_colours(edit: ParseEdit, _known: Vocabulary) -> None:
    """Tags "back" after a colour as a noun, except before another body part ("brown back legs").

    a small bird with a grey breast and grey back → grey (back), with (bird, back)
    a cat looking curious back at the camera → look back at (cat, camera)
    the man is happy back home → happy (man)
    """
    for back, word in enumerate(edit.words):
        colour = back - 1
        if (
            word != "back"
            or edit.words[colour] not in lexicon("colours")
            or edit.lemmas[back + 1] in lexicon("body_parts")
        ):
            continue
        if edit.pos[back] not in NOMINAL:
            edit.promote(back, over=colour, label="amod", moving=edit.children(colour))
            edit.retag(back, "NN", "NOUN", "back")
            edit.retag(colour, "JJ", "ADJ", edit.words[colour])
            if edit.words[colour - 1] in ("and", ",") and edit.lemmas[colour - 2] in lexicon("body_parts"):
                edit.attach(back, to=colour - 2, label="conj")
                edit.attach(colour - 1, to=colour - 2)


def adjacent_noun_phrases(edit: ParseEdit, _known: Vocabulary) -> None:
    """Separates a body part with an adjective from the noun before it, if that was parsed as a modifier of the part.

    red bird black wings → red (bird), black (wing)
    small bird red crown black eyebrow → small (bird), red (crown), black (eyebrow)
    """
    for i in range(len(edit)):
        while _ends_noun_phrase(edit, i):
            top = edit.heads[i]
            edit.promote(i, over=top, label="appos", moving=[c for c in edit.children(top) if c < i])


def _ends_noun_phrase(edit: ParseEdit, i: int) -> bool:
    """Whether a noun was parsed as a modifier of a body part, and an adjective of that part directly follows it."""
    top, after = edit.heads[i], i + 1
    if edit.pos[i] not in NOMINAL or edit.labels[i] not in ("compound", "nmod", "amod") or after >= top:
        return False
    shades = edit.words[i] in lexicon("shades") or edit.words[after] in COLOURED
    part = edit.lemmas[top] in lexicon("body_parts")
    return part and not shades and edit.pos[after] == "ADJ" and after < edit.heads[after] <= top
