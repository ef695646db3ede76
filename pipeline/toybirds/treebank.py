"""Toy captions as a treebank to train stanza on: gold trees, and variations of them that people type as well.

A variation moves, drops or adds words of a gold tree and stays grammatical, so its analysis is gold too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hspcgan.pipeline.toybirds import grammar as g
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import Scene

VARIED, CAPITAL, PERIOD, SERIAL_COMMA, PAIRED = 0.4, 0.4, 0.5, 0.3, 0.2


@dataclass(frozen=True)
class Sentence:
    """A text and its gold tokens."""

    text: str
    tokens: list[g.Token]

    @property
    def conllu(self) -> str:
        return g.conllu(self.text, self.tokens)


def paragraphs(scenes: Sequence[Scene], seed: int) -> list[list[Sentence]]:
    """The scenes' captions, each text once, in random order: as they are or varied; one sentence or two a paragraph."""
    rng = np.random.default_rng(seed)
    unique = {caption.text: caption.tokens for scene in scenes for caption in captions(scene)}
    texts = sorted(unique)
    result: list[list[Sentence]] = []
    for row in rng.permutation(len(texts)):
        tokens = unique[texts[row]]
        last = result[-1] if result else []
        if len(last) == 1 and last[0].text.endswith(".") and rng.random() < PAIRED / PERIOD:
            last.append(spoken(tokens, rng))
        else:
            result.append([spoken(tokens, rng)])
    return result


def spoken(tokens: Sequence[g.Token], rng: np.random.Generator) -> Sentence:
    """One caption as somebody might type it."""
    root = tree(tokens)
    if rng.random() < VARIED:
        vary = VARIATIONS[int(rng.integers(len(VARIATIONS)))]
        root = vary(root, rng)
    if rng.random() < SERIAL_COMMA:
        serial_comma(root)
    if rng.random() < PERIOD:
        root.after(g.Word(".", ".", "PUNCT", "."), "punct")
    if rng.random() < CAPITAL:
        first = next(root.in_order())
        first.text = first.text.capitalize()
    text, words, _ = g.linearise(root)
    return Sentence(text, words)


def tree(tokens: Sequence[g.Token]) -> g.Word:
    """The tokens as a tree of new Words; returns the root."""
    words = [g.Word(t.text, t.lemma, t.upos, t.xpos, t.feats, t.deprel) for t in tokens]
    for token, word in zip(tokens, words, strict=True):
        if token.head >= 0:
            head = words[token.head]
            (head.left if token.index < token.head else head.right).append(word)
    return next(word for word, token in zip(words, tokens, strict=True) if token.head < 0)


Variation = Callable[[g.Word, np.random.Generator], g.Word]


def phrase(root: g.Word, rng: np.random.Generator) -> g.Word:
    """with a blue belly and red wings → a blue belly and red wings"""
    nouns = [word for word in root.in_order() if word.upos == "NOUN"]
    return _as_root(nouns[int(rng.integers(len(nouns)))])


def shorter(root: g.Word, rng: np.random.Generator) -> g.Word:
    """a yellow bird with a blue belly is perched on a branch → a yellow bird is perched on a branch"""
    found = [(word, side, child) for word in root.in_order() for side in (word.left, word.right) for child in side
             if child.deprel in ("nmod", "conj", "obl")]  # fmt: skip
    if found:
        _, side, child = found[int(rng.integers(len(found)))]
        side.remove(child)
    return root


def telegram(root: g.Word, rng: np.random.Generator) -> g.Word:
    """a yellow bird with a blue belly → yellow bird with blue belly"""
    for word in list(root.in_order()):
        word.left = [child for child in word.left if child.deprel != "det"]
    return root


def reduced(root: g.Word, rng: np.random.Generator) -> g.Word:
    """a yellow bird is perched on a branch → a yellow bird perched on a branch"""
    auxiliaries = [child for child in root.left if child.upos == "AUX"]
    if root.upos != "VERB" or not auxiliaries:
        return root
    subject, _ = _parted(root)
    root.left = []
    return subject.after(root, "acl")


def placed(root: g.Word, rng: np.random.Generator) -> g.Word:
    """a yellow bird sits on a branch → a yellow bird on a branch"""
    if root.upos != "VERB" or not any(child.deprel == "obl" for child in root.right):
        return root
    subject, places = _parted(root)
    return subject.after(places[0], "nmod")


VARIATIONS: tuple[Variation, ...] = (phrase, shorter, telegram, reduced, placed)


def serial_comma(root: g.Word) -> None:
    """a blue belly, red wings and a crest → a blue belly, red wings, and a crest"""
    for word in list(root.in_order()):
        listed = [child for child in word.right if child.deprel == "conj" and child.upos == "NOUN"]
        if len(listed) > 1 and listed[-1].left[0].deprel == "cc":
            listed[-1].left.insert(0, g.comma())
            listed[-1].left[0].deprel = "punct"


def _parted(verb: g.Word) -> tuple[g.Word, list[g.Word]]:
    """A clause's subject as a root of its own, and its places; a second clause is dropped."""
    subject = next(child for child in verb.left if child.deprel.startswith("nsubj"))
    verb.right = [child for child in verb.right if child.deprel != "conj"]
    return _as_root(subject), [child for child in verb.right if child.deprel == "obl"]


def _as_root(word: g.Word) -> g.Word:
    word.deprel = "root"
    word.left = [child for child in word.left if child.deprel not in ("case", "cc", "punct")]
    return word
