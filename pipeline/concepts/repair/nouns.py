"""Rules for nouns: colours used as nouns ("a man in white"), adjacent noun phrases, and participles before a noun."""

from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

MADE = ("build", "craft", "grow", "knit", "make")
MAKERS = ("factory", "hand", "home", "machine", "man")
PICTURES = ("photo", "photograph", "picture", "image", "shot")


def worn_colours(edit: ParseEdit) -> None:
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


def pictures_in_black_and_white(edit: ParseEdit) -> None:
    """In "a photo in black and white of X", tags the colours as adjectives, and attaches "of X" to "photo".

    a photo in black and white of a bird → of (photo, bird)
    """
    for i in range(len(edit)):
        picture = edit.heads[i]
        if edit.words[i : i + 4] == ["in", "black", "and", "white"] and edit.lemmas[picture] in PICTURES:
            for colour in (i + 1, i + 3):
                edit.retag(colour, "JJ", "ADJ")
                for child in edit.children(colour, "prep"):
                    edit.attach(child, to=picture)


def backs_after_colours(edit: ParseEdit) -> None:
    """Tags "back" after a colour as a noun, except before another body part ("brown back legs").

    a small bird with a grey breast and grey back → grey (back), with (bird, back)
    a cat looking curious back at the camera → look back at (cat, camera)
    the man is happy back home → happy (man)
    """
    for back, word in enumerate(edit.words):
        colour = back - 1
        if word != "back" or edit.words[colour] not in lexicon("colours") or edit.pos[back] in NOMINAL:
            continue
        if edit.lemmas[back + 1] not in lexicon("body_parts"):
            edit.promote(back, over=colour, label="amod", moving=edit.children(colour))
            edit.retag(back, "NN", "NOUN", "back")
            edit.retag(colour, "JJ", "ADJ", edit.words[colour])
            if edit.words[colour - 1] in ("and", ",") and edit.lemmas[colour - 2] in lexicon("body_parts"):
                edit.attach(back, to=colour - 2, label="conj")
                edit.attach(colour - 1, to=colour - 2)


def adjacent_noun_phrases(edit: ParseEdit) -> None:
    """Separates a noun from a body part with an adjective that directly follows it.

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


def makers_before_participles(edit: ParseEdit) -> None:
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
