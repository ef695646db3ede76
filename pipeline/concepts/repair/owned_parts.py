"""Rules for phrases about body parts and their owners: "with his hands in his pockets"."""

from hspcgan.pipeline.concepts.editable_tree import ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.vocabulary import Vocabulary

PARTICIPLES = ("VBN", "VBD")


def states_of_parts(edit: ParseEdit, _known: Vocabulary) -> None:
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
            _attach_state(edit, part, after)


def _attach_state(edit: ParseEdit, part: int, state: int) -> None:
    """Attaches a participle or adverb to a body part as its state; an -ing participle after it describes the owner."""
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
