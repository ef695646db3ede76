"""Parts that all dataset layouts share: entries, listed without reading images, and items, read one by one."""

import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import is_local, kind_of
from hspcgan.pipeline.sources.fingerprints import hash_lines

TEST_NAMES = {"test", "val", "valid", "validation"}
"""Names of folders and files, and values of a column, that mean the test split."""
MAX_CHARACTERS = 10_000
"""Characters of a caption; see `caption_text`."""
MAX_TEXT = 2**16
"""Characters or bytes of a caption with its markup; ingest rejects longer strings before any work, so sources do not
keep them."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class RejectedText:
    """Stands for a caption that cannot be used, or that is too long to keep."""

    why: str


def reject_if_long(text: object) -> object:
    """Replaces a string of more than MAX_TEXT characters or bytes by RejectedText; returns other values unchanged."""
    if not isinstance(text, str | bytes) or len(text) <= MAX_TEXT:
        return text
    size = f"{len(text):,} {'characters' if isinstance(text, str) else 'bytes'}"
    return RejectedText(f"{size}; a caption may have up to {MAX_CHARACTERS:,} characters")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row in the listing of a dataset; `ref` holds data for the dataset's `read`, such as file paths."""

    key: str
    split: str  # "train" | "test"
    where: str  # for messages: a path inside the dataset, or a scene's name
    ref: Any = None


@dataclass(frozen=True)
class Item:
    """The image and captions of an entry as read from disk, unchecked.

    `problem` is the reason why the entry cannot be used, as "kind: detail"; summaries count by kind.
    """

    entry: Entry
    image: bytes | Image.Image | None  # an encoded file, or RGB pixels of a drawing
    captions: tuple[object, ...]  # strings, bytes in UTF-8 or RejectedText; ingest rejects other values one by one
    problem: str | None = None
    box: Box | None = None  # box of the object, x0, y0, x1, y1 in pixels; the crop follows the box


class Dataset(Protocol):
    """The interface of a dataset layout, as ingest uses it."""

    def entries(self) -> Sequence[Entry]:
        """Returns all entries in a fixed order, with unique keys; raises UserError if the folder has another layout."""

    def read(self, entry: Entry) -> Item:
        """Returns the image and captions of an entry; an error in an entry becomes its `problem`, not an exception."""

    def signature(self) -> str:
        """Returns a sha256 of names, captions and the `image_state` of images, which changes if the data changes."""


def short_repr(value: object) -> str:
    """Shortens a value to 60 characters for a message, since a cell may contain a long text or an image."""
    shown = repr(value[:100]) if isinstance(value, str | bytes) else reprlib.repr(value)
    return shown if len(shown) <= 62 else f"{shown[:60]} …"


def list_folders(*folders: Path) -> str:
    """Lists the first eight names in each folder, for a message about a wrong layout."""
    shown = []
    for folder in folders:
        if folder.is_dir():
            names = sorted(map(_listed, folder.iterdir()))
            more = f" … {len(names) - 8} more" if len(names) > 8 else ""
            shown.append(f"{folder}: {', '.join(names[:8]) or 'nothing'}{more}")
    return "; ".join(shown) or "nothing"


def _listed(path: Path) -> str:
    """Returns the name of a file, with / after a folder, and with the kind of anything else, such as "a pipe"."""
    kind = kind_of(path) if is_local(path) else "a folder" if path.is_dir() else "a file"
    return path.name + {"a file": "", "a folder": "/"}.get(kind, f" ({kind})")


def require_unique_keys(entries: Sequence[Entry], fix: str = "rename or remove all but one of each") -> None:
    """Raises UserError if several entries share a key; lists these keys with their files and the `fix`."""
    counts = Counter(entry.key for entry in entries)
    twice = [key for key, count in counts.items() if count > 1]
    if not twice:
        return
    shown = "; ".join(f"{key}: {_first(e.where for e in entries if e.key == key)}" for key in twice[:5])
    raise UserError(f"{len(twice)} key(s) are used by several images ({shown}); {fix}")


def _first(names: Iterable[str]) -> str:
    """Lists the first four names, and the number of the others."""
    listed = list(names)
    return ", ".join(listed[:4]) + (f" … {len(listed) - 4:,} more" if len(listed) > 4 else "")


def with_test_split(entries: Sequence[Entry], fraction: float) -> list[Entry]:
    """
    Moves a share of the entries to the test split if the data has no test split.

    The split of a key depends only on the sha256 of the key, so it does not change when data is added. At least the key
    with the smallest hash is in the test split, since evaluation needs data.
    """
    if fraction == 0 or len(entries) < 2 or any(entry.split == "test" for entry in entries):
        return list(entries)
    draws = [int(hash_lines([entry.key])[:16], 16) / 2**64 for entry in entries]
    limit = max(fraction, min(draws) * (1 + 1e-12))
    return [
        Entry(e.key, "test" if draw < limit else "train", e.where, e.ref)
        for e, draw in zip(entries, draws, strict=True)
    ]
