"""Finds captions in languages other than English, by the share of words that are not in the parser's word lists."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hspcgan.model.common.printable import format_count
from hspcgan.pipeline.cache.reader import Cache

MOST_UNKNOWN = 0.4
"""Share of unknown words above which a caption counts as written in another language."""
MAX_CHARACTERS = 10_000
"""Characters of a caption that are read; ingest accepts no longer captions."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ENDINGS = (("ies", "y"), ("ied", "y"), ("'s", ""), ("n't", ""), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"),
            ("ing", ""), ("ing", "e"), ("er", ""), ("er", "e"), ("est", ""), ("est", "e"), ("ly", ""), ("y", ""),
            ("y", "e"), ("ish", ""))  # fmt: skip


@dataclass(frozen=True)
class Languages:
    """Counts of words, unknown words, captions, and captions of mostly unknown words (with an example)."""

    words: int = 0
    unknown: int = 0
    captions: int = 0
    foreign: int = 0
    example: str = ""

    def line(self) -> str:
        """Returns the text of the line `words` in `hspcgan stats`."""
        share = f"{self.unknown:,} of {self.words:,} words ({self.unknown / max(1, self.words):.1%})"
        text = f"{share} are not in the parser's lists; {self._foreign()} mostly of such words"
        return f"{text}, such as {self.example[:60]!r}; {FIX}" if self.foreign else text

    def warning(self) -> str:
        """Returns a warning for `hspcgan prepare`; "" if under 1 % of the captions consist mostly of unknown words."""
        if 100 * self.foreign < max(1, self.captions):
            return ""
        return (
            f"{self._foreign(f' ({self.foreign / self.captions:.1%})')} mostly of words that are not in "
            f"the parser's lists, such as {self.example[:60]!r}; {FIX}"
        )

    def _foreign(self, share: str = "") -> str:
        return f"{format_count(self.foreign, 'caption')}{share} {'consists' if self.foreign == 1 else 'consist'}"


FIX = "captions are parsed as English, so translate captions in other languages first, or leave them out"


def languages(cache: Cache) -> Languages | None:
    """Counts the words in a cache's captions; None if the English model, which has the word lists, is not installed."""
    known = _lists()
    if known is None:
        return None
    words = unknown = captions = foreign = 0
    example = ""

    @functools.lru_cache(maxsize=200_000)
    def is_unknown(word: str) -> bool:
        return not _is_known(word, known)

    blocks = cache.blocks("captions.parquet", ["text"])
    for text in (text for block in blocks for text in block["text"].to_pylist()):
        own = _WORD.findall(text[:MAX_CHARACTERS].lower())
        absent = sum(map(is_unknown, own))
        words, unknown, captions = words + len(own), unknown + absent, captions + 1
        if absent > MOST_UNKNOWN * len(own):
            foreign += 1
            example = example or text
    return Languages(words, unknown, captions, foreign, example)


def _is_known(word: str, known: frozenset[str]) -> bool:
    if word in known:
        return True
    for ending, instead in _ENDINGS:
        stem = word.removesuffix(ending) + instead if word.endswith(ending) else ""
        if stem in known or (len(stem) > 3 and stem[-1] == stem[-2] and stem[:-1] in known):  # sitting
            return True
    return False


@functools.cache
def _lists() -> frozenset[str] | None:
    """Returns the base forms and irregular forms of the small English model, and function words."""
    if find_spec("spacy") is None:
        return None
    from spacy.lang.en.stop_words import STOP_WORDS
    from spacy.lookups import Lookups

    from hspcgan.pipeline.concepts.annotate.spacy import SPACY_MODELS

    specs = [find_spec(name) for name in SPACY_MODELS]
    roots = [Path(root) for spec in specs if spec for root in spec.submodule_search_locations or ()]
    folders = [folder for root in roots for folder in root.glob("*/lemmatizer/lookups")]
    if not folders:
        return None
    lookups = Lookups().from_disk(folders[0])
    base, irregular = lookups.get_table("lemma_index"), lookups.get_table("lemma_exc")
    parts = ("noun", "verb", "adj", "adv")
    known = {word for table in (base, irregular) for part in parts if part in table for word in table[part]}
    return frozenset(known | STOP_WORDS | {"t", "s", "re", "ll", "ve", "d", "m"})
