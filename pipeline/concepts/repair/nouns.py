"""Rules for nouns: colours used as nouns ("a man in white"), and participles before a noun."""

from hspcgan.pipeline.concepts.editable_tree import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

MADE = ("build", "craft", "grow", "knit", "make")
MAKERS = ("factory", "hand", "home", "machine", "man")


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


def backs_after_colours(edit: ParseEdit) -> None:
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
