"""Finds the words of captions that a CLIP was never trained on, for a warning; real CLIPs know every word."""

import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import read_json
from hspcgan.model.common.validation import validate_as

log = logging.getLogger("hspcgan.pipeline")


class _Sidecar(BaseModel):
    """The file NAME.json next to a CLIP NAME.pt."""

    vocabulary: list[str] = []


def unknown_words(texts: Iterable[str], clip_path: Path) -> Counter[str]:
    """
    Returns {word: number of texts with this word} for the words that the CLIP was never trained on.

    The vocabulary is read from NAME.json next to NAME.pt, {"vocabulary": [words]}, which the toy CLIPs have; a CLIP
    without such a file is assumed to know every word.
    """
    sidecar = clip_path.with_suffix(".json")
    if not sidecar.is_file():
        return Counter()
    known = validate_as(_Sidecar, read_json(sidecar), f"{sidecar} is not the vocabulary of {clip_path.name}; remove it")
    vocabulary = _words(" ".join(known.vocabulary))
    if not vocabulary:
        return Counter()
    return Counter(word for text in texts for word in _words(text) - vocabulary)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def warn_unknown(texts: Iterable[str], clip_path: Path) -> None:
    """Logs one warning if texts contain words that are not in the CLIP's vocabulary."""
    unknown = unknown_words(texts, clip_path)
    if unknown:
        common = sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))[:12]
        shown = ", ".join(f"{word} ({count})" for word, count in common)
        more = f" and {len(unknown) - 12} more" if len(unknown) > 12 else ""
        log.warning(
            f"{clip_path.stem} was never trained on {format_count(len(unknown), 'word')} in these captions, so "
            f"features of such words are meaningless: {shown}{more}; set encode.clip to a CLIP that was trained on "
            "these words"
        )
