"""Repairs of which nouns belong together, on a draft of spaCy's analysis; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.draft import Draft
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tree import COLOURED, NOMINAL

SUBJECTS = ("nsubj", "nsubjpass")
BE = ("is", "are", "was", "were")
POSSESSIVES = {"its", "his", "her", "their"}


def regroup(draft: Draft) -> None:
    """Applies all rules in turn."""
    _verbless(draft)
    _side_by_side(draft)
    _relative(draft)
    _all_subjects(draft)
    _agreeing(draft)
    _listed(draft)
    _alike_together(draft)
    _own_predicate(draft)


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
    return draft.deps[i] in SUBJECTS and draft.pos[draft.heads[i]] in ("AUX", "VERB") and i < draft.heads[i]


def _own_predicate(draft: Draft) -> None:
    """A noun between "and its" or "and the" and "is" begins a clause of its own.

    the bird has a red head and its body is black → red (head), black (body), have (bird, head)
    a bird with a yellow crown and the wings are grey → yellow (crown), grey (wing), with (bird, crown)
    the man and his dog are brown → brown (man), brown (dog)
    """
    for be in range(2, len(draft.heads)):
        noun = be - 1
        if draft.source[be].lower_ not in BE or draft.pos[noun] not in NOMINAL:
            continue
        clause = draft.heads[be] if draft.deps[be] in ("aux", "auxpass") else be
        above = [c for c in draft.children(clause) if draft.deps[c] in (*SUBJECTS, "expl") and c < noun]
        joined = draft.deps[noun] == "conj" or (draft.deps[noun] in SUBJECTS and above)
        links = [c for c in range(noun) if draft.deps[c] == "cc" and draft.heads[c] in (draft.heads[noun], *above)]
        if not joined or not links or not _speaks_alone(draft, noun, be, above):
            continue
        if above:
            draft.swap(above[0], clause)
            draft.deps[clause] = "conj"
        draft.heads[noun], draft.deps[noun], draft.heads[links[-1]] = clause, "nsubj", draft.heads[clause]
        draft.changed = True


def _speaks_alone(draft: Draft, noun: int, be: int, above: list[int]) -> bool:
    """Whether "its NOUN is" fits the noun alone, which is joined to no subject."""
    plural = draft.source[be].lower_ in ("are", "were")
    first = noun
    for _ in draft.heads:  # no longer: rules before this one may have left a circle
        first = draft.heads[first] if draft.deps[first] == "conj" else first
    beside_subject = first != noun and draft.deps[first] in (*SUBJECTS, "ROOT")
    if (draft.tags[noun] == "NNS") != plural or beside_subject:
        return False
    owners = {draft.source[c].lower_ for c in draft.children(noun) if c < noun}
    both = plural and any(draft.tags[c] == "NNS" or draft.deps[c] == "expl" for c in above)
    return bool(owners & POSSESSIVES) or ("the" in owners and not both)


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
