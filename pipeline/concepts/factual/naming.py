"""Names of entities and attributes in FACTUAL's spelling: multi-word names, digits, materials, joined words.

Examples in docstrings (a caption and some of its tuples) are tests.
"""

import re
from functools import cached_property

from hspcgan.pipeline.concepts.choices import choose
from hspcgan.pipeline.concepts.concept_types import Attribute
from hspcgan.pipeline.concepts.editable_tree import COLOURED, NOMINAL
from hspcgan.pipeline.concepts.factual.features import Features
from hspcgan.pipeline.concepts.lexicons import lexicon, pairs

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class Naming(Features):
    """The names of the entities and attributes of one caption."""

    @cached_property
    def modifier_wordings(self) -> dict[Attribute, str]:
        """How FACTUAL writes each noun before another noun, and each adjective that is part of a name ("hot dog").

        "name" (part of the name), "is" (a quality), "have" (the first noun has the second), or a preposition (the
        second noun is in or on the first).
        """
        candidates = filter(self.is_candidate, dict.fromkeys(self.concepts.attributes))
        chosen = {a: choose("modifier", self.of_modifier(a, self.text(a))) for a in candidates}
        parts = {"door", "window", *lexicon("parts"), *lexicon("body_parts")}
        return {a: "is" if how == "have" and self.heads[a.entity] not in parts else how for a, how in chosen.items()}

    @cached_property
    def names(self) -> list[str]:
        """The name of each entity as FACTUAL writes it, including modifiers that are part of it.

        a tennis player with a teddy bear → (tennis player, with, teddy bear)
        a tennis player beside a brick wall → (tennis player, beside, wall), (wall, is, brick)
        a guy on a side walk → (person, on, sidewalk)
        a cheese pizza near a train station → (pizza, is, cheese), (pizza, near, station)
        """
        return [self._name(n) for n in range(len(self.concepts.entities))]

    def _name(self, n: int) -> str:
        entity = self.concepts.entities[n]
        parts = [a for a in self.concepts.attributes if a.entity == n and self.modifier_wordings.get(a) == "name"]
        words = map(self.text, parts)
        renamed = " " in entity.head or self.tokens[entity.word].upos not in NOMINAL
        text = " ".join([*words, entity.head if renamed else self._word_text(entity.word)])
        return replace_phrases(text, "spellings")

    def _word_text(self, word: int) -> str:
        return self.tokens[word].text.lower()

    def _is_compound(self, attribute: Attribute) -> bool:
        last = attribute.text.split()[-1]
        part = " " in attribute.text and last in pairs("part_words")
        colour = last in {*lexicon("colours"), *COLOURED}
        return self.tokens[attribute.word].deprel == "compound" and not (colour or part)

    def is_candidate(self, attribute: Attribute) -> bool:
        """Whether an attribute can be part of a name."""
        if attribute.entity < 0 or attribute.text.startswith(("no ", "not ")):
            return False
        entity, written = self.concepts.entities[attribute.entity], self._word_text(attribute.word)
        named = written in lexicon("name_openers") or f"{written} {entity.head}" in lexicon("compounds")
        beside = attribute.word + 1 == entity.word
        return attribute.word < entity.word and (self._is_compound(attribute) or (named and beside))

    def text(self, attribute: Attribute) -> str:
        """Returns the form of an attribute as part of a name."""
        return attribute.text if self._is_compound(attribute) else self._word_text(attribute.word)

    def attribute_text(self, attribute: Attribute) -> str:
        """Returns an attribute as FACTUAL writes it; "" if FACTUAL omits it (articles, "many", "a pair of", "one").

        two older men → (men, is, 2), (men, is, older)
        a group of several people → (people, is, group of)
        """
        written = self._word_text(attribute.word)
        whole = " " in attribute.text or "-" in attribute.text or written in COLOURED
        text = (attribute.text if whole else written).removeprefix("not ")
        if text in lexicon("determiners"):
            return ""
        number = str(NUMBERS.index(text)) if text in NUMBERS else text
        return pairs("attributes").get(text, number)


def replace_phrases(text: str, name: str) -> str:
    """Returns the text after replacing phrases (whole words only) as listed in `lexicon/NAME.txt`."""
    spaced = f" {text} "
    for old, new in pairs(name).items():
        spaced = spaced.replace(f" {old} ", f" {new} ")
    return spaced.strip()


def ing_form(verb: str) -> str:
    """Returns the -ing form of a verb: "running" for "run", "lying" for "lie", "smiling" for "smile"."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb)
    return verb + (verb[-1] if doubled else "") + "ing"
