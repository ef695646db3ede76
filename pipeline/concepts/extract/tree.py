"""A caption's dependency tree as the concept rules read it: children by label, prepositions, what is an entity."""

from bisect import insort
from collections.abc import Sequence
from functools import cache

from hspcgan.pipeline.concepts.lexicons import lexicon
from hspcgan.pipeline.concepts.tokens import Token

NOMINAL = ("NOUN", "PROPN")
COLOURED = ("colored", "coloured", "color", "colour")
# Nouns whose owner is the place: "the building's side".
SIDES = ("side", "edge", "top", "bottom", "corner", "end", "center", "middle")
# Lemmas that open a preposition of two words when they are adjectives: "next to", "close to".
NEAR = ("next", "close", "adjacent", "near")


@cache
def is_label(deprel: str, *labels: str) -> bool:
    """Whether a relation is one of the labels or a subtype of it: acl:relcl is an acl."""
    return deprel in labels or deprel.partition(":")[0] in labels


class Tree:
    """Tokens with heads that the folds may move; indices stay those of the caption."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.head = [token.head for token in tokens]
        self.deprel = [token.deprel for token in tokens]
        self.quantities: set[int] = set()  # what was folded onto the thing counted
        self.persons: dict[int, str] = {}  # unnamed ones: pronouns by index, the nouns they stand for
        self._kids: list[list[int]] = [[] for _ in tokens]
        for i, head in enumerate(self.head):
            if head >= 0:
                self._kids[head].append(i)
        self._lemmas = [self._lemma(i) for i in range(len(tokens))]

    def __len__(self) -> int:
        return len(self.tokens)

    def lemma(self, i: int) -> str:
        return self._lemmas[i]

    def _lemma(self, i: int) -> str:
        """In lower case; of "shorts" and their like the plural, since one short is another thing."""
        written = self.tokens[i].text.lower()
        kept = written in lexicon("plural_only") or (written == "glasses" and self._are_worn(i))
        return written if kept else (self.tokens[i].lemma or written).lower()

    def _are_worn(self, i: int) -> bool:
        """a man wearing glasses · a woman with glasses · a man with a hat and glasses"""
        above = self.head[i]
        lemma = self.tokens[above].lemma.lower() if above >= 0 else ""
        beside = self.is_a(i, "conj") and lemma in lexicon("clothes")
        return lemma == "wear" or beside or (self.is_a(i, "nmod") and lemma in lexicon("persons"))

    def upos(self, i: int) -> str:
        return self.tokens[i].upos

    def is_a(self, i: int, *labels: str) -> bool:
        return is_label(self.deprel[i], *labels)

    def children(self, i: int, *labels: str) -> list[int]:
        """Dependents in caption order, those with one of the labels if any are given."""
        kids = self._kids[i]
        return [c for c in kids if is_label(self.deprel[c], *labels)] if labels and kids else kids.copy()

    def with_conjuncts(self, i: int) -> list[int]:
        """The word and those coordinated with it."""
        return [i, *self.children(i, "conj")]

    def case(self, i: int) -> list[int]:
        """The words of a noun's preposition, with what is fixed to them: "out of", "in front of"."""
        words = [c for c in self.children(i, "case") if self.lemma(c) not in ("'s", "'", "’s", "’")]
        return sorted(words + [f for c in words for f in self.children(c, "fixed")])

    def case_text(self, i: int) -> str:
        words = [self.lemma(c) for c in self.case(i)]
        return " ".join([*words, "of"] if words and words[-1] in SIDES else words)

    def is_entity(self, i: int) -> bool:
        """Nouns and names that head a phrase: "party" of "a cocktail party", "york" of "new york"; unnamed persons."""
        if i in self.persons:
            return True
        apart = ("compound", "amod", "nummod", "flat", "fixed", "case", "goeswith", "cc", "mark", "obl:tmod")
        if self.upos(i) not in NOMINAL or self.is_a(i, *apart):
            return False
        return self.is_spoken(i) and not self.is_nobody(i)

    def is_mutual(self, i: int) -> bool:
        """each other · one another"""
        before = {"other": "each", "one": "another"}.get(self.lemma(i))
        return before is not None and before in (self.lemma(c) for c in self.children(i, "det"))

    def is_spoken(self, i: int) -> bool:
        """Whether a word has a letter or digit; taggers call "|" and "%" nouns, hyphens adjectives."""
        text = self.tokens[i].text
        return text.isalpha() or any(map(str.isalnum, text))

    def is_nobody(self, i: int) -> bool:
        """nobody · no one · the color in "black in color", which the adjective names"""
        no_one = self.lemma(i) == "one" and any(self.lemma(c) == "no" for c in self.children(i, "det"))
        in_color = self.lemma(i) in COLOURED and [self.lemma(c) for c in self.children(i)] == ["in"]
        return no_one or in_color or self.lemma(i) in ("nobody", "nothing", "none")

    def hang(self, i: int, head: int) -> None:
        """Moves a word, with what hangs on it, under another head (-1: none); not under what hangs on itself."""
        above = head
        while above >= 0:
            if above == i:
                return
            above = self.head[above]
        if self.head[i] >= 0:
            self._kids[self.head[i]].remove(i)
        self.head[i] = head
        if head >= 0:
            insort(self._kids[head], i)

    def replace(self, old: int, new: int, keep: Sequence[int]) -> None:
        """Puts `new` where `old` stands in the tree; old's dependents follow, but for `keep`."""
        self.hang(new, self.head[old])
        self.deprel[new] = self.deprel[old]
        for child in self.children(old):
            if child not in keep:
                self.hang(child, new)
        self.hang(old, new)

    def complement(self, i: int, preposition: str = "") -> int:
        """The noun just after a word and its preposition: people in "group of people"; -1 without one."""
        for child in self.children(i, "nmod", "obl"):
            words = self.children(child, "case")
            if child > i and words and words[0] == i + 1 and preposition in ("", self.lemma(words[0])):
                return child
        return -1
