"""Reads the word lists `lexicon/NAME.txt`: closed word classes, and words from FACTUAL's captions (MIT licence)."""

from functools import cache
from importlib import resources


@cache
def lexicon(name: str) -> frozenset[str]:
    """Returns the words in `lexicon/NAME.txt`, which has one word per line."""
    text = resources.files("hspcgan.pipeline.concepts").joinpath("lexicon", f"{name}.txt").read_text(encoding="utf8")
    return frozenset(text.splitlines())


@cache
def pairs(name: str) -> dict[str, str]:
    """Returns `lexicon/NAME.txt` as a dict; each line has a word or phrase, a tab and its replacement."""
    return dict(line.split("\t") for line in sorted(lexicon(name)))


@cache
def lists_containing(noun: str, names: tuple[str, ...]) -> list[str]:
    """Returns those of the word lists in which a noun is: ["containers"] for "cup"; ["other"] if none contains it."""
    return [name for name in names if noun in _first_words(name)] or ["other"]


@cache
def _first_words(name: str) -> frozenset[str]:
    return frozenset(line.partition("\t")[0] for line in lexicon(name))
