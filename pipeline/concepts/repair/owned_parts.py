"""Repairs of what is said of someone's own parts: "with his hands in his pockets", "has her arms raised".

The captions are the rules' tests.
"""

from spacy.tokens import Token

from hspcgan.pipeline.concepts.extract.tree import NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.edit import Draft


def with_parts(draft: Draft) -> None:
    """After "with his hand", a place or state is the hand's, not the man's.

    a man with his hands in his pockets → with (man, hand), in (hand, pocket)
    a woman with her legs crossed → with (woman, leg), crossed (leg)
    """
    for own in range(1, len(draft.heads) - 2):
        part, after = own + 1, own + 2
        if draft.deps[own] != "poss" or draft.source[own - 1].lower_ != "with" or draft.deps[part] != "pobj":
            continue
        if draft.lemmas[part] not in lexicon("parts") | lexicon("body_parts") or draft.heads[part] != own - 1:
            continue
        if draft.deps[after] == "prep" and draft.source[after].lower_ not in ("of", "with"):
            draft.heads[after], draft.changed = part, True
        elif draft.tags[after] in ("VBN", "VBD") or draft.source[after].lower_ in lexicon("positions"):
            _state(draft, part, after)


def _state(draft: Draft, part: int, state: int) -> None:
    owners = [c for c in draft.children(state) if draft.deps[c] in ("nsubj", "nsubjpass")]
    if draft.heads[state] == state:
        if len(owners) != 1:
            return
        draft.swap(owners[0], state)
        for child in draft.children(state):
            if child < part:
                draft.heads[child] = owners[0]
    draft.heads[state], draft.deps[state] = part, "acl"
    draft.doings_to(state, draft.heads[draft.heads[part]])
    draft.word(state, "VBN" if draft.pos[state] == "VERB" else draft.tags[state], draft.pos[state], draft.lemmas[state])


def having(draft: Draft, have: Token) -> None:
    """A part in a state is had.

    the woman has her arms raised → have (woman, arm), raised (arm)
    man has hand raised → have (man, hand), raised (hand)
    """
    state = next((c for c in have.rights if c.dep_ == "ccomp" and c.tag_ in ("VBN", "VBD", "JJ")), None)
    if state is not None:
        part = next((c for c in state.lefts if c.dep_ in ("nsubj", "nsubjpass")), None)
    elif have.dep_ == "aux" and have.head.tag_ in ("VBN", "VBD") and have.i + 1 < have.head.i:
        state = have.head
        part = next((c for c in state.doc[have.i + 1 : state.i] if c.pos_ in NOMINAL and c.head in (have, state)), None)
    if state is None or part is None:
        return
    if have.dep_ == "aux":
        draft.swap(have.i, state.i)
        for child in draft.children(state.i):
            if child < have.i:
                draft.heads[child] = have.i
        draft.word(have.i, have.tag_, "VERB", "have")
    draft.heads[part.i], draft.deps[part.i] = have.i, "dobj"
    draft.heads[state.i], draft.deps[state.i] = part.i, "acl"
    draft.word(state.i, "VBN" if state.pos_ == "VERB" else state.tag_, state.pos_, state.lemma_)
