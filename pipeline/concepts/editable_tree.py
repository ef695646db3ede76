"""A caption's words and dependency tree, and the moves with which all rules change them."""

from bisect import insort
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Doc

NOMINAL = ("NOUN", "PROPN")
COLOURED = ("colored", "coloured", "color", "colour")
QUOTED = "QUOTED"  # the tag of quoted words: a name in any case
# Words that begin a preposition of two words where they are adjectives: "next to", "close to".
NEAR = ("next", "close", "adjacent", "near")


@cache
def is_label(label: str, *labels: str) -> bool:
    """Whether a dependency label is one of `labels` or a subtype of one: acl:relcl is an acl."""
    return label in labels or label.partition(":")[0] in labels


class ParseEdit:
    """
    One caption's words, tags and dependency tree as lists, with the moves attach, promote, relabel and retag.

    `texts` are as written, `words` in lower case, `starts` the places of their first characters; `heads` are indices,
    −1 for the root's. Index −1 stands for the place above the root: every list has one entry more, which is empty there
    and its own head, so that a rule can read the head of any word. Labels are spaCy's (CLEAR) until `annotate.to_ud`
    has run, then those of Universal Dependencies. Each move sets `changed`. One that would make a circle is not done.
    """

    def __init__(
        self,
        texts: Sequence[str],
        lemmas: Sequence[str],
        pos: Sequence[str],
        tags: Sequence[str],
        heads: Sequence[int],
        labels: Sequence[str],
        starts: Sequence[int],
    ) -> None:
        self.texts, self.words = [*texts, ""], [*map(str.lower, texts), ""]
        self.lemmas = [*lemmas, ""]
        self.pos, self.tags = [*pos, ""], [*tags, ""]
        self.heads, self.labels, self.starts = [*heads, -1], [*labels, ""], [*starts, -1]
        self.changed = False
        self._children: list[list[int]] = [[] for _ in self.words]
        for i, head in enumerate(heads):
            self._children[head].append(i)

    @classmethod
    def of_doc(cls, doc: "Doc") -> "ParseEdit":
        """spaCy's analysis of a caption."""
        tokens = list(doc)  # iterating over a Doc creates its Token objects again each time
        heads = [t.head.i for t in tokens]
        return cls(
            [t.text for t in tokens],
            [t.lemma_ for t in tokens],
            [t.pos_ for t in tokens],
            [t.tag_ for t in tokens],
            [-1 if head == i else head for i, head in enumerate(heads)],
            [t.dep_ for t in tokens],
            [t.idx for t in tokens],
        )

    def as_doc(self, doc: "Doc") -> "Doc":
        """The Doc that was edited with its new analysis: itself with new lemmas, if nothing was moved or tagged."""
        from spacy.tokens import Doc

        tokens = list(doc)
        if not self.changed:
            for token, lemma in zip(tokens, self.lemmas, strict=False):
                if token.lemma_ != lemma:
                    token.lemma_ = lemma
            return doc
        return Doc(
            doc.vocab,
            words=[t.text for t in tokens],
            spaces=[bool(t.whitespace_) for t in tokens],
            tags=self.tags[:-1],
            pos=self.pos[:-1],
            lemmas=self.lemmas[:-1],
            heads=[i if head < 0 else head for i, head in enumerate(self.heads[:-1])],
            deps=self.labels[:-1],
            ents=[f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in tokens],
        )

    def __len__(self) -> int:
        return len(self.words) - 1

    def is_joined(self, i: int) -> bool:
        """Whether no space stands between a word and the next one."""
        return self.starts[i] + len(self.texts[i]) == self.starts[i + 1]

    def is_a(self, i: int, *labels: str) -> bool:
        """Whether a word's label is one of `labels` or a subtype of one."""
        return is_label(self.labels[i], *labels)

    def children(self, i: int, *labels: str) -> list[int]:
        """Dependents in caption order; only those with one of the labels, if any are given. A new list."""
        found = self._children[i]
        return [c for c in found if is_label(self.labels[c], *labels)] if labels and found else found.copy()

    def attach(self, i: int, to: int, label: str = "") -> None:
        """Moves a word, with its dependents, under another head (−1: none); with a new label if one is given."""
        above = to
        while above >= 0:
            if above == i:
                return
            above = self.heads[above]
        if self.heads[i] != to:
            self._children[self.heads[i]].remove(i)
            self.heads[i] = to
            insort(self._children[to], i)
            self.changed = True
        if label:
            self.relabel(i, label)

    def promote(self, new: int, over: int, label: str, moving: Iterable[int] = ()) -> None:
        """
        Puts `new`, a word below `over`, in the place and under the label of `over`, which becomes its dependent.

        Args:
            label: of `over` in its new place.
            moving: dependents of `over` that move to `new` with the place; the others stay.
        """
        self.attach(new, self.heads[over], self.labels[over])
        self.attach(over, new, label)
        for child in moving:
            if child != new:
                self.attach(child, new)

    def relabel(self, i: int, label: str) -> None:
        """Changes a word's relation to its head."""
        if self.labels[i] != label:
            self.labels[i], self.changed = label, True

    def retag(self, i: int, tag: str, pos: str, lemma: str = "") -> None:
        """Changes a word's fine and coarse part of speech, and its lemma if one is given."""
        self.tags[i], self.pos[i], self.changed = tag, pos, True
        if lemma:
            self.lemmas[i] = lemma
