"""A spaCy analysis that repair rules may change: lists instead of a Doc, and a new Doc of what they made of them."""

from spacy.tokens import Doc


class Draft:
    """A Doc's analysis as lists that rules may change; `doc` builds a Doc of what they made of it."""

    def __init__(self, doc: Doc) -> None:
        self.source = doc
        tokens = list(doc)  # walking through a Doc makes its tokens anew each time
        self.heads, self.deps = [t.head.i for t in tokens], [t.dep_ for t in tokens]
        self.tags, self.pos = [t.tag_ for t in tokens], [t.pos_ for t in tokens]
        self.lemmas = [t.lemma_ for t in tokens]
        self.changed = False

    def children(self, i: int) -> list[int]:
        return [c for c, head in enumerate(self.heads) if head == i and c != i]

    def word(self, i: int, tag: str, pos: str, lemma: str) -> None:
        self.tags[i], self.pos[i], self.lemmas[i] = tag, pos, lemma
        self.changed = True

    def swap(self, new: int, old: int) -> None:
        """Puts `new`, a dependent of `old`, in its place; old hangs on new, for the caller to label."""
        self.heads[new] = self.heads[old] if self.heads[old] != old else new
        self.deps[new], self.heads[old] = self.deps[old], new
        self.changed = True

    def doings_to(self, i: int, doer: int) -> None:
        """Hangs the participles in -ing that follow a word on who does that: "in white holding a bat"."""
        for child in self.children(i):
            if child > i and self.tags[child] == "VBG":
                self.heads[child], self.deps[child], self.changed = doer, "acl", True

    def doc(self) -> Doc:
        """The changed analysis; the source where nothing was changed, or where rules together left no tree."""
        if not self.changed or not self._is_tree():
            return self.source
        doc = self.source
        return Doc(
            doc.vocab,
            words=[t.text for t in doc],
            spaces=[bool(t.whitespace_) for t in doc],
            tags=self.tags,
            pos=self.pos,
            lemmas=self.lemmas,
            heads=self.heads,
            deps=self.deps,
            ents=[f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc],
        )

    def _is_tree(self) -> bool:
        above = self.heads
        for _ in self.heads:
            above = [self.heads[i] for i in above]
        return all(self.heads[i] == i for i in above)
