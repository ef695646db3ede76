"""Converts FACTUAL's tuples to concept sets, and finds the position of each name in the caption."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hspcgan.pipeline.concepts.concept_types import Attribute, Concepts, Entity, Relation
from hspcgan.pipeline.concepts.factual.naming import NUMBERS
from hspcgan.pipeline.concepts.lexicons import pairs


def concepts_from_tuples(tuples: Sequence[Sequence[str]], doc: Any) -> Concepts:
    """Returns the concept sets for the tuples of a caption, sorted by position; `doc` is spaCy's parse of the caption.

    An entity that is not found in the caption is omitted. Its attributes are dropped; its relations keep the other
    entity, and are dropped if neither is found. Attributes and relations without a word in the caption ("wear"
    for "in a shirt") get the word of their entity. `notes` counts `factual_unlocated` (entities not found),
    `factual_dropped` (attributes and relations) and `factual_unworded` (attributes and relations without a word).
    """
    caption = _Caption(doc)
    edges = list(_edges(tuples))
    runs = caption.locate(dict.fromkeys(name for edge in edges for name in (edge[0], edge[2]) if name))
    names = sorted((name for name, run in runs.items() if run), key=lambda name: runs[name][-1])
    slots = {name: n for n, name in enumerate(names)}
    concepts = Concepts(entities=[caption.entity(name, runs[name]) for name in names], empty=not names)
    notes = {"factual_unlocated": len(runs) - len(names), "factual_dropped": 0, "factual_unworded": 0}
    for one, text, other in edges:
        subject, object_ = slots.get(one, -1), slots.get(other, -1)
        if not text and not other:
            continue
        if not text or max(subject, object_) < 0:
            notes["factual_dropped"] += 1
            continue
        home = concepts.entities[object_ if object_ >= 0 else subject].word
        word = caption.find_nearest([text] if not other else text.split(), home)
        notes["factual_unworded"] += word < 0
        place = word if word >= 0 else home
        if other:
            concepts.relations.append(Relation(text, subject, object_, place))
        else:
            concepts.attributes.append(Attribute(caption.attribute_text(text, word), subject, place))
    concepts.attributes.sort(key=lambda a: a.word)
    concepts.relations.sort(key=lambda r: r.word)
    return replace(concepts, notes=notes)


def _edges(tuples: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, str]]:
    """Yields (subject, relation, object), (entity, attribute, "") or (entity, "", ""), without prefixes such as "v:".

    two buses are next to each other, (bus, next to, bus) ⇒ bus and bus:1, as in "-id" models
    """
    for one, *rest in tuples:
        text, other = rest or ("", "")
        if text == "is":
            yield one, other.lower(), ""
        else:
            yield one, re.sub(r"\b(?:pv|v|p):\s*", "", text.lower()), f"{other}:1" if other == one else other


class _Caption:
    """The words of a caption, and the indices of words that are already part of an entity."""

    def __init__(self, doc: Any) -> None:
        self.words = [token for token in doc if not token.is_space]
        self.taken: set[int] = set()

    def locate(self, names: Sequence[str] | dict[str, None]) -> dict[str, range]:
        """Returns the range of words for each name, empty if not found; a word is used for at most one name.

        Names with more words are located first, then those with lower numbers.

        white bed spread on bed, (bed spread, on, bed) ⇒ bed spread at 1–2, bed at 4
        """
        runs = {}
        for name in sorted(names, key=lambda name: (-len(name.split()), _number(name))):
            spoken = _name_without_number(name)
            runs[name] = next(iter([*self._runs(spoken), *self._runs(spoken.split()[-1])]), range(0))
            self.taken.update(runs[name])
        return runs

    def _runs(self, text: str) -> Iterator[range]:
        """Yields the ranges of unused words that spell a name, whether written as one word or several.

        The last word may be inflected or in FACTUAL's spelling.
        """
        wanted, count = _letters(text), len(self.words)
        for i in range(count):
            for j in range(i, min(i + len(text.split()) + 2, count)):
                run = range(i, j + 1)
                before = "".join(self.words[k].lower_ for k in run[:-1])
                said = {_letters(before + form) for form in self._forms(j)}
                if wanted and wanted in said and self.taken.isdisjoint(run):
                    yield run

    def _forms(self, i: int) -> tuple[str, ...]:
        word = self.words[i]
        return word.lower_, word.lemma_.lower(), pairs("spellings").get(word.lower_, word.lower_)

    def entity(self, name: str, run: range) -> Entity:
        """Returns the entity at a range of words; its head is the name, with its last word lemmatized.

        A last word that differs from the word in the caption is not lemmatized.
        """
        first, last = self.words[run[0]], self.words[run[-1]]
        *others, noun = _name_without_number(name).split()
        head = " ".join([*others, last.lemma_.lower() if noun == last.lower_ else noun])
        return Entity(head, head, first.idx, last.idx + len(last.text), run[-1])

    def find_nearest(self, texts: Sequence[str], home: int) -> int:
        """Finds the first of `texts` that occurs in the caption; returns the index of its last word, −1 if none occurs.

        If a text occurs several times, uses the occurrence nearest to word `home`. Digits also match number words ("2"
        matches "two").
        """
        for text in texts:
            number = NUMBERS[int(text)] if text.isdecimal() and int(text) < len(NUMBERS) else text
            ends = [run[-1] for form in (text, number) for run in self._runs(form)]
            if ends:
                return min(ends, key=lambda end: (abs(end - home), end))
        return -1

    def attribute_text(self, text: str, word: int) -> str:
        """Returns the text of an attribute, with numbers as written in the caption."""
        return self.words[word].lower_ if text.isdecimal() and word >= 0 else text


def _name_without_number(name: str) -> str:
    """Returns the name in lower case, without its number: "bowl" for "bowl:1"."""
    return re.sub(r"(?<=\w)\s*:\d+$", "", name.lower())


def _number(name: str) -> int:
    return int(found[1]) if (found := re.search(r":(\d+)$", name)) else 0


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text)
