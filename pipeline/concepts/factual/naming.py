"""Names of entities and attributes in FACTUAL's spelling: multi-word names, digits, materials, joined words.

Examples in docstrings (a caption and some of its tuples) are tests.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Token
from hspcgan.pipeline.concepts.editable_tree import COLOURED
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

ROOMS, FIXTURES = ("bathroom", "bedroom", "kitchen"), ("floor", "sink", "wall")


@dataclass
class Naming:
    """The names of the entities and attributes of one caption."""

    concepts: Concepts
    tokens: Sequence[Token]

    @cached_property
    def names(self) -> list[str]:
        """The name of each entity, as written, with the nouns that are part of it.

        a tennis player with a teddy bear → (tennis player, with, teddy bear)
        a guy on a side walk → (person, on, sidewalk)
        """
        return [self._name(n) for n in range(len(self.concepts.entities))]

    def _name(self, n: int) -> str:
        entity = self.concepts.entities[n]
        words = [a.text if self._is_compound(a) else self._written(a.word) for a in self._parts_of_name(n)]
        text = " ".join([*words, entity.head if self._is_renamed(n) else self._written(entity.word)])
        return respelt(text, "spellings")

    def _written(self, word: int) -> str:
        return self.tokens[word].text.lower()

    def _is_renamed(self, n: int) -> bool:
        entity = self.concepts.entities[n]
        return " " in entity.head or self.tokens[entity.word].upos == "PRON"

    def _is_compound(self, attribute: Attribute) -> bool:
        last = attribute.text.split()[-1]
        part = " " in attribute.text and last in pairs("part_words")
        colour = last in {*lexicon("colours"), *COLOURED}
        return self.tokens[attribute.word].deprel == "compound" and not (colour or part)

    def _parts_of_name(self, n: int) -> list[Attribute]:
        return [a for a in self.concepts.attributes if a.entity == n and self.in_name(a)]

    def in_name(self, attribute: Attribute) -> bool:
        """Whether a word before a noun is part of its name: nouns except materials, and adjectives as in "hot dog".

        a wooden bench beside a brick wall → (bench, is, wooden), (wall, is, brick)
        """
        if attribute.entity < 0 or self.owner(attribute) or self.room(attribute) or attribute.text.startswith("no "):
            return False
        entity, written = self.concepts.entities[attribute.entity], self._written(attribute.word)
        head = entity.word
        named = written in lexicon("name_openers") or f"{written} {entity.head}" in lexicon("compounds")
        if named and attribute.word + 1 == head:
            return True
        kind = attribute.text.split()[-1] in lexicon("describing_nouns")
        return self._is_compound(attribute) and attribute.word < head and not kind

    def owner(self, attribute: Attribute) -> str:
        """Returns the whole in a compound of a whole and its part, "tree" in "tree branch"; "" for other attributes."""
        entity = self.concepts.entities[attribute.entity]
        beside = attribute.word + 1 == entity.word and self.tokens[attribute.word].upos == "NOUN"
        describes = attribute.text in lexicon("describing_nouns") or attribute.text in lexicon("name_openers")
        part = self._is_compound(attribute) and entity.head in lexicon("parts") and beside and not describes
        return attribute.text if part else ""

    def room(self, attribute: Attribute) -> bool:
        """Whether an attribute is the room of a fixture: "bathroom sink"."""
        head = self.concepts.entities[attribute.entity].head
        return attribute.text in ROOMS and head in FIXTURES and self._is_compound(attribute)

    def quality(self, attribute: Attribute) -> str:
        """Returns an attribute as written; "" if FACTUAL omits it, as it does articles, "many", "a pair of", "one".

        two older men → (men, is, 2), (men, is, older)
        a group of several people → (people, is, group of)
        """
        written = self._written(attribute.word)
        whole = " " in attribute.text or "-" in attribute.text or written in COLOURED
        text = (attribute.text if whole else written).removeprefix("not ")
        if text in lexicon("determiners"):
            return ""
        number = str(NUMBERS.index(text)) if text in NUMBERS else text
        return pairs("attributes").get(text, number)


def respelt(text: str, name: str) -> str:
    """Returns the text with phrases, as whole words, replaced as in `lexicon/NAME.txt`."""
    spaced = f" {text} "
    for old, new in pairs(name).items():
        spaced = spaced.replace(f" {old} ", f" {new} ")
    return spaced.strip()


def participle(verb: str) -> str:
    """Returns the -ing form of a verb: "running" for "run", "lying" for "lie", "smiling" for "smile"."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb)
    return verb + (verb[-1] if doubled else "") + "ing"
