"""What every dataset layout shares: entries that are listed cheaply, items that are read one at a time for ingest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.sources.fingerprints import hash_lines

TEST_NAMES = {"test", "val", "valid", "validation"}
"""Names of folders and files, and values of a column, that mean the test split."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Entry:
    """One row of a dataset's listing; `ref` is what the dataset needs to read it."""

    key: str
    split: str  # "train" | "test"
    where: str  # for messages: a path inside the dataset, or a scene's name
    ref: Any = None


@dataclass(frozen=True)
class Item:
    """One entry as read from the disk, unchecked.

    `problem` is the reason why it cannot be used, as "kind: detail"; summaries count by kind.
    """

    entry: Entry
    image: bytes | Image.Image | None  # an encoded file, or RGB pixels of a drawing
    captions: tuple[object, ...]  # texts, or bytes that should be UTF-8; ingest rejects anything else, one by one
    problem: str | None = None
    box: Box | None = None  # of the object: x0, y0, x1, y1 in pixels of the image; the crop follows it


class Dataset(Protocol):
    """The interface of a dataset layout, as ingest uses it."""

    def entries(self) -> Sequence[Entry]:
        """Every entry in a fixed order, with unique keys; UserError when the folder is not of this layout."""

    def read(self, entry: Entry) -> Item:
        """The entry's image and captions; an error of one entry is its `problem`, not an exception."""

    def signature(self) -> str:
        """sha256 over names, images by `image_state` and whole captions; computed on every run, so it is cheap."""


def quoted(value: object) -> str:
    """A value for a message: its first 60 characters, since a cell may hold a book or an image."""
    shown = repr(value[:100] if isinstance(value, str | bytes) else value)
    return shown if len(shown) <= 62 else f"{shown[:60]} …"


def show_folders(*folders: Path) -> str:
    """The first eight names in each folder, for a message on a wrong layout."""
    shown = []
    for folder in folders:
        if folder.is_dir():
            names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
            more = f" … {len(names) - 8} more" if len(names) > 8 else ""
            shown.append(f"{folder}: {', '.join(names[:8]) or 'nothing'}{more}")
    return "; ".join(shown) or "nothing"


def refuse_duplicates(entries: Sequence[Entry], fix: str = "rename or remove all but one of each") -> None:
    """UserError that lists keys of several entries with their files and the `fix`."""
    counts = Counter(entry.key for entry in entries)
    twice = [key for key, count in counts.items() if count > 1]
    if not twice:
        return
    shown = "; ".join(f"{key}: {', '.join(e.where for e in entries if e.key == key)}" for key in twice[:5])
    raise UserError(f"{len(twice)} key(s) are used by several images ({shown}); {fix}")


def with_test_split(entries: Sequence[Entry], fraction: float) -> list[Entry]:
    """
    Moves a share of the entries to the test split where the data has none of its own.

    A key's split depends on its own sha256 alone, so it stays when data is added. At least one key, that with the
    smallest hash, is in the test split: evaluation needs something to score.
    """
    if fraction == 0 or len(entries) < 2 or any(entry.split == "test" for entry in entries):
        return list(entries)
    draws = [int(hash_lines([entry.key])[:16], 16) / 2**64 for entry in entries]
    limit = max(fraction, min(draws) * (1 + 1e-12))
    return [
        Entry(e.key, "test" if draw < limit else "train", e.where, e.ref)
        for e, draw in zip(entries, draws, strict=True)
    ]
