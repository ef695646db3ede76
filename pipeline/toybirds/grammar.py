"""Universal Dependencies trees of toy captions with their meaning, which serve as gold annotations.

A `Word` is a node with its dependents to the left and right in order. `Meaning` contains the entities, attributes and
relations in a caption, by the conventions of `pipeline.concepts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Word:
    """A token: surface form, lemma, UD part of speech, Penn tag, UD features, and relation to its head."""

    text: str
    lemma: str
    upos: str
    xpos: str
    feats: str = "_"
    deprel: str = "root"
    left: list["Word"] = field(default_factory=list)
    right: list["Word"] = field(default_factory=list)

    def before(self, word: "Word", deprel: str) -> "Word":
        """Adds a dependent directly before this word, after its other left dependents; returns this word."""
        word.deprel = deprel
        self.left.append(word)
        return self

    def after(self, word: "Word", deprel: str) -> "Word":
        """Adds a dependent at the end of the phrase of this word; returns this word."""
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
    """The meaning of a caption: entity heads; (entity, attribute); (subject, relation, object or None), as Words."""

    entities: list[Word] = field(default_factory=list)
    attributes: list[tuple[Word, str]] = field(default_factory=list)
    relations: list[tuple[Word, str, Word | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Token:
    """A word at its position: 0-based index, index of its head (-1 for the root), character span in the caption."""

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
    """Returns the text of a tree (no space before commas), its tokens, and the token index of each Word by id()."""
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
    """Returns the caption as a CoNLL-U sentence (https://universaldependencies.org/format.html)."""
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
    """Returns the indefinite article for the next word; its lemma is "a", as in UD's English treebanks."""
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
    """Returns a verb in the present tense, third person."""
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
