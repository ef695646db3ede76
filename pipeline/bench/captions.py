"""Captions for benchmarks: from a file, or synthetic captions with the lengths and the repetition of COCO captions."""

import random
from itertools import accumulate
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import read_text
from hspcgan.pipeline.bench.config import BenchConfig

WORDS = {
    kind: words
    for kind, *words in map(str.split, Path(__file__).with_name("words.txt").read_text("utf-8").splitlines())
}
"""Words by part of speech, the most frequent first."""
TAILS = ("at night", "in the rain", "on a sunny day", "while others watch", "for the camera")
REPEATED = 250
"""One in this many captions repeats an earlier one; in the first 10,007 captions of COCO val2017, it is one in 227."""


def load_captions(bench: BenchConfig, most: int | None = None) -> list[str]:
    """Returns the number of captions set in bench.captions, but at most `most`. UserError if bench.file has fewer."""
    count = min(bench.captions, most or bench.captions)
    if bench.file is None:
        return synthetic_captions(count, bench.seed) if bench.words == "coco" else toybirds_captions(count, bench.seed)
    lines = [line.strip() for line in read_text(bench.file).splitlines() if line.strip()]
    if len(lines) < count:
        raise UserError(
            f"{bench.file} has {format_count(len(lines), 'caption')}, but bench.captions is {count:,}; reduce "
            "bench.captions"
        )
    return lines[:count]


def toybirds_captions(count: int, seed: int) -> list[str]:
    """Returns `count` captions of the toybirds dataset, with 12.6 words on average."""
    from hspcgan.pipeline.toybirds.captions import captions
    from hspcgan.pipeline.toybirds.scene import sample_scenes

    scenes = sample_scenes(-(-count // 5), seed)
    return [caption.text for scene in scenes for caption in captions(scene)][:count]


def synthetic_captions(count: int, seed: int = 0) -> list[str]:
    """Returns captions of 6 to 19 words (10.5 on average), as in COCO; word frequencies follow Zipf's law."""
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
