"""Repairs of which nouns belong together, on a draft of spaCy's analysis; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.draft import Draft
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tree import COLOURED, NOMINAL


def regroup(draft: Draft) -> None:
    """Applies all rules in turn."""
    _verbless(draft)
    _side_by_side(draft)
    _relative(draft)
    _all_subjects(draft)
    _agreeing(draft)
    _alike_together(draft)


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


def _all_subjects(draft: Draft) -> None:
    """A clause said to describe a noun, whose subject "and" or a comma joins to that noun, speaks of both.

    a man with a beard and a woman with long hair are dancing → dance (man, –), dance (woman, –)
    a man, a woman and a child are walking → walk (man, –), walk (woman, –), walk (child, –)
    """
    for verb, dep in enumerate(draft.deps):
        noun = draft.heads[verb]
        ones = [c for c in draft.children(verb) if draft.deps[c] == "nsubj" and noun < c < verb]
        plural = (
            any(draft.source[c].lower_ in ("are", "were") for c in draft.children(verb)) or draft.tags[verb] == "VBP"
        )
        if dep != "relcl" or draft.heads[noun] != noun or len(ones) != 1 or not plural:
            continue
        first = ones[0]
        while first > noun and (draft.heads[first - 1] == ones[0] or draft.heads[first - 1] == first):
            first -= 1
        link = first - 1
        if draft.deps[link] != "cc" and draft.source[link].lower_ != ",":
            continue
        draft.swap(verb, noun)
        draft.deps[noun] = "nsubj"
        draft.heads[ones[0]], draft.deps[ones[0]], draft.heads[link] = noun, "conj", noun


def _agreeing(draft: Draft) -> None:
    """After a relative clause, a verb in the singular is not said of a noun in the plural, but of the main subject.

    this bird has wings that are brown and has a yellow belly → brown (wing), have (bird, belly)
    """
    for verb, dep in enumerate(draft.deps):
        clause = draft.heads[verb]
        noun = draft.heads[clause]
        main = draft.heads[noun]
        agrees = draft.tags[verb] == draft.tags[main] == "VBZ" and draft.tags[noun] == "NNS"
        if agrees and (dep, draft.deps[clause]) == ("conj", "relcl"):
            links = [c for c in draft.children(clause) if draft.deps[c] == "cc" and c < verb]
            for word in (verb, *links[-1:]):
                draft.heads[word], draft.changed = main, True


def _alike_together(draft: Draft) -> None:
    """A piece of clothing, or a part of the body, after "and" or a comma stands beside the one before it.

    a man in a black shirt and shorts → in (man, shirt), in (man, shorts)
    a figure wearing a suit and tie → wear (figure, suit), wear (figure, tie)
    a bird that has a white belly, grey wings and a red crown → have (bird, wing), have (bird, crown)
    """
    for link in range(1, len(draft.heads) - 1):
        if draft.deps[link] != "cc" and draft.source[link].lower_ != ",":
            continue
        i = _noun_after(draft, link)
        before = link - 1 if draft.source[link - 1].lower_ != "," else link - 2
        before = draft.heads[i] if draft.deps[i] == "appos" else before
        if not _alike(draft, before, i) or (draft.heads[i], draft.deps[i]) == (before, "conj"):
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
        draft.heads[i], draft.deps[i], draft.heads[link] = before, "conj", before
        draft.changed = True


def _noun_after(draft: Draft, link: int) -> int:
    """The noun whose phrase begins after a conjunction or comma, as far as its modifiers say."""
    i = link + 1
    while i + 1 < len(draft.heads) and draft.deps[i] in ("det", "amod", "compound", "cc") and draft.heads[i] > link:
        i += 1
    return i


def _alike(draft: Draft, one: int, other: int) -> bool:
    """Whether both are clothes, or both parts of a body."""
    words = [{draft.lemmas[i], draft.source[i].lower_} for i in (one, other)]
    return any(all(word & lexicon(kind) for word in words) for kind in ("clothes", "body_parts"))
