"""Repairs of words before a noun that spaCy took for things or for clauses; the captions are the rules' tests."""

from hspcgan.pipeline.concepts.extract.tree import NOMINAL
from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.repair.edit import Draft


def premodified(draft: Draft) -> None:
    """Applies all rules in turn."""
    for i in range(1, len(draft.heads) - 1):
        if draft.tags[i] == "VBG":
            _kind(draft, i)
        elif draft.lemmas[i] in lexicon("covering_verbs"):
            _covered(draft, i)
        elif draft.source[i].lower_ == "decker":
            _decker(draft, i)
        elif draft.deps[i] == "cc":
            _two_colours(draft, i)
        elif draft.deps[i] == "amod" and draft.pos[i] == "NOUN" and i < draft.heads[i]:
            _of_the_whole(draft, i)


def _kind(draft: Draft, i: int) -> None:
    """A colour does nothing: between it and a noun a word in -ing says what kind of thing that is.

    a green folding chair on the grass → green (chair), folding (chair), on (chair, grass)
    a woman in blue holding bags → in (woman, blue), hold (woman, bag)
    """
    colour, noun = i - 1, i + 1
    worn = colour > 0 and (draft.source[colour - 1].lower_ == "in" or draft.lemmas[colour - 1] == "wear")
    if draft.source[colour].lower_ not in lexicon("colours") or worn or draft.pos[noun] not in NOMINAL:
        return
    if (draft.heads[i], draft.deps[i]) != (colour, "acl") or (draft.heads[noun], draft.deps[noun]) != (i, "dobj"):
        return
    _headed(draft, noun, colour)
    _describe(draft, colour, noun)
    draft.heads[i], draft.deps[i] = noun, "amod"


def _two_colours(draft: Draft, link: int) -> None:
    """Of two colours before a noun the first is no thing.

    grey and white cat on a bed → grey (cat), white (cat), on (cat, bed)
    """
    one, other, noun = link - 1, link + 1, link + 2
    colours = {draft.source[one].lower_, draft.source[other].lower_} <= lexicon("colours")
    if not colours or noun >= len(draft.heads) or draft.pos[one] not in NOMINAL or draft.pos[noun] not in NOMINAL:
        return
    if (draft.heads[noun], draft.deps[noun], draft.heads[other]) != (one, "conj", noun):
        return
    _headed(draft, noun, one)
    _describe(draft, one, noun)
    draft.heads[link], draft.heads[other], draft.deps[other] = one, one, "conj"


def _covered(draft: Draft, i: int) -> None:
    """What covers a thing stands before the participle, the thing after it.

    a moss covered rock near a stream → cover (moss, rock), near (rock, stream)
    ice covered branches on a tree → cover (ice, branch), on (branch, tree)
    an oil covered road → cover (oil, road)
    """
    cover = i - 1
    noun = next((c for c in draft.children(i) if c > i and draft.deps[c] == "dobj"), -1)
    if noun < 0 or draft.tags[i] not in ("VBD", "VBN") or draft.pos[cover] not in NOMINAL or draft.heads[cover] != i:
        return
    if any(draft.deps[c] == "det" for c in draft.children(noun)) or draft.deps[cover] not in ("nsubj", "npadvmod"):
        return
    _headed(draft, noun, i)
    for child in draft.children(cover):
        draft.heads[child] = noun
    draft.heads[cover], draft.deps[cover] = i, "npadvmod"
    draft.heads[i], draft.deps[i] = noun, "amod"
    draft.word(i, "VBN", "VERB", draft.lemmas[i])


def _decker(draft: Draft, i: int) -> None:
    """
    a red double decker bus → red (bus), double decker (bus)
    a green double decker bus sits at the front of a row of buses → green (bus), double decker (bus)
    """
    count, bus = i - 1, i + 1
    if draft.deps[i] != "compound" or draft.heads[i] != bus or draft.heads[count] not in (i, bus):
        return
    for child in draft.children(count):
        draft.heads[child] = bus
    draft.heads[count], draft.deps[count] = i, "compound"
    draft.deps[i] = "amod"
    draft.word(i, "JJ", "ADJ", "decker")


def _of_the_whole(draft: Draft, i: int) -> None:
    """What stands before a noun before a noun says how the whole is.

    this bird has a long wing span → long (span), wing (span)
    """
    for child in draft.children(i):
        if child < i and draft.deps[child] == "amod":
            draft.heads[child], draft.changed = draft.heads[i], True


def _headed(draft: Draft, noun: int, old: int) -> None:
    """Puts the noun in the place of what was taken for the phrase's head, with all that hung on that."""
    draft.swap(noun, old)
    for child in draft.children(old):
        draft.heads[child] = noun


def _describe(draft: Draft, i: int, noun: int) -> None:
    draft.word(i, "JJ", "ADJ", draft.source[i].lower_)
    draft.heads[i], draft.deps[i] = noun, "amod"
