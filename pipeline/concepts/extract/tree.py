"""The tree of a caption in Universal Dependencies, with the queries that the concept rules use."""

from collections.abc import Sequence

from hspcgan.pipeline.concepts.concept_types import Token
from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL, ParseEdit
from hspcgan.pipeline.concepts.lexicons import lexicon

# Nouns that name a side of their possessor: in "the building's side", the place is the building.
SIDES = ("side", "edge", "top", "bottom", "corner", "end", "center", "middle")


class Tree(ParseEdit):
    """The tree of a caption in Universal Dependencies, with queries for entities, prepositions and lemmas."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self.quantities: set[int] = set()  # quantity nouns that became attributes of the counted thing
        self.shared: set[int] = set()  # modifiers that describe their noun and all its conjuncts
        self.persons: dict[int, str] = {}  # unnamed persons: the noun for each pronoun index
        self.lemmas = [self._lemma(i) for i in range(len(self.words))]

    def _lemma(self, i: int) -> str:
        """Returns the lemma in lower case; for nouns that exist only as plurals ("shorts"), the word as written."""
        written = self.words[i]
        kept = written in lexicon("plural_only") or (written == "glasses" and self._are_spectacles(i))
        return written if kept else (self.lemmas[i] or written).lower()

    def _are_spectacles(self, i: int) -> bool:
        """Whether "glasses" are spectacles: "wearing glasses", "a woman with glasses", "with a hat and glasses"."""
        above = self.heads[i]
        lemma = self.lemmas[above].lower()
        beside = self.is_a(i, "conj") and lemma in lexicon("clothes")
        return lemma == "wear" or beside or (self.is_a(i, "nmod") and lemma in lexicon("persons"))

    def with_conjuncts(self, i: int) -> list[int]:
        """Returns a word and its conjuncts."""
        return [i, *self.children(i, "conj")]

    def case(self, i: int) -> list[int]:
        """Returns the words of a noun's preposition, which can have more than one: "out of", "in front of"."""
        words = [c for c in self.children(i, "case") if self.lemmas[c] not in ("'s", "'", "’s", "’")]
        return sorted(words + [f for c in words for f in self.children(c, "fixed")])

    def case_text(self, i: int) -> str:
        """Returns the preposition of a noun as a string; "" if there is none."""
        words = [self.lemmas[c] for c in self.case(i)]
        return " ".join([*words, "of"] if words and words[-1] in SIDES else words)

    def is_entity(self, i: int) -> bool:
        """Whether a word is a noun or name that heads a phrase ("party" in "cocktail party"), or an unnamed person."""
        if i in self.persons:
            return True
        apart = ("compound", "amod", "nummod", "flat", "fixed", "case", "goeswith", "cc", "mark", "obl:tmod")
        if self.pos[i] not in NOMINAL or self.is_a(i, *apart):
            return False
        if self.is_a(i, "conj") and self.is_a(self.heads[i], "amod") and self.heads[self.heads[i]] > i:
            return False  # "an orange and white cat"
        return self.has_letter_or_digit(i) and not self.is_non_referring(i)

    def name_parts(self, i: int) -> list[int]:
        """Returns the words of a proper name, including its head ("new york"); for other nouns only the head."""
        parts = self.children(i, "flat", "compound") if self.pos[i] == "PROPN" else []
        return sorted([i, *(c for c in parts if self.pos[c] == "PROPN")])

    def has_letter_or_digit(self, i: int) -> bool:
        """Whether a word has a letter or digit; taggers tag "|" and "%" as nouns, and hyphens as adjectives."""
        text = self.texts[i]
        return text.isalpha() or any(map(str.isalnum, text))

    def is_non_referring(self, i: int) -> bool:
        """Whether a noun does not refer to a thing: "nobody", "no one", or "color" as in "black in color"."""
        no_one = self.lemmas[i] == "one" and any(self.lemmas[c] == "no" for c in self.children(i, "det"))
        in_color = self.lemmas[i] in COLOURED and [self.lemmas[c] for c in self.children(i)] == ["in"]
        return no_one or in_color or self.lemmas[i] in ("nobody", "nothing", "none")

    def complement(self, i: int, preposition: str = "") -> int:
        """Returns the noun after a word's preposition ("people" for "group" in "a group of people"); −1 if none."""
        for child in self.children(i, "nmod", "obl"):
            words = self.children(child, "case")
            if child > i and words and words[0] == i + 1 and preposition in ("", self.lemmas[words[0]]):
                return child
        return -1
