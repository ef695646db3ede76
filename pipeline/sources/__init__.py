"""Dataset layouts, one file each: every source lists its entries cheaply and reads one entry at a time for ingest."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataConfig(BaseModel):
    """The manifest's `data` section: where samples come from and at which size they are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["toybirds", "folder", "coco"] = Field(
        description="Dataset layout: toybirds (drawn), folder (images with NAME.txt or NAME.json), coco (its own tree)."
    )
    path: Path | None = Field(None, description="The dataset's folder, relative to where the command runs.")
    image_size: int = Field(56, ge=8, le=2048, description="Side of the square images kept in the cache, in pixels.")
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of keys (by hash) put into the test split when the data has none."
    )
    year: int | None = Field(None, description="coco: which annotation year to read when the tree holds several.")
    scenes: int = Field(1500, ge=1, description="toybirds: how many scenes are drawn.")
    seed: int = Field(0, ge=0, description="toybirds: the seed from which scenes are sampled.")
    processes: int = Field(1, ge=1, description="Worker processes that decode and resize; results do not depend on it.")

    @model_validator(mode="after")
    def _fields_fit_source(self) -> "DataConfig":
        needs_path = self.source != "toybirds"
        if needs_path and self.path is None:
            raise ValueError(f"source {self.source!r} needs `path`, the dataset's folder")
        foreign = {
            "toybirds": ["path", "year", "test_fraction"],
            "folder": ["year", "scenes", "seed"],
            "coco": ["scenes", "seed"],
        }[self.source]
        typed = [name for name in foreign if name in self.model_fields_set]
        if typed:
            raise ValueError(f"{', '.join(typed)}: without meaning for source {self.source!r}; remove it")
        return self


@dataclass(frozen=True)
class Entry:
    """One row of a source's listing; `ref` is what the source itself needs to read it."""

    key: str
    split: str  # "train" | "test"
    where: str  # what a user would look for: a path inside the dataset, or a scene's name
    ref: Any = None


@dataclass(frozen=True)
class Item:
    """One entry as read from the disk, unchecked: `problem` says why it cannot be used, when the source knows."""

    entry: Entry
    image: bytes | Image.Image | None  # encoded file, or RGB pixels where the source draws
    captions: tuple[str | bytes, ...]  # bytes are UTF-8, yet to be checked
    problem: str | None = None


class Source(Protocol):
    """What ingest asks of a dataset layout."""

    def entries(self) -> Sequence[Entry]:
        """Every entry in a fixed order, with unique keys; raises ValueError when the tree is not of this layout."""

    def read(self, entry: Entry) -> Item:
        """The entry's image and captions; trouble with one entry is its `problem`, never an exception."""

    def signature(self) -> str:
        """sha256 of what would be read (names, sizes, caption contents), cheap enough to ask on every run."""


def open_source(config: DataConfig) -> Source:
    """The source that the config names; raises ValueError when its folder is missing."""
    if config.source == "toybirds":
        from hspcgan.pipeline.sources.toybirds import ToyBirdsSource

        return ToyBirdsSource(config)
    assert config.path is not None
    if not config.path.is_dir():
        kind = "is a file" if config.path.exists() else "does not exist"
        raise ValueError(f"data.path {config.path} {kind}; expected the folder of a {config.source!r} dataset")
    if config.source == "coco":
        from hspcgan.pipeline.sources.coco import CocoSource

        return CocoSource(config)
    from hspcgan.pipeline.sources.folder import FolderSource

    return FolderSource(config)


def refuse_duplicates(entries: Sequence[Entry]) -> None:
    """Raises ValueError naming the keys that several entries share, with the files that claim them."""
    counts = Counter(entry.key for entry in entries)
    twice = [key for key, count in counts.items() if count > 1]
    if not twice:
        return
    shown = "; ".join(f"{key}: {', '.join(e.where for e in entries if e.key == key)}" for key in twice[:5])
    raise ValueError(f"{len(twice)} key(s) stand for several images ({shown}); rename or remove all but one of each")


def with_test_split(entries: Sequence[Entry], fraction: float) -> list[Entry]:
    """
    Entries with a share moved to the test split where the data has no test split of its own.

    A key's side depends on its own sha256 alone, so that it stays when data is added. When chance leaves the
    test split empty, the key with the smallest hash goes there: evaluation needs something to score.
    """
    if fraction == 0 or len(entries) < 2 or any(entry.split == "test" for entry in entries):
        return list(entries)
    draws = [int.from_bytes(hashlib.sha256(entry.key.encode()).digest()[:8], "big") / 2**64 for entry in entries]
    limit = max(fraction, min(draws) * (1 + 1e-12))
    return [
        Entry(e.key, "test" if draw < limit else "train", e.where, e.ref)
        for e, draw in zip(entries, draws, strict=True)
    ]


def hash_lines(lines: Sequence[str]) -> str:
    """sha256 (hex) of lines in their order; surrogates from undecodable file names are kept apart, not refused."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
