"""Words as Universal Dependencies trees with their meaning: what toy captions are built of, and what they are gold for.

A `Word` is a node; its dependents stand left and right of it in order. Each construct returns its head word and records
in `Meaning` which entities, attributes and relations it asserts, by the conventions of `pipeline.concepts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Word:
    """One token: surface text, lemma, UD part of speech, Penn tag, UD features, and its relation to its head."""

    text: str
    lemma: str
    upos: str
    xpos: str
    feats: str = "_"
    deprel: str = "root"
    left: list["Word"] = field(default_factory=list)
    right: list["Word"] = field(default_factory=list)

    def before(self, word: "Word", deprel: str) -> "Word":
        """Adds a dependent just before this word, after those already there; returns this word."""
        word.deprel = deprel
        self.left.append(word)
        return self

    def after(self, word: "Word", deprel: str) -> "Word":
        """Adds a dependent at the end of this word's phrase; returns this word."""
        word.deprel = deprel
        self.right.append(word)
        return self

    def in_order(self) -> Iterator["Word"]:
        for word in self.left:
            yield from word.in_order()
        yield self
        for word in self.right:
            yield from word.in_order()


@dataclass
class Meaning:
    """What a caption asserts: entity heads; (entity, attribute); (subject, relation, object or None), as Words."""

    entities: list[Word] = field(default_factory=list)
    attributes: list[tuple[Word, str]] = field(default_factory=list)
    relations: list[tuple[Word, str, Word | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Token:
    """A word in its place: index (from 0), head's index (-1 for the root), character span in the caption."""

    index: int
    text: str
    lemma: str
    upos: str
    xpos: str
    feats: str
    head: int
    deprel: str
    start: int
    end: int


def linearise(root: Word) -> tuple[str, list[Token], dict[int, int]]:
    """The tree as text (no space before a comma), its tokens, and each Word's index by id()."""
    words = list(root.in_order())
    index = {id(word): i for i, word in enumerate(words)}
    heads = {id(child): index[id(word)] for word in words for child in (*word.left, *word.right)}
    text, tokens = "", []
    for i, word in enumerate(words):
        text += " " if text and word.upos != "PUNCT" else ""
        start = len(text)
        text += word.text
        head = heads.get(id(word), -1)
        tokens.append(
            Token(i, word.text, word.lemma, word.upos, word.xpos, word.feats, head, word.deprel, start, len(text))
        )
    return text, tokens, index


def conllu(text: str, tokens: list[Token]) -> str:
    """The caption as one CoNLL-U sentence (https://universaldependencies.org/format.html)."""
    lines = [f"# text = {text}"]
    for token in tokens:
        glued = token.end < len(text) and text[token.end] != " "
        misc = "SpaceAfter=No" if glued or token.end == len(text) else "_"
        lines.append("\t".join((
            str(token.index + 1), token.text, token.lemma, token.upos, token.xpos, token.feats,
            str(token.head + 1), token.deprel, "_", misc,
        )))  # fmt: skip
    return "\n".join(lines) + "\n\n"


def determiner(text: str) -> Word:
    feats = {"the": "Definite=Def|PronType=Art", "this": "Number=Sing|PronType=Dem"}
    return Word(text, text, "DET", "DT", feats.get(text, "Definite=Ind|PronType=Art"))


def article(following: str) -> Word:
    """The indefinite article that fits the next word; its lemma is "a", as in UD's English treebanks."""
    word = determiner("an" if following[0] in "aeiou" else "a")
    word.lemma = "a"
    return word


def adjective(text: str) -> Word:
    return Word(text, text, "ADJ", "JJ", "Degree=Pos")


def noun(text: str, plural: bool = False) -> Word:
    shown = text if not plural else text + "s"
    return Word(shown, text, "NOUN", "NNS" if plural else "NN", "Number=Plur" if plural else "Number=Sing")


def preposition(text: str) -> Word:
    return Word(text, text, "ADP", "IN")


def finite(text: str, lemma: str, plural: bool = False) -> Word:
    """A verb in the present tense, third person."""
    feats = f"Mood=Ind|Number={'Plur' if plural else 'Sing'}|Person=3|Tense=Pres|VerbForm=Fin"
    return Word(text, lemma, "VERB", "VBP" if plural else "VBZ", feats)


def be(plural: bool = False) -> Word:
    word = finite("are" if plural else "is", "be", plural)
    word.upos = "AUX"
    return word


def participle(text: str, lemma: str) -> Word:
    if text.endswith("ed"):
        return Word(text, lemma, "VERB", "VBN", "Tense=Past|VerbForm=Part|Voice=Pass")
    return Word(text, lemma, "VERB", "VBG", "Tense=Pres|VerbForm=Part")


def comma() -> Word:
    return Word(",", ",", "PUNCT", ",")


def conjunction() -> Word:
    return Word("and", "and", "CCONJ", "CC")


def its() -> Word:
    return Word("its", "its", "PRON", "PRP$", "Case=Gen|Gender=Neut|Number=Sing|Person=3|Poss=Yes|PronType=Prs")
