"""The words and dependency tree of a caption, and the operations that rules use to edit them."""

from bisect import insort
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from hspcgan.pipeline.concepts.concept_types import Token

if TYPE_CHECKING:
    from spacy.tokens import Doc

NOMINAL = ("NOUN", "PROPN")
COLOURED = ("colored", "coloured", "color", "colour")
QUOTED = "QUOTED"  # the tag of quoted words, which are names even in lower case
# Adjectives that begin a two-word preposition: "next to", "close to".
NEAR = ("next", "close", "adjacent", "near")


@cache
def is_label(label: str, *labels: str) -> bool:
    """Whether a dependency label is in `labels` or is a subtype of one of them ("acl:relcl" of "acl")."""
    return label in labels or label.partition(":")[0] in labels


class ParseEdit:
    """
    The words, tags and dependency tree of a caption as lists, with the operations attach, promote, relabel and retag.

    `texts` are the words as written, `words` in lower case, `starts` their character offsets; `heads` are indices, −1
    for the head of the root. Index −1 is a virtual word above the root: each list has an extra last entry, empty and
    with head −1, so that a rule can read the head of any word. Labels are spaCy's (CLEAR) until `annotate.to_ud` has
    run, then those of Universal Dependencies. An operation that would create a cycle does nothing.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.texts = [*(t.text for t in tokens), ""]
        self.words = [text.lower() for text in self.texts]
        self.lemmas = [*(t.lemma for t in tokens), ""]
        self.pos, self.tags = [*(t.upos for t in tokens), ""], [*(t.xpos for t in tokens), ""]
        self.heads, self.labels = [*(t.head for t in tokens), -1], [*(t.deprel for t in tokens), ""]
        self.starts = [*(t.start for t in tokens), -1]
        self._children: list[list[int]] = [[] for _ in self.words]
        for i, token in enumerate(tokens):
            self._children[token.head].append(i)

    @classmethod
    def of_doc(cls, doc: "Doc") -> "ParseEdit":
        """Returns a ParseEdit with a copy of spaCy's parse."""
        tokens = []
        for i, t in enumerate(doc):
            head, end = t.head.i, t.idx + len(t.text)
            tokens.append(
                Token(t.text, t.lemma_, t.pos_, t.tag_, -1 if head == i else head, t.dep_, t.idx, end, t.ent_type_)
            )
        return cls(tokens)

    def __len__(self) -> int:
        return len(self.words) - 1

    def is_a(self, i: int, *labels: str) -> bool:
        """Whether the label of a word is in `labels` or is a subtype of one of them."""
        return is_label(self.labels[i], *labels)

    def children(self, i: int, *labels: str) -> list[int]:
        """Returns a new list of a word's dependents in caption order; with `labels`, only those with these labels."""
        found = self._children[i]
        return [c for c in found if is_label(self.labels[c], *labels)] if labels and found else found.copy()

    def attach(self, i: int, to: int, label: str = "") -> None:
        """Moves a word, with its dependents, to another head (−1: none), and changes its label if one is given."""
        above = to
        while above >= 0:
            if above == i:
                return
            above = self.heads[above]
        if self.heads[i] != to:
            self._children[self.heads[i]].remove(i)
            self.heads[i] = to
            insort(self._children[to], i)
        if label:
            self.relabel(i, label)

    def promote(self, new: int, over: int, label: str, moving: Iterable[int] = ()) -> None:
        """
        Moves `new`, a descendant of `over`, into the place of `over`, which becomes a dependent of `new`.

        Args:
            label: The new label of `over`.
            moving: Dependents of `over` that are moved to `new`; the others stay.
        """
        self.attach(new, self.heads[over], self.labels[over])
        self.attach(over, new, label)
        for child in moving:
            if child != new:
                self.attach(child, new)

    def relabel(self, i: int, label: str) -> None:
        """Changes the label of a word."""
        self.labels[i] = label

    def retag(self, i: int, tag: str, pos: str, lemma: str = "") -> None:
        """Changes the fine and coarse part of speech of a word, and its lemma if one is given."""
        self.tags[i], self.pos[i] = tag, pos
        if lemma:
            self.lemmas[i] = lemma
