"""Repairs of which nouns belong together, on a draft of spaCy's analysis; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.draft import Draft
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tree import COLOURED, NOMINAL


def regroup(draft: Draft) -> None:
    """Applies all rules in turn."""
    _verbless(draft)
    _side_by_side(draft)
    _relative(draft)
    _worn_together(draft)


def _verbless(draft: Draft) -> None:
    """Nouns that were made the predicate of others in a caption without a verb.

    man wearing red shirt and khaki shorts → wear (man, shirt), wear (man, short)
    two teddy bears standing → teddy (bear)
    """
    for i, dep in enumerate(draft.deps):
        top = draft.heads[i]
        if dep != "nsubj" or draft.pos[top] not in NOMINAL or draft.pos[i] not in NOMINAL or top < i:
            continue
        if any(draft.deps[c] in ("cop", "aux") or draft.lemmas[c] == "be" for c in draft.children(top)):
            continue
        if top == i + 1:
            draft.deps[i], draft.changed = "compound", True
            continue
        links = [c for c in range(i, top) if draft.deps[c] == "cc" and draft.pos[draft.heads[c]] in NOMINAL]
        if links:
            draft.swap(i, top)
            draft.heads[top], draft.deps[top] = draft.heads[links[-1]], "conj"


def _side_by_side(draft: Draft) -> None:
    """Two phrases without a word between them: what stands before an adjective is no part of the noun after it.

    red bird black wings → red (bird), black (wing)
    """
    for i, dep in enumerate(draft.deps):
        top = draft.heads[i]
        if (
            dep not in ("compound", "nmod")
            or draft.pos[i] not in NOMINAL
            or draft.source[i].lower_ in lexicon("shades")
        ):
            continue
        between = [c for c in draft.children(top) if i < c < top]
        if between and between[0] == i + 1 and draft.pos[i + 1] == "ADJ" and draft.source[i + 1].lower_ not in COLOURED:
            draft.swap(i, top)
            draft.deps[top] = "appos"
            for child in draft.children(top):
                if child < i:
                    draft.heads[child] = i


def _relative(draft: Draft) -> None:
    """A noun before another verb's subject is what the clause describes.

    the table the vase is on → on (vase, table)
    a shirt the man is wearing → wear (man, shirt)
    """
    for i in range(len(draft.heads)):
        ones = [c for c in draft.children(i) if c < i and draft.deps[c] in ("nsubj", "nsubjpass")]
        if draft.heads[i] != i or len(ones) != 2 or any(draft.pos[c] not in NOMINAL for c in ones):
            continue
        ending = [c for c in draft.children(i) if draft.deps[c] in ("dobj", "attr", "acomp")]
        if not ending:
            draft.swap(ones[0], i)
            draft.deps[i] = "relcl"


def _worn_together(draft: Draft) -> None:
    """A piece of clothing after "and" stands beside the one before it.

    a man in a black shirt and shorts → in (man, shirt), in (man, short)
    a figure wearing a suit and tie → wear (figure, suit), wear (figure, tie)
    """
    for link in range(1, len(draft.heads) - 1):
        before, i = link - 1, link + 1
        while i + 1 < len(draft.heads) and draft.deps[i] in ("det", "amod", "compound") and draft.heads[i] > i:
            i += 1
        if draft.deps[link] != "cc" or not (_is_clothing(draft, before) and _is_clothing(draft, i)):
            continue
        if draft.heads[i] == before:
            continue
        if draft.pos[i] not in NOMINAL:
            draft.word(i, "NN", "NOUN", draft.lemmas[i])
        ones = [c for c in draft.children(i) if c < before]
        if ones:
            draft.swap(ones[0], i)
            for child in draft.children(i):
                if child < link or child > i:
                    draft.heads[child] = ones[0]
        draft.heads[i], draft.deps[i], draft.heads[link] = before, "conj", before
        draft.changed = True


def _is_clothing(draft: Draft, i: int) -> bool:
    return bool({draft.lemmas[i], draft.source[i].lower_} & lexicon("clothes"))
