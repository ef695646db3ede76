"""Toy captions as a treebank for training stanza: gold trees and common variations of them.

A variation moves, drops or adds words in a gold tree so that the caption remains grammatical and its tree correct.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hspcgan.pipeline.toybirds import grammar as g
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import COLOURS, Scene

VARIED, CAPITAL, STOP, COMMA, PAIRED, OTHER = 0.5, 0.4, 0.5, 0.3, 0.2, 0.1
STOPS = (".", ".", ".", "!")
# Words that do not occur in toy captions, so that the models learn to tag unknown words by their position.
OTHER_WORDS = {
    "ADJ": ("bright", "curved", "dark", "golden", "little", "pale", "pointed", "round", "striped", "tiny", "turquoise"),
    "NOUN": ("back", "cloud", "eye", "feather", "leaf", "leg", "owl", "parrot", "pond", "rock", "sparrow", "tail",
             "tree"),
}  # fmt: skip
COUNTABLE = ("bird", "flower", "nest", "crest", "collar", "beak", "crown")


@dataclass(frozen=True)
class Sentence:
    """A string and its gold tokens."""

    text: str
    tokens: list[g.Token]

    @property
    def conllu(self) -> str:
        return g.conllu(self.text, self.tokens)


def paragraphs(scenes: Sequence[Scene], seed: int) -> list[list[Sentence]]:
    """Returns the distinct captions of the scenes, shuffled, some with variations, as paragraphs of 1–2 sentences."""
    rng = np.random.default_rng(seed)
    unique = {caption.text: caption.tokens for scene in scenes for caption in captions(scene)}
    texts = sorted(unique)
    result: list[list[Sentence]] = []
    for row in rng.permutation(len(texts)):
        tokens = unique[texts[row]]
        last = result[-1] if result else []
        if len(last) == 1 and last[0].text[-1] in STOPS and rng.random() < PAIRED:
            last.append(vary_caption(tokens, rng))
        else:
            result.append([vary_caption(tokens, rng)])
    return result


def vary_caption(tokens: Sequence[g.Token], rng: np.random.Generator) -> Sentence:
    """Returns a caption with random variations, punctuation and capitalisation."""
    root = tree(tokens)
    if rng.random() < VARIED:
        root = _pick(rng, VARIATIONS)(root, rng)
    if rng.random() < OTHER:
        other_word(root, rng)
    if rng.random() < COMMA:
        last_comma(root)
    if rng.random() < STOP:
        stop = _pick(rng, STOPS)
        root.after(g.Word(stop, stop, "PUNCT", "."), "punct")
    if rng.random() < CAPITAL:
        first = next(root.in_order())
        first.text = first.text.capitalize()
    text, words, _ = g.linearise(root)
    return Sentence(text, words)


def tree(tokens: Sequence[g.Token]) -> g.Word:
    """Builds a tree of new Words from tokens; returns the root."""
    words = [g.Word(t.text, t.lemma, t.upos, t.xpos, t.feats, t.deprel) for t in tokens]
    for token, word in zip(tokens, words, strict=True):
        if token.head >= 0:
            head = words[token.head]
            (head.left if token.index < token.head else head.right).append(word)
    return next(word for word, token in zip(words, tokens, strict=True) if token.head < 0)


Variation = Callable[[g.Word, np.random.Generator], g.Word]


def phrase(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Keeps only one noun phrase: "with a blue belly and red wings" → "a blue belly and red wings"."""
    return _as_root(_pick(rng, [word for word in root.in_order() if word.upos == "NOUN"]))


def shorter(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Removes a phrase or conjunct: "a yellow bird with a blue belly is perched …" → "a yellow bird is perched …"."""
    sides = [side for word in root.in_order() for side in (word.left, word.right)]
    found = [(side, child) for side in sides for child in side if child.deprel in ("nmod", "conj", "obl")]
    if found:
        side, child = _pick(rng, found)
        side.remove(child)
    return root


def telegram(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Removes determiners: "a yellow bird with a blue belly" → "yellow bird with blue belly"."""
    for word in list(root.in_order()):
        word.left = [child for child in word.left if child.deprel != "det"]
    return root


def reduced(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Removes an auxiliary: "a yellow bird is perched on a branch" → "a yellow bird perched on a branch"."""
    if root.upos != "VERB" or not any(child.upos == "AUX" for child in root.left):
        return root
    subject = _subject_as_root(root)
    root.left = []
    return subject.after(root, "acl")


def relative(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Makes a clause relative: "this small bird has red wings" → "this small bird that has red wings"."""
    if root.upos != "VERB" or root.lemma == "be":
        return root
    label = next(child.deprel for child in root.left if child.deprel.startswith("nsubj"))
    subject = _subject_as_root(root)
    text = _pick(rng, ("that", "which"))
    that = g.Word(text, text, "PRON", "WDT", "PronType=Rel", label)
    root.left = [that, *(child for child in root.left if child.upos == "AUX")]
    return subject.after(root, "acl:relcl")


def placed(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Removes the verb before a place: "a yellow bird sits on a branch" → "a yellow bird on a branch"."""
    places = [child for child in root.right if child.deprel == "obl"]
    return _subject_as_root(root).after(places[0], "nmod") if places else root


def several(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Makes the subject plural and removes the verb: "a yellow bird sits on a branch" → "two yellow birds on …"."""
    head = placed(root, rng)
    if head.lemma in COUNTABLE:
        head.text, head.xpos, head.feats = head.lemma + "s", "NNS", "Number=Plur"
        head.left = [child for child in head.left if child.upos not in ("DET", "PRON")]
        text = _pick(rng, ("two", "three"))
        head.left.insert(0, g.Word(text, text, "NUM", "CD", "NumForm=Word|NumType=Card", "nummod"))
    return head


def pronoun(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Uses a pronoun as subject: "this small bird has red wings" → "it has red wings", "and has" → "and it has"."""
    feats = "Case=Nom|Gender=Neut|Number=Sing|Person=3|PronType=Prs"
    second = [child for child in root.right if child.deprel == "conj" and child.upos == "VERB"]
    if second and rng.random() < 0.5:
        second[0].before(g.Word("it", "it", "PRON", "PRP", feats), "nsubj")
        return root
    for at, child in enumerate(root.left):
        if child.deprel.startswith("nsubj") and child.lemma == "bird":
            root.left[at] = g.Word("it", "it", "PRON", "PRP", feats, child.deprel)
    return root


def coloured(root: g.Word, rng: np.random.Generator) -> g.Word:
    """Adds a colour to an adjective, also in a predicate: "a yellow bird" → "a yellow and red bird"."""
    word = _pick(rng, [word for word in root.in_order() if word.upos == "ADJ"] or [None])
    if word and not word.right:
        other = g.adjective(_pick(rng, COLOURS)).before(g.conjunction(), "cc")
        word.right.insert(0, other)
        other.deprel = "conj"
    return root


VARIATIONS: tuple[Variation, ...] = (
    phrase, shorter, telegram, reduced, relative, placed, several, pronoun, coloured,
)  # fmt: skip


def other_word(root: g.Word, rng: np.random.Generator) -> None:
    """Replaces a word with one from OTHER_WORDS: "… with a blue belly" → "… with a blue tail"."""
    word = _pick(rng, [word for word in root.in_order() if word.upos in OTHER_WORDS])
    if word.xpos != "NNS":
        word.text = word.lemma = _pick(rng, OTHER_WORDS[word.upos])


def last_comma(root: g.Word) -> None:
    """Adds a comma before "and" in a list or before a clause: "red wings and a crest" → "red wings, and a crest"."""
    for word in list(root.in_order()):
        listed = [child for child in word.right if child.deprel == "conj"]
        if listed and listed[-1].left[0].deprel == "cc" and (len(listed) > 1 or word.upos != "NOUN"):
            listed[-1].left.insert(0, g.comma())
            listed[-1].left[0].deprel = "punct"


def _subject_as_root(verb: g.Word) -> g.Word:
    """Returns the subject of a clause as a new root, without conjoined clauses."""
    verb.right = [child for child in verb.right if child.deprel != "conj"]
    return _as_root(next(child for child in verb.left if child.deprel.startswith("nsubj")))


def _as_root(word: g.Word) -> g.Word:
    word.deprel = "root"
    word.left = [child for child in word.left if child.deprel not in ("case", "cc", "punct")]
    return word


def _pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]
