"""Captions for benchmarks: a file's, or synthetic ones with the lengths and the repetition of COCO's."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

NOUNS = (
    "man woman dog cat bird table street train bus horse plate pizza person girl boy building kitchen bench tree car beach "
    "room bed clock sign giraffe elephant boat field water wall window toilet bathroom truck motorcycle umbrella sheep "
    "cow zebra laptop desk chair cake sandwich bowl surfboard wave skateboard ball racket kite snow ski hill mountain "
    "river bridge tower fence grass road corner crowd child baby hat shirt jacket phone camera book vase flower fruit "
    "banana apple orange bottle glass cup fork knife spoon oven refrigerator sink mirror television remote couch pillow "
    "lamp shelf keyboard mouse screen suitcase backpack tie airplane runway station track light fire hydrant meter park"
).split()
ADJECTIVES = (
    "white black red blue large small young old green brown wooden yellow little tall empty wet grey orange open long "
    "colorful busy snowy sandy grassy shiny dirty striped purple pink"
).split()
VERBS = (
    "sitting standing walking riding holding eating looking playing lying flying running wearing carrying parked waiting "
    "jumping sleeping watching cutting driving"
).split()
PREPOSITIONS = "on in near with behind over under beside by above along across".split()
TAILS = ("at night", "in the rain", "on a sunny day", "while others watch", "for the camera")
REPEATED = 250
"""One caption in so many is an earlier one: COCO val2017 has 25,014 captions, 24,790 of them unique."""


def load_captions(file: Path | None, count: int, seed: int) -> list[str]:
    """`count` captions; ValueError when the file holds fewer."""
    if file is None:
        return synthetic(count, seed)
    lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    if len(lines) < count:
        raise ValueError(f"{file} holds {len(lines):,} captions, bench.captions asks for {count:,}; set it lower")
    return lines[:count]


def synthetic(count: int, seed: int = 0) -> list[str]:
    """Captions of 6 to 19 words, 10.5 in the mean (COCO's mean); the commonest words as much commoner as Zipf says."""
    draw = random.Random(seed)
    weights = {len(words): _zipf(words) for words in (NOUNS, ADJECTIVES, VERBS, PREPOSITIONS)}

    def word(words: Sequence[str]) -> str:
        return draw.choices(words, cum_weights=weights[len(words)])[0]

    def thing() -> str:
        noun = word(NOUNS)
        return f"a {word(ADJECTIVES)} {noun}" if draw.random() < 0.45 else f"{draw.choice(('a', 'the'))} {noun}"

    captions: list[str] = []
    for number in range(count):
        if number % REPEATED == REPEATED - 1:
            captions.append(captions[draw.randrange(len(captions))])
            continue
        parts = [thing(), word(VERBS), word(PREPOSITIONS), thing()]
        for _ in range(draw.choices((0, 1, 2), (0.3, 0.5, 0.2))[0]):
            parts += [word(PREPOSITIONS), thing()]
        if draw.random() < 0.25:
            parts.append(draw.choice(TAILS))
        captions.append(" ".join(parts))
    return captions


def _zipf(words: Sequence[str]) -> list[float]:
    return list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))
