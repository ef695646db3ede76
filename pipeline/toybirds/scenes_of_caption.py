"""Samples scenes for which a given caption is true; properties that the caption does not name are random as usual.

They are the reference for the diversity of generated images. Datasets of photographs have no such reference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from hspcgan.pipeline.toybirds.captions import PRESENT
from hspcgan.pipeline.toybirds.scene import ABSENT, COLOURS, LENGTHS, SIZES, Scene, sample_scenes

BLOCK = 256  # scenes sampled at a time
INDEPENDENT = (*COLOURS, *SIZES, *LENGTHS)  # values that are sampled independently of the place and of each other


def scenes_of(facts: Mapping[str, str], wanted: int, seed: int) -> list[Scene]:
    """Returns `wanted` scenes from the distribution of scenes conditioned on the facts of a caption.

    Colours, sizes and lengths are set directly, since they are sampled independently except that parts differ from the
    body in colour. Scenes in which they do not differ, or in which another fact is false, are rejected.
    """
    found: list[Scene] = []
    for scene in _candidates(seed):
        given: dict[str, Any] = {
            name: value for name, value in facts.items() if value in INDEPENDENT and _can_set(scene, name)
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


def _can_set(scene: Scene, name: str) -> bool:
    """Whether a field may be set: false if its thing is absent, since adding things would change their frequency."""
    return getattr(scene, name) != ABSENT


def _holds(scene: Scene, name: str, value: str) -> bool:
    got = getattr(scene, name)
    return got not in (ABSENT, False) if value == PRESENT else got == value


def _parts_differ(scene: Scene) -> bool:
    return scene.body not in (scene.belly, scene.wing, scene.crown)
