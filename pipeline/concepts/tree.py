"""A caption's dependency tree as the concept rules read it: children by label, and phrases folded onto their noun."""

from bisect import insort
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

from hspcgan.pipeline.concepts.tokens import Token

NOMINAL = ("NOUN", "PROPN")
# Lemmas that open a preposition of two words when they are adjectives: "next to", "close to".
NEAR = ("next", "close", "adjacent", "near")


@cache
def lexicon(name: str) -> frozenset[str]:
    """The words of `lexicon/NAME.txt`, one a line."""
    text = resources.files("hspcgan.pipeline.concepts").joinpath("lexicon", f"{name}.txt").read_text(encoding="utf8")
    return frozenset(text.splitlines())


def is_label(deprel: str, *labels: str) -> bool:
    """Whether a relation is one of the labels or a subtype of it: acl:relcl is an acl."""
    return any(deprel == label or deprel.startswith(label + ":") for label in labels)


class Tree:
    """Tokens with heads that the folds may move; indices stay those of the caption."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.head = [token.head for token in tokens]
        self.deprel = [token.deprel for token in tokens]
        self.quantities: set[int] = set()
        self._kids: list[list[int]] = [[] for _ in tokens]
        for i, head in enumerate(self.head):
            if head >= 0:
                self._kids[head].append(i)
        self._fold_quantities()
        self._fold_places()
        self._fold_adverbs()

    def __len__(self) -> int:
        return len(self.tokens)

    def lemma(self, i: int) -> str:
        return (self.tokens[i].lemma or self.tokens[i].text).lower()

    def upos(self, i: int) -> str:
        return self.tokens[i].upos

    def is_a(self, i: int, *labels: str) -> bool:
        return is_label(self.deprel[i], *labels)

    def children(self, i: int, *labels: str) -> list[int]:
        """Dependents in caption order, those with one of the labels if any are given."""
        return [c for c in self._kids[i] if not labels or self.is_a(c, *labels)]

    def with_conjuncts(self, i: int) -> list[int]:
        """The word and those coordinated with it."""
        return [i, *self.children(i, "conj")]

    def case(self, i: int) -> list[int]:
        """The words of a noun's preposition, with what is fixed to them: "out of", "in front of"."""
        words = [c for c in self.children(i, "case") if self.lemma(c) not in ("'s", "'", "’s", "’")]
        return sorted(words + [f for c in words for f in self.children(c, "fixed")])

    def case_text(self, i: int) -> str:
        return " ".join(self.lemma(c) for c in self.case(i))

    def is_entity(self, i: int) -> bool:
        """Nouns and names that head a phrase: "party" of "a cocktail party", "york" of "new york"."""
        apart = ("compound", "amod", "flat", "fixed", "case", "goeswith", "cc", "mark", "obl:tmod")
        return self.upos(i) in NOMINAL and not self.is_a(i, *apart)

    def _hang(self, i: int, head: int) -> None:
        """Moves a word, with what hangs on it, under another head (-1: none)."""
        if self.head[i] >= 0:
            self._kids[self.head[i]].remove(i)
        self.head[i] = head
        if head >= 0:
            insort(self._kids[head], i)

    def _replace(self, old: int, new: int, keep: Sequence[int]) -> None:
        """Puts `new` where `old` stands in the tree; old's dependents follow, but for `keep`."""
        self._hang(new, self.head[old])
        self.deprel[new] = self.deprel[old]
        for child in self.children(old):
            if child not in keep:
                self._hang(child, new)
        self._hang(old, new)

    def _complement(self, i: int, preposition: str = "") -> int:
        """The noun just after a word and its preposition: people in "group of people"; -1 without one."""
        for child in self.children(i, "nmod", "obl"):
            words = self.children(child, "case")
            if child > i and words and words[0] == i + 1 and preposition in ("", self.lemma(words[0])):
                return child
        return -1

    def _fold_quantities(self) -> None:
        """The thing counted is the entity, the noun of quantity its attribute; also in "a pile of", "a slice of".

        a group of people standing on a hill → group (people), stand on (people, hill)
        """
        for i in self._nouns("quantity_nouns"):
            noun = self._complement(i, "of")
            if noun < 0:
                continue
            for case in self.children(noun, "case"):
                self._hang(case, i)
                self.deprel[case] = "fixed"
            self._replace(i, noun, keep=self.children(i, "amod", "fixed", "compound"))
            self.deprel[i] = "amod"
            self.quantities.add(i)

    def _fold_places(self) -> None:
        """The place on a thing is part of the preposition: "in front of" is the window's.

        a boy sits in front of a window → sit in front of (boy, window)
        a white sign on the side of a building → on side of (sign, building)
        """
        for i in self._nouns("place_nouns"):
            noun = self._complement(i, "of")
            if noun < 0 or not self.children(i, "case"):
                continue
            self._replace(i, noun, keep=self.children(i, "det"))
            self.deprel[i] = "case"
            for child in self.children(noun, "amod", "compound"):
                if child < i:
                    self.deprel[child] = "case"

    def _fold_adverbs(self) -> None:
        """An adverb before a preposition is part of it: "next to", "out of", "away from".

        a man stands next to a tree → stand next to (man, tree)
        """
        for i in range(len(self)):
            bare = self.upos(i) == "ADV" or (self.upos(i) == "ADP" and self.is_a(i, "advmod"))
            if bare or (self.upos(i) in ("ADJ", "ADP") and self.lemma(i) in NEAR):
                noun = self._complement(i)
                if noun >= 0 and self.upos(noun) in (*NOMINAL, "PRON"):
                    advmod = self.is_a(i, "advmod", "amod", "acl")
                    self._replace(i, noun, keep=self.children(i, "advmod"))
                    self.deprel[i] = "case"
                    if advmod:
                        self.deprel[noun] = "nmod" if self.upos(self.head[noun]) in NOMINAL else "obl"

    def _nouns(self, name: str) -> Iterator[int]:
        words = lexicon(name)
        return (i for i in range(len(self)) if self.lemma(i) in words and self.upos(i) in (*NOMINAL, "ADJ", "ADV"))
