"""The rules' word lists, `lexicon/NAME.txt`: closed classes, and words counted in FACTUAL's training captions (MIT)."""

from functools import cache
from importlib import resources


@cache
def lexicon(name: str) -> frozenset[str]:
    """The words of `lexicon/NAME.txt`, one a line."""
    text = resources.files("hspcgan.pipeline.concepts").joinpath("lexicon", f"{name}.txt").read_text(encoding="utf8")
    return frozenset(text.splitlines())


@cache
def pairs(name: str) -> dict[str, str]:
    """The lines of `lexicon/NAME.txt`: a word or phrase, a tab, what stands for it."""
    return dict(line.split("\t") for line in sorted(lexicon(name)))
