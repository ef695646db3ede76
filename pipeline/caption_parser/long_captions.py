"""Builds long captions with known trees from short ones, since FACTUAL's captions have six words on average.

Two captions with a common noun are joined at this noun, so that the tree of the result is known: "a girl sitting on a
bench" and "girl wearing a yellow dress" give a participle two nouns away from its subject. A pair is used only if,
by frequency in the captions, the added phrase fits its noun better than the other noun.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from spacy.tokens import Doc

from hspcgan.pipeline.concepts.editable_tree import NOMINAL

SHORTEST, LONGEST = 6, 22
"""Minimum and maximum number of words in a long caption."""
SHARES = {"near": 3.0, "far": 4.0, "phrases": 2.5, "clauses": 1.0, "list": 12.0, "subjects": 9.0}
"""Relative frequency with which each way of joining is tried; lists and subjects rarely fit."""
FITS = 1.5
"""Minimum ratio of the probability of a phrase after its noun to its probability after the other noun."""
SUBJECTS = ("nsubj", "nsubjpass")
DRAWS = 60
"""Number of caption pairs tried per requested long caption."""
LISTING = ("with", "have", "of", "in", "contain", "show", "hold", "wear")


@dataclass(frozen=True)
class Word:
    """A word of a tree; `head` is the index of its head; the head of the root is the root itself."""

    text: str
    tag: str
    pos: str
    lemma: str
    head: int
    label: str


Tree = tuple[Word, ...]


def tree_of(doc: Doc) -> Tree:
    """Returns the words of a Doc without final punctuation; empty if it has several sentences."""
    end = len(doc)
    while end > 1 and doc[end - 1].is_punct:
        end -= 1
    words = tuple(Word(t.text, t.tag_, t.pos_, t.lemma_, t.head.i, t.dep_) for t in doc[:end])
    whole = all(word.head < end for word in words) and sum(w.head == i for i, w in enumerate(words)) == 1
    plain = not any(t.is_space or t.text in (".", ";", "!", "?") for t in doc[:end])
    return words if whole and plain else ()


def doc_of(tree: Tree, like: Doc) -> Doc:
    """Converts a tree to a Doc with the vocabulary of the Doc `like`."""
    return Doc(
        like.vocab,
        words=[word.text for word in tree],
        tags=[word.tag for word in tree],
        pos=[word.pos for word in tree],
        lemmas=[word.lemma for word in tree],
        heads=[word.head for word in tree],
        deps=[word.label for word in tree],
    )


def splices(trees: Sequence[Tree], count: int, seed: int) -> list[Tree]:
    """Returns up to `count` captions, each joined from two or three others and SHORTEST to LONGEST words long."""
    splicer = _Splicer(trees, seed)
    drawn = (splicer.draw() for _ in range(DRAWS * count))
    return list(islice((tree for tree in drawn if SHORTEST <= len(tree) <= LONGEST), count))


class _Splicer:
    """Samples pairs of captions and joins them; counts which words follow each noun."""

    def __init__(self, trees: Sequence[Tree], seed: int) -> None:
        self.random = random.Random(seed)
        self.trees = [tree for tree in trees if len(tree) > 2]
        self.phrases = [tree for tree in self.trees if tree[_root(tree)].pos in NOMINAL]
        nouns = (tree for tree in trees if 0 < len(tree) <= 3 and tree[-1].pos in NOMINAL)
        self.bare = [tree for tree in nouns if _root(tree) == len(tree) - 1]
        self.active = [tree for tree in self.phrases if any(w.label == "acl" and w.head == _root(tree) for w in tree)]
        self.sentences = [tree for tree in self.trees if _subject(tree) not in (-1, _root(tree))]
        self.tails: dict[tuple[str, str], list[Tree]] = defaultdict(list)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        for tree in self.phrases:
            opener = _opener(tree)
            if opener:
                noun = tree[_root(tree)]
                self.tails[noun.lemma, noun.tag].append(tree)
                self.counts[noun.lemma][opener] += 1
        self.openers = sum(self.counts.values(), Counter())

    def draw(self) -> Tree:
        """Returns a random spliced caption; empty if the sampled captions cannot be joined."""
        (kind,) = self.random.choices(tuple(SHARES), tuple(SHARES.values()))
        first = self.random.choice(self.trees)
        if kind in ("near", "far"):
            return self._described(first, is_far=kind == "far")
        joining = {"phrases": self._two_phrases, "clauses": self._two_clauses, "list": self._listed}
        return joining.get(kind, self._two_subjects)(first)

    def probability(self, noun: str, opener: str) -> float:
        """Returns the probability that `opener` ("on", "wear") follows a noun, smoothed by the mean over all nouns."""
        counts, whole = self.counts[noun], self.openers.total()
        return (counts[opener] + 2 * self.openers[opener] / whole) / (counts.total() + 2)

    def _described(self, first: Tree, is_far: bool) -> Tree:
        """Adds to the last noun (to the subject if `is_far`) a phrase that follows the same noun in another caption."""
        subject, last = _subject(first), len(first) - 1
        if subject in (-1, last) or first[last].pos not in NOMINAL or first[last].label not in ("pobj", "dobj", "conj"):
            return ()
        noun, other = (subject, last) if is_far else (last, subject)
        found = self.tails.get((first[noun].lemma, first[noun].tag))
        if not found:
            return ()
        second = self.random.choice(found)
        opener = _opener(second)
        fits = self.probability(first[noun].lemma, opener) >= FITS * self.probability(first[other].lemma, opener)
        root = _root(first)
        head = root if is_far else last
        of_verb = first[head].pos not in NOMINAL
        if not fits or (is_far and opener == "of") or (of_verb and (first[head].lemma == "be" or opener == "with")):
            return ()
        return first + _tail(second, head, len(first), of_verb)

    def _two_phrases(self, first: Tree) -> Tree:
        """Joins two noun phrases by "and"; the second one contains a participle."""
        root = _root(first)
        if first[root].pos not in NOMINAL or not self.active:
            return ()
        second = self.random.choice(self.active)
        return (*first, _conjunction(root), *_joined(second, root, len(first) + 1, "conj"))

    def _two_clauses(self, first: Tree) -> Tree:
        """Joins two sentences by "and"."""
        root = _root(first)
        if _subject(first) in (-1, root):
            return ()
        second = self.random.choice(self.sentences)
        return (*first, _conjunction(root), *_joined(second, root, len(first) + 1, "conj"))

    def _listed(self, first: Tree) -> Tree:
        """Joins one or two nouns to the last noun by commas and "and", if the last noun follows a word in LISTING."""
        last = len(first) - 1
        if first[last].label not in ("pobj", "dobj") or first[first[last].head].lemma not in LISTING or not self.bare:
            return ()
        whole = first
        for left in range(self.random.choice((1, 2)) - 1, -1, -1):
            second = self.random.choice(self.bare)
            whole += (Word(",", ",", "PUNCT", ",", last, "punct") if left else _conjunction(last),)
            start = len(whole)
            whole += _joined(second, last, start, "conj")
            last = start + _root(second)
        return whole

    def _two_subjects(self, first: Tree) -> Tree:
        """Replaces a plural subject by two coordinated nouns, if the verb is plural."""
        subject, root = _subject(first), _root(first)
        is_plural = first[root].tag == "VBP" or any(word.text == "are" and word.head == root for word in first)
        opens = all(word.head == subject for word in first[:subject])
        if subject in (-1, root) or not (is_plural and opens) or first[subject].tag != "NNS" or not self.bare:
            return ()
        one, other = self.random.choice(self.bare), self.random.choice(self.bare)
        start = len(one) + 1
        shift = start + len(other) - subject - 1
        head, label = root + shift, first[subject].label
        rest = (
            replace(word, head=_root(one) if word.head == subject else word.head + shift)
            for word in first[subject + 1 :]
        )
        both = (*_joined(one, head, 0, label), _conjunction(_root(one)), *_joined(other, _root(one), start, "conj"))
        return (*both, *rest)


def _root(tree: Tree) -> int:
    return next(i for i, word in enumerate(tree) if word.head == i)


def _subject(tree: Tree) -> int:
    """Returns the index of the noun at the root, or of the subject of the verb at the root; −1 if there is none."""
    root = _root(tree)
    if tree[root].pos in NOMINAL:
        return root
    ones = (i for i, word in enumerate(tree) if word.head == root and word.label in SUBJECTS and word.pos in NOMINAL)
    return next(ones, -1)


def _opener(tree: Tree) -> str:
    """Returns the first lemma of the phrase after a root noun; "" unless exactly one phrase follows the noun."""
    root = _root(tree)
    after = [i for i, word in enumerate(tree) if word.head == root and i > root]
    if tree[root].pos not in NOMINAL or len(after) != 1 or tree[after[0]].label not in ("prep", "acl"):
        return ""
    return tree[after[0]].lemma.lower() if all(tree[i].head >= root for i in range(root + 1, len(tree))) else ""


def _tail(tree: Tree, head: int, start: int, of_verb: bool) -> Tree:
    """Returns the words after a root noun, attached to the word at `head`, with indices counted from `start`."""
    root = _root(tree)
    shift = start - root - 1
    moved = []
    for word in tree[root + 1 :]:
        label = "advcl" if of_verb and word.head == root and word.label == "acl" else word.label
        moved.append(replace(word, head=head if word.head == root else word.head + shift, label=label))
    return tuple(moved)


def _joined(tree: Tree, head: int, start: int, label: str) -> Tree:
    """Returns a tree with its root attached to the word at `head` and indices counted from `start`."""
    root = _root(tree)
    return tuple(
        replace(word, head=head, label=label) if i == root else replace(word, head=word.head + start)
        for i, word in enumerate(tree)
    )


def _conjunction(head: int) -> Word:
    return Word("and", "CC", "CCONJ", "and", head, "cc")
