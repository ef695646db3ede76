"""Computes, as a boolean matrix, which captions, phrases and short descriptions are true of each scene.

The toy CLIP is trained and measured with this matrix. Phrases are put into the three prompt templates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hspcgan.pipeline.toybirds.captions import PRESENT, Caption
from hspcgan.pipeline.toybirds.scene import ABSENT, COLOURS, LENGTHS, PARTS, PLACES, SIZES, Scene

TEMPLATES = {
    "entity": "a photo of a {}",
    "attribute": "a photo of something {}",
    "relation": "a photo of something {} something",
}
THINGS = {"crest": "crest", "collar": "collar", "flower": "flower", "nest": "nest_relation"}
FIELDS = (*("size", "beak_length", "crest", *PARTS, "collar", "flower", "flower_relation"),
          *("nest_relation", "second", "second_relation", "place"))  # fmt: skip
PLACE_RELATIONS = {
    "perch on": "branch", "sit on": "branch", "stand on": "grass",
    "swim on": "water", "float on": "water", "fly in": "sky",
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """A text that is true if any of its alternatives is true; an alternative maps scene fields to values or PRESENT."""

    text: str
    alternatives: tuple[dict[str, str], ...]


def caption_statement(caption: Caption) -> Statement:
    return Statement(caption.text, (caption.facts,))


def phrases() -> list[Statement]:
    """Returns all phrases about toy birds, inserted into prompt templates, except phrases true of every picture."""
    entities = {"bird": {"body": PRESENT}, **{part: {part: PRESENT} for part in PARTS[1:]}}
    entities |= {word: {name: PRESENT} for word, name in THINGS.items()} | {place: {"place": place} for place in PLACES}
    found = [Statement(TEMPLATES["entity"].format(word), (facts,)) for word, facts in entities.items()]
    coloured = (*PARTS, "collar", "flower", "second")
    attributes: dict[str, tuple[dict[str, str], ...]] = {c: tuple({name: c} for name in coloured) for c in COLOURS}
    attributes |= {size: ({"size": size, "body": PRESENT},) for size in SIZES}
    attributes |= {length: ({"beak_length": length, "beak": PRESENT, "body": PRESENT},) for length in LENGTHS}
    found += [Statement(TEMPLATES["attribute"].format(word), facts) for word, facts in attributes.items()]
    relations: dict[str, tuple[dict[str, str], ...]] = {
        text: ({"place": place, "body": PRESENT},) for text, place in PLACE_RELATIONS.items()
    }
    for word in ("beside", "under", "above"):
        relations[word] = tuple({f"{thing}_relation": word} for thing in ("flower", "nest", "second"))
    relations["wear"] = ({"collar": PRESENT, "body": PRESENT},)
    return found + [Statement(TEMPLATES["relation"].format(text), facts) for text, facts in relations.items()]


def descriptions() -> list[Statement]:
    """Returns a short description for each colour of each part: "a bird with a yellow belly", "a red bird"."""
    found = []
    for colour in COLOURS:
        article = "an" if colour[0] in "aeiou" else "a"
        found.append(Statement(f"{article} {colour} bird", ({"body": colour},)))
        for part in (*PARTS[1:], "collar"):
            phrase = "a bird with {} wings" if part == "wing" else f"a bird with {article} {{}} {part}"
            found.append(Statement(phrase.format(colour), ({part: colour, "body": PRESENT},)))
    return found


def without_parts(scene: Scene, absent: Sequence[str]) -> Scene:
    """Returns the scene without the parts in `absent`; removing "body" removes the main bird and all its parts."""
    if "body" in absent:
        absent = (*PARTS, "collar")
    fields: dict[str, Any] = dict.fromkeys(absent, ABSENT)
    if "crown" in absent:
        fields["crest"] = False
    return replace(scene, **fields)


def value_bits(scenes: Sequence[Scene]) -> np.ndarray:
    """Encodes the values of each scene for `truth_matrix`: one set bit per field, uint32 [S, F]."""
    return np.array([[_bits(getattr(scene, name)) for name in FIELDS] for scene in scenes], dtype=np.uint32)


VOCABULARY = (*COLOURS, *SIZES, *LENGTHS, *PLACES, "beside", "under", "above", True)


def _bits(value: object) -> int:
    return 0 if value in (ABSENT, False) else 1 << VOCABULARY.index(value)  # type: ignore[arg-type]


def truth_matrix(statements: Sequence[Statement], bits: np.ndarray) -> np.ndarray:
    """Returns whether statement t is true of scene s, bool [T, S]; `bits` is from value_bits."""
    result = np.zeros((len(statements), len(bits)), dtype=bool)
    for row, statement in zip(result, statements, strict=True):
        for facts in statement.alternatives:
            held = np.ones(len(bits), dtype=bool)
            for name, value in _implied(facts).items():
                column = bits[:, FIELDS.index(name)]
                held &= column != 0 if value == PRESENT else column == _bits(value)
            row |= held
    return result


def _implied(facts: dict[str, str]) -> dict[str, str]:
    """Adds implied facts: if a caption states the length of a beak, there is a beak; if it states a size, a bird."""
    implied = {"beak": PRESENT} if "beak_length" in facts else {}
    needs_bird = {"size", "beak_length", "crest", "collar", "flower_relation", "nest_relation", "second_relation"}
    return implied | ({"body": PRESENT} if needs_bird & facts.keys() else {}) | facts
