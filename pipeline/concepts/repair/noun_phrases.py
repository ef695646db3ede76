"""Rules that group nouns: lists, pairs with "and", adjacent phrases."""

from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.clauses import SUBJECTS
from hspcgan.pipeline.concepts.repair.lemma_lists import Vocabulary


def lists_before_a_noun(edit: ParseEdit, known: Vocabulary) -> None:
    """Coordinates the nouns of a list that was parsed as modifiers of its last noun.

    a teddybear, kitten and calico cat on a bed → and (kitten, cat), calico (cat)
    """
    for i, label in enumerate(edit.labels):
        noun = edit.heads[i]
        if label != "amod" or noun < i or edit.words[i] in known.adjectives or edit.words[i] in lexicon("colours"):
            continue
        others = [c for c in range(i + 1, noun) if edit.labels[c] == "conj" and i <= edit.heads[c] < c]
        if not any(_is_thing(edit, c, known) for c in others) or "and" not in edit.words[i:noun]:
            continue
        edit.promote(i, over=noun, label="conj", moving=[c for c in edit.children(noun) if c < i])
        edit.retag(i, "NN", "NOUN")
        for c in others:
            if c == noun - 1:
                edit.attach(c, to=noun, label="compound")
            edit.retag(c, "NN", "NOUN")


def _is_thing(edit: ParseEdit, i: int, known: Vocabulary) -> bool:
    word = edit.words[i]
    apart = word in known.adjectives or word in lexicon("colours") or word in lexicon("describing_nouns")
    return word in known.nouns and not apart


def side_by_side(edit: ParseEdit, _known: Vocabulary) -> None:
    """Separates two adjacent noun phrases if the first was parsed as a modifier of the second.

    red bird black wings → red (bird), black (wing)
    small bird red crown black eyebrow → small (bird), red (crown), black (eyebrow)
    """
    for i in range(len(edit)):
        while _stands_apart(edit, i):
            top = edit.heads[i]
            edit.promote(i, over=top, label="appos", moving=[c for c in edit.children(top) if c < i])


def _stands_apart(edit: ParseEdit, i: int) -> bool:
    """Whether a noun that was parsed as a modifier of a later noun has an adjective right after it."""
    top, after = edit.heads[i], i + 1
    if edit.labels[i] not in ("compound", "nmod", "amod") or edit.pos[i] not in NOMINAL or after >= top:
        return False
    shades = edit.words[i] in lexicon("shades") or edit.words[after] in COLOURED
    return not shades and edit.pos[after] == "ADJ" and after < edit.heads[after] <= top


def broken_lists(edit: ParseEdit, _known: Vocabulary) -> None:
    """Restores a list that spaCy ended at its first comma.

    a bathroom with a toilet, a sink and a mirror → with (bathroom, sink), with (bathroom, mirror)
    a cat, a dog, and a bird sit on a bench → sit on (cat, bench), sit on (dog, bench), sit on (bird, bench)
    a room with chairs, a table, and a woman → with (room, chair), with (room, table), with (room, woman)
    """
    for i, label in enumerate(edit.labels):
        is_joined = label == "conj" and edit.lemmas[i] not in lexicon("persons")
        is_joined = is_joined or (label == "conj" and edit.lemmas[edit.heads[i]] not in lexicon("persons"))
        if (label != "appos" and not is_joined) or edit.words[i].endswith("ing"):
            continue
        comma = next((c for c in range(i - 1, edit.heads[i], -1) if edit.words[c] == ","), 0)
        if comma < 2 or any(edit.heads[c] != i for c in range(comma + 1, i)):
            continue
        last = comma - 1
        goes_on = {edit.labels[c] for c in edit.children(i) if c > i} >= {"cc", "conj"}
        with_it = edit.labels[last] == "pobj" and edit.lemmas[edit.heads[last]] == "with"
        is_argument = with_it or edit.labels[last] == "dobj" or (edit.labels[last] in SUBJECTS and label == "appos")
        if goes_on and edit.pos[last] in NOMINAL and is_argument:
            edit.attach(i, to=last, label="conj")
            edit.attach(comma, to=last)
