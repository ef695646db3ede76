"""Captions for benchmarks: a file's, or synthetic ones with the lengths and the repetition of COCO's."""

import random
from itertools import accumulate
from pathlib import Path

WORDS = {
    kind: words
    for kind, *words in map(str.split, Path(__file__).with_name("words.txt").read_text("utf-8").splitlines())
}
"""By part of speech, the commonest first."""
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
    weights = {kind: list(accumulate(1 / (rank + 3) for rank in range(len(words)))) for kind, words in WORDS.items()}

    def word(kind: str) -> str:
        return draw.choices(WORDS[kind], cum_weights=weights[kind])[0]

    def thing() -> str:
        if draw.random() < 0.45:
            return f"a {word('adjective')} {word('noun')}"
        return f"{draw.choice(('a', 'the'))} {word('noun')}"

    captions: list[str] = []
    for number in range(count):
        if number % REPEATED == REPEATED - 1:
            captions.append(captions[draw.randrange(len(captions))])
            continue
        parts = [thing(), word("verb"), word("preposition"), thing()]
        for _ in range(draw.choices((0, 1, 2), (0.3, 0.5, 0.2))[0]):
            parts += [word("preposition"), thing()]
        if draw.random() < 0.25:
            parts.append(draw.choice(TAILS))
        captions.append(" ".join(parts))
    return captions
