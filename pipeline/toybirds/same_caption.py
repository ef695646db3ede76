"""Real scenes that one caption is true of: what it leaves open is sampled as in any other scene.

The reference for the diversity of generated images, which no data set of photographs can offer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from hspcgan.pipeline.toybirds.captions import PRESENT
from hspcgan.pipeline.toybirds.scene import ABSENT, COLOURS, LENGTHS, SIZES, Scene, sample_scenes

BLOCK = 256  # scenes sampled at a time
INDEPENDENT = (*COLOURS, *SIZES, *LENGTHS)  # values that are drawn without regard to the place and to each other


def scenes_of(facts: Mapping[str, str], wanted: int, seed: int) -> list[Scene]:
    """`wanted` scenes in which a caption's facts hold, distributed as scenes are, given the facts.

    A colour, size or length is set, since it is drawn independently but for one rule: parts differ from the body. A
    scene in which they do not, and one in which another fact does not hold, is rejected.
    """
    found: list[Scene] = []
    for scene in _candidates(seed):
        given: dict[str, Any] = {
            name: value for name, value in facts.items() if value in INDEPENDENT and _open(scene, name)
        }
        scene = replace(scene, **given)
        if all(_holds(scene, name, value) for name, value in facts.items()) and _parts_differ(scene):
            found.append(scene)
        if len(found) == wanted:
            break
    return found


def _candidates(seed: int) -> Iterator[Scene]:
    for block in count():
        yield from sample_scenes(BLOCK, seed + block)


def _open(scene: Scene, name: str) -> bool:
    """Whether the field may be set: a thing that may be absent keeps its share of scenes only if it is there."""
    return getattr(scene, name) != ABSENT


def _holds(scene: Scene, name: str, value: str) -> bool:
    got = getattr(scene, name)
    return got not in (ABSENT, False) if value == PRESENT else got == value


def _parts_differ(scene: Scene) -> bool:
    return scene.body not in (scene.belly, scene.wing, scene.crown)
