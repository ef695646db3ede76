"""Rules for quoted words and the words on signs: they are treated as one name, regardless of their grammar."""

from hspcgan.pipeline.concepts.editable_tree import NOMINAL, QUOTED, ParseEdit

QUOTES = ('"', "“", "”")
READING_VERBS = ("read", "say", "spell")
SIGN_NOUNS = ("banner", "billboard", "board", "label", "poster", "shirt", "sign", "sticker")
ENDS = ("ADP", "CCONJ", "DET", "PART", "PRON", "PUNCT", "SCONJ", "")


def quotations(edit: ParseEdit) -> None:
    """Joins words in quotation marks into one name; attaches phrases after them to the sign or thing that shows them.

    a sign reading "keep out" on a wooden fence → read (sign, keep out), on (sign, fence)
    a shirt that says "peace and love." → say (shirt, peace and love)
    a "no smoking" sign on a wall → on (sign, wall)
    """
    marks = [i for i, word in enumerate(edit.words) if word in QUOTES]
    for first, last in zip(marks[::2], marks[1::2], strict=False):
        words = [i for i in range(first + 1, last) if edit.pos[i] != "PUNCT" or i + 1 < last]
        if not words or first == 0 or (len(words) == 1 and edit.pos[words[0]] == "VERB"):
            continue
        _join_as_name(edit, first - 1, words, last + 1)
        for mark in (first, last):
            edit.attach(mark, to=words[-1])


def words_on_signs(edit: ParseEdit) -> None:
    """Joins the words on a sign into one name if they have no quotation marks.

    a sign that says stop → say (sign, stop)
    a sign that reads keep right on a street → read (sign, keep right), on (sign, street)
    """
    for verb, lemma in enumerate(edit.lemmas):
        if lemma not in READING_VERBS or edit.pos[verb] != "VERB":
            continue
        if edit.lemmas[_thing_with_words(edit, verb)] not in SIGN_NOUNS:
            continue
        end = verb + 1
        while edit.pos[end] not in ENDS:
            end += 1
        if end > verb + 1:
            _join_as_name(edit, verb, list(range(verb + 1, end)), end)


def _thing_with_words(edit: ParseEdit, before: int) -> int:
    """Returns the thing that shows the words: the noun before them, or the subject of a verb before them; −1: none."""
    if edit.pos[before] != "VERB":
        return before if edit.pos[before] in NOMINAL else -1
    subjects = [c for c in edit.children(before, "nsubj") if edit.pos[c] in NOMINAL]
    return subjects[0] if subjects else edit.heads[before]


def _join_as_name(edit: ParseEdit, before: int, words: list[int], after: int) -> None:
    """Joins `words` into one name.

    The name becomes the object of a verb before it, an apposition to a noun before it, or a modifier of a later noun.
    """
    name, carrier = words[-1], _thing_with_words(edit, before)
    top = next((i for i in words if edit.heads[i] not in words), name)
    head, label = edit.heads[top], edit.labels[top]
    if head < 0 and carrier >= 0 and carrier not in words:
        edit.attach(carrier, to=-1, label="ROOT")
    if edit.pos[before] == "VERB":
        head, label = before, "dobj"
    elif edit.pos[before] in NOMINAL:
        head, label = before, "appos"
    elif edit.pos[after] in NOMINAL:
        head, label = after, "compound"
    outside = [c for i in words for c in edit.children(i) if c not in words and c != before]
    edit.attach(name, to=head, label=label)
    for i in words:
        edit.retag(i, QUOTED, "PROPN", edit.words[i])
        if i != name:
            edit.attach(i, to=name, label="compound")
    for child in outside:
        edit.attach(child, to=carrier if carrier >= 0 else name)
