"""Repairs of what is said of someone's own parts: "with his hands in his pockets", "has her arms raised"."""

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.parse_edit import NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

PARTICIPLES = ("VBN", "VBD")


def with_parts(edit: ParseEdit, _known: Vocabulary) -> None:
    """A place or state after "with his hand" is the hand's.

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
            _as_state(edit, part, after)


def _as_state(edit: ParseEdit, part: int, state: int) -> None:
    """Makes a participle or adverb the state of a part; the participles in -ing after it are the owner's."""
    if edit.heads[state] < 0:
        owners = edit.children(state, "nsubj", "nsubjpass")
        if len(owners) != 1:
            return
        before = [c for c in edit.children(state) if c < part]
        edit.promote(owners[0], over=state, label="acl", moving=before)
    edit.attach(state, to=part, label="acl")
    for child in edit.children(state):
        if child > state and edit.tags[child] == "VBG":
            edit.attach(child, to=edit.heads[edit.heads[part]], label="acl")
    if edit.pos[state] == "VERB":
        edit.retag(state, "VBN", "VERB")


def parts_in_a_state(edit: ParseEdit, _known: Vocabulary) -> None:
    """In "has her arms raised", the arms are had, and raised.

    the woman has her arms raised → have (woman, arm), raised (arm)
    man has hand raised → have (man, hand), raised (hand)
    """
    for have, lemma in enumerate(edit.lemmas):
        if lemma == "have":
            state = next((c for c in edit.children(have, "ccomp") if c > have and _is_state(edit, c)), -1)
            if state >= 0:
                part = next((c for c in edit.children(state, "nsubj", "nsubjpass") if c < state), -1)
            else:
                state, part = _of_auxiliary(edit, have)
            if part >= 0:
                edit.attach(part, to=have, label="dobj")
                edit.attach(state, to=part, label="acl")
                if edit.pos[state] == "VERB":
                    edit.retag(state, "VBN", "VERB")


def _is_state(edit: ParseEdit, i: int) -> bool:
    return edit.tags[i] in (*PARTICIPLES, "JJ")


def _of_auxiliary(edit: ParseEdit, have: int) -> tuple[int, int]:
    """The state and the part of a "have" that was read as an auxiliary, which becomes the verb; −1 without one."""
    state = edit.heads[have]
    if edit.labels[have] != "aux" or edit.tags[state] not in PARTICIPLES or state <= have + 1:
        return -1, -1
    between = (c for c in range(have + 1, state) if edit.pos[c] in NOMINAL and edit.heads[c] in (have, state))
    part = next(between, -1)
    if part >= 0:
        edit.promote(have, over=state, label="acl", moving=[c for c in edit.children(state) if c < have])
        edit.retag(have, edit.tags[have], "VERB", "have")
    return state, part
