"""Toy bird scenes and their random sampling, from which pictures and captions are generated.

The fields are a small version of CUB's attribute list: size, part colours from the eleven basic colour terms of English
(Berlin and Kay 1969), beak length, optional parts, things around the bird, and its place.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

COLOURS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "gray")
SIZES = ("small", "large")
LENGTHS = ("short", "long")
PLACES = ("branch", "grass", "water", "sky")
ABSENT = "absent"
PARTS = ("body", "belly", "wing", "crown", "beak")

TEST_SHARE = 0.1
VALIDATION, VALIDATION_SHARE = 10_000_000, 1 / 16  # index of the first validation scene; ratio of val to other scenes
CREST_SHARE, COLLAR_SHARE, FLOWER_SHARE, NEST_SHARE, SECOND_SHARE = 0.4, 0.35, 0.3, 0.25, 0.25


@dataclass(frozen=True)
class Scene:
    """The content of a picture. Each colour is a word in COLOURS or ABSENT; an absent thing has the relation ABSENT.

    `shift` (fractions of the picture size), `stretch` (factor) and `tilt` (degrees) do not occur in captions.
    """

    key: str
    split: str
    size: str
    body: str
    belly: str
    wing: str
    crown: str
    beak: str
    beak_length: str
    crest: bool
    collar: str
    flower: str
    flower_relation: str
    nest_relation: str
    second: str
    second_relation: str
    place: str
    shift: tuple[float, float]
    stretch: float
    tilt: float


def held_out(body: str, belly: str) -> bool:
    """Whether a pair of body and belly colour is held out of training (about one pair in eleven)."""
    return (COLOURS.index(body) * 4 + COLOURS.index(belly) * 7) % len(COLOURS) == 3


def sample_scenes(count: int, seed: int) -> list[Scene]:
    """Returns `count` scenes. Scene i depends only on `seed` and i, not on `count`."""
    return [_sample(index, seed) for index in range(count)]


def validation_scenes(count: int, seed: int) -> list[Scene]:
    """Returns `count` scenes of the validation split (never in `sample_scenes`), for selecting the best checkpoint."""
    return [_sample(VALIDATION + index, seed) for index in range(count)]


def scene_of(key: str) -> Scene:
    """Returns the scene for a key such as bird-0-000012. Raises ValueError if the key has another form."""
    name, seed, index = key.split("-")
    if name != "bird":
        raise ValueError(f"{key} is not the key of a toy bird, such as bird-0-000012")
    return _sample(int(index), int(seed))


def _sample(index: int, seed: int) -> Scene:
    rng = np.random.default_rng((seed, index))
    body = _pick(rng, COLOURS)
    others = tuple(colour for colour in COLOURS if colour != body)  # a part in the colour of the body is invisible
    belly, wing = _pick(rng, others), _pick(rng, others)
    place = _pick(rng, PLACES)
    grounded = place in ("branch", "grass")
    flower = _pick(rng, COLOURS) if rng.random() < FLOWER_SHARE else ABSENT
    flower_relation = _pick(rng, ("beside", "under")) if flower != ABSENT else ABSENT
    nest_relation = ABSENT
    if grounded and rng.random() < NEST_SHARE:
        nest_relation = "beside" if flower_relation == "under" else "under"
        if flower_relation == ABSENT:
            nest_relation = _pick(rng, ("beside", "under"))
    second = _pick(rng, COLOURS) if rng.random() < SECOND_SHARE else ABSENT
    beside_is_free = "beside" not in (flower_relation, nest_relation)
    second_relation = _pick(rng, ("above", "beside") if beside_is_free else ("above",)) if second != ABSENT else ABSENT
    key = f"bird-{seed}-{index:06d}"
    return Scene(
        key=key, split=_split(index, key, body, belly), size=_pick(rng, SIZES), body=body, belly=belly, wing=wing,
        crown=_pick(rng, others), beak=_pick(rng, COLOURS), beak_length=_pick(rng, LENGTHS),
        crest=bool(rng.random() < CREST_SHARE), collar=_pick(rng, COLOURS) if rng.random() < COLLAR_SHARE else ABSENT,
        flower=flower, flower_relation=flower_relation, nest_relation=nest_relation,
        second=second, second_relation=second_relation, place=place,
        shift=(float(rng.uniform(-0.03, 0.03)), float(rng.uniform(-0.03, 0.03))),
        stretch=float(rng.uniform(0.95, 1.05)), tilt=float(rng.uniform(-5, 5)),
    )  # fmt: skip


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _split(index: int, key: str, body: str, belly: str) -> str:
    if index >= VALIDATION:
        return "val"
    if held_out(body, belly):
        return "test"
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return "test" if share < TEST_SHARE else "train"
