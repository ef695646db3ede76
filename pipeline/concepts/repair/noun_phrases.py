"""Repairs of which nouns belong together, on a draft of spaCy's analysis; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.extract.tree import COLOURED, NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair import clauses
from hspcgan.pipeline.concepts.repair.edit import Draft


def regroup(draft: Draft) -> None:
    """Applies all rules in turn."""
    _verbless(draft)
    _side_by_side(draft)
    clauses.relative(draft)
    clauses.bare_relative(draft)
    clauses.compared(draft)
    clauses.all_subjects(draft)
    clauses.agreeing(draft)
    _listed(draft)
    _alike_together(draft)
    clauses.own_predicate(draft)


def _verbless(draft: Draft) -> None:
    """Nouns that were made the predicate of others in a caption without a verb.

    man wearing red shirt and khaki shorts → wear (man, shirt), wear (man, shorts)
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
    small bird red crown black eyebrow → small (bird), red (crown), black (eyebrow)
    """
    for i in range(len(draft.heads)):
        while _stands_apart(draft, i):
            top = draft.heads[i]
            draft.swap(i, top)
            draft.deps[top] = "appos"
            for child in draft.children(top):
                if child < i:
                    draft.heads[child] = i


def _stands_apart(draft: Draft, i: int) -> bool:
    """Whether a noun that was made part of a later one's name has an adjective right after it."""
    top, after = draft.heads[i], i + 1
    if draft.deps[i] not in ("compound", "nmod") or draft.pos[i] not in NOMINAL or after >= top:
        return False
    shades = draft.source[i].lower_ in lexicon("shades") or draft.source[after].lower_ in COLOURED
    return not shades and draft.pos[after] == "ADJ" and after < draft.heads[after] <= top


def _listed(draft: Draft) -> None:
    """The rest of a list that was broken off at its first comma.

    a bathroom with a toilet, a sink and a mirror → with (bathroom, sink), with (bathroom, mirror)
    """
    for i in range(2, len(draft.heads)):
        top = draft.heads[i]
        comma = next((c for c in range(i - 1, top, -1) if draft.source[c].lower_ == ","), 0)
        if (
            draft.deps[i] != "appos"
            or draft.source[i].lower_.endswith("ing")
            or comma < 2
            or any(draft.heads[c] != i for c in range(comma + 1, i))
        ):
            continue
        last = comma - 1
        goes_on = {draft.deps[c] for c in draft.children(i) if c > i} >= {"cc", "conj"}
        with_it = draft.deps[last] == "pobj" and draft.lemmas[draft.heads[last]] == "with"
        if goes_on and draft.pos[last] in NOMINAL and (with_it or draft.deps[last] == "dobj"):
            draft.heads[i], draft.deps[i], draft.heads[comma], draft.changed = last, "conj", last, True


def _alike_together(draft: Draft) -> None:
    """A piece of clothing, or a part of the body, after "and" or a comma stands beside the one before it.

    a man in a black shirt and shorts → in (man, shirt), in (man, shorts)
    a figure wearing a suit and tie → wear (figure, suit), wear (figure, tie)
    a bird that has a white belly, grey wings and a red crown → have (bird, wing), have (bird, crown)
    a small bird with a gray breast and brown back → gray (breast), brown (back)
    """
    for link in range(1, len(draft.heads) - 1):
        if draft.deps[link] != "cc" and draft.source[link].lower_ != ",":
            continue
        i = _noun_after(draft, link)
        before = link - 1 if draft.source[link - 1].lower_ != "," else link - 2
        before = draft.heads[i] if draft.deps[i] == "appos" else before
        if before < 0 or before == i:
            continue
        if not _alike(draft, before, i) or (draft.heads[i], draft.deps[i]) == (before, "conj") or _is_subject(draft, i):
            continue
        for word in (before, i):
            if draft.pos[word] not in NOMINAL:
                draft.word(word, "NN", "NOUN", draft.lemmas[word])
        ones = [c for c in draft.children(i) if c < before]
        if draft.heads[before] == i:
            draft.swap(before, i)
            for child in ones:
                draft.heads[child] = before
        elif ones:
            draft.swap(ones[0], i)
            for child in draft.children(i):
                if child < link or child > i:
                    draft.heads[child] = ones[0]
        for quality in (c for c in range(link + 1, i) if _is_joined(draft, c, link)):
            draft.heads[quality], draft.deps[quality] = i, "amod"
        draft.heads[i], draft.deps[i], draft.heads[link] = before, "conj", before
        draft.changed = True


def _is_subject(draft: Draft, i: int) -> bool:
    return draft.deps[i] in clauses.SUBJECTS and draft.pos[draft.heads[i]] in ("AUX", "VERB") and i < draft.heads[i]


def _noun_after(draft: Draft, link: int) -> int:
    """The noun whose phrase begins after a conjunction or comma, as far as its modifiers say."""
    i = link + 1
    while i + 1 < len(draft.heads) and (
        (draft.deps[i] in ("det", "amod", "compound", "cc") and draft.heads[i] > link) or _is_joined(draft, i, link)
    ):
        i += 1
    return i


def _is_joined(draft: Draft, i: int, link: int) -> bool:
    """Whether a quality before a noun was joined to the noun before "and" instead."""
    quality = draft.pos[i] == "ADJ" or draft.source[i].lower_ in lexicon("colours")
    return quality and (draft.deps[i], draft.heads[i]) == ("conj", link - 1) and draft.pos[i + 1] in NOMINAL


def _alike(draft: Draft, one: int, other: int) -> bool:
    """Whether both are clothes, or both parts of a body."""
    words = [{draft.lemmas[i], draft.source[i].lower_} for i in (one, other)]
    return any(all(word & lexicon(kind) for word in words) for kind in ("clothes", "body_parts"))
