"""Dataset layouts, one file each: every source lists its entries cheaply and reads one entry at a time for ingest."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, Protocol

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from hspcgan.model.errors import UserError


def place(value: Any) -> Any:
    """A local path, ~ the home folder; for a URL, as s3://bucket/data, an object of the same use by fsspec."""
    if not isinstance(value, str | Path | None):
        raise UserError("expected a path, as text")
    if not isinstance(value, str) or "://" not in value:
        return value if value is None else Path(os.path.expanduser(value))
    try:
        from upath import UPath
    except ModuleNotFoundError:
        raise UserError(
            f"{value} is a URL, which needs universal_pathlib: pip install '.[remote]' in hspcgan's checkout"
        ) from None
    try:
        found = UPath(value)
        found.fs.protocol  # noqa: B018 (asked for now, since a missing package shows at first use)
        return found
    except (ImportError, ValueError) as error:
        raise UserError(f"{value}: {error}; install fsspec's package for that protocol, as s3fs or gcsfs") from error


Place = Annotated[Path | None, PlainValidator(place)]
OWN_FIELDS = {
    "toybirds": {"scenes", "seed"},
    "folder": {"path", "test_fraction"},
    "coco": {"path", "test_fraction", "year"},
    "cub": {"path", "split"},
    "table": {"path", "test_fraction", "images", "image_column", "caption_columns", "split_column"},
    "webdataset": {"path", "test_fraction"},
}
"""What each source reads of the `data` section, beside what all of them share."""
SHARED_FIELDS = {"source", "image_size", "processes"}
EDGE = 128 * 1024
TEST_NAMES = {"test", "val", "valid", "validation"}
"""Folders, files or values of a column that stand for the test split."""


class DataConfig(BaseModel):
    """The manifest's `data` section: where samples come from and at which size they are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["toybirds", "folder", "coco", "cub", "table", "webdataset"] = Field(
        description="Dataset layout: toybirds (drawn), folder (images with NAME.txt or NAME.json), coco, cub (their "
        "own trees), table (JSONL, CSV or Parquet that name images), webdataset (tar shards)."
    )
    path: Place = Field(
        None,
        description="The dataset's folder, relative to where the command runs; table and webdataset also take a URL.",
    )
    image_size: int = Field(56, ge=8, le=2048, description="Side of the square images kept in the cache, in pixels.")
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of keys (by hash) put into the test split when the data has none."
    )
    year: int | None = Field(None, description="coco: which annotation year to read when the tree holds several.")
    split: Literal["classes", "images"] = Field(
        "classes", description="cub: unseen classes are the test split (testclasses.txt), or CUB's own list of images."
    )
    images: Place = Field(None, description="table: the folder that image paths start from; empty: the table's.")
    image_column: str = Field(
        "image", description="table: the column of images' paths; in Parquet also of images, {bytes, path} each."
    )
    caption_columns: tuple[str, ...] = Field(
        ("caption",), min_length=1, description="table: columns that hold captions, a text or a list of texts each."
    )
    split_column: str | None = Field(None, description="table: the column that says train or test (or val).")
    scenes: int = Field(1500, ge=1, description="toybirds: how many scenes are drawn.")
    seed: int = Field(0, ge=0, description="toybirds: the seed from which scenes are sampled.")
    processes: int = Field(1, ge=1, description="Worker processes that decode and resize; results do not depend on it.")

    @model_validator(mode="after")
    def _fields_fit_source(self) -> "DataConfig":
        own = OWN_FIELDS[self.source]
        if "path" in own and self.path is None:
            raise UserError(f"source {self.source!r} needs `path`, the dataset's folder")
        if self.source not in ("table", "webdataset") and not isinstance(self.path, Path | None):
            raise UserError(f"source {self.source!r} reads local folders; copy or mount {self.path}")
        typed = sorted(self.model_fields_set - own - SHARED_FIELDS)
        if typed:
            raise UserError(f"{', '.join(typed)}: without meaning for source {self.source!r}; remove it")
        return self

    def inputs(self) -> dict[str, Any]:
        """What the samples depend on beside the data itself: no places, no number of workers."""
        wanted = (OWN_FIELDS[self.source] | SHARED_FIELDS) - {"path", "images", "processes"}
        return self.model_dump(mode="json", include=wanted)


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Entry:
    """One row of a source's listing; `ref` is what the source itself needs to read it."""

    key: str
    split: str  # "train" | "test"
    where: str  # what a user would look for: a path inside the dataset, or a scene's name
    ref: Any = None


@dataclass(frozen=True)
class Item:
    """One entry as read from the disk, unchecked.

    `problem` says why it cannot be used, when the source knows, as "kind: detail": summaries count by kind.
    """

    entry: Entry
    image: bytes | Image.Image | None  # encoded file, or RGB pixels where the source draws
    captions: tuple[object, ...]  # texts, or bytes that should be UTF-8; ingest refuses anything else, one by one
    problem: str | None = None
    box: Box | None = None  # the object's place, x0, y0, x1, y1 in pixels of the image; the crop follows it


class Source(Protocol):
    """What ingest asks of a dataset layout."""

    def entries(self) -> Sequence[Entry]:
        """Every entry in a fixed order, with unique keys; raises UserError when the tree is not of this layout."""

    def read(self, entry: Entry) -> Item:
        """The entry's image and captions; trouble with one entry is its `problem`, never an exception."""

    def signature(self) -> str:
        """sha256 of what would be read: names, images by `state`, captions whole; cheap enough to ask on every run."""


def open_source(config: DataConfig) -> Source:
    """The source that the config names; raises UserError when its folder is missing."""
    if config.source == "toybirds":
        from hspcgan.pipeline.sources.toybirds import ToyBirdsSource

        return ToyBirdsSource(config)
    assert config.path is not None
    if not config.path.is_dir() and not (config.source == "table" and config.path.is_file()):
        kind = "is a file" if config.path.exists() else "does not exist"
        raise UserError(f"data.path {config.path} {kind}; expected the folder of a {config.source!r} dataset")
    if config.source == "coco":
        from hspcgan.pipeline.sources.coco import CocoSource

        return CocoSource(config)
    if config.source == "cub":
        from hspcgan.pipeline.sources.cub import CubSource

        return CubSource(config)
    if config.source == "table":
        from hspcgan.pipeline.sources.table import TableSource

        return TableSource(config)
    if config.source == "webdataset":
        from hspcgan.pipeline.sources.webdataset import WebDatasetSource

        return WebDatasetSource(config)
    from hspcgan.pipeline.sources.folder import FolderSource

    return FolderSource(config)


def quoted(value: object) -> str:
    """A value as a message shows it, its first 60 characters: a cell may hold a book, or an image."""
    shown = repr(value[:100] if isinstance(value, str | bytes) else value)
    return shown if len(shown) <= 62 else f"{shown[:60]} …"


def show_folders(*folders: Path) -> str:
    """What folders hold, the first eight names of each, for a message on a wrong tree."""
    shown = []
    for folder in folders:
        if folder.is_dir():
            names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
            more = f" … {len(names) - 8} more" if len(names) > 8 else ""
            shown.append(f"{folder}: {', '.join(names[:8]) or 'nothing'}{more}")
    return "; ".join(shown) or "nothing"


def refuse_duplicates(entries: Sequence[Entry], mend: str = "rename or remove all but one of each") -> None:
    """Raises UserError naming the keys that several entries share, with the files that claim them and the `mend`."""
    counts = Counter(entry.key for entry in entries)
    twice = [key for key, count in counts.items() if count > 1]
    if not twice:
        return
    shown = "; ".join(f"{key}: {', '.join(e.where for e in entries if e.key == key)}" for key in twice[:5])
    raise UserError(f"{len(twice)} key(s) stand for several images ({shown}); {mend}")


def with_test_split(entries: Sequence[Entry], fraction: float) -> list[Entry]:
    """
    Entries with a share moved to the test split where the data has no test split of its own.

    A key's side depends on its own sha256 alone, so that it stays when data is added. When chance leaves the
    test split empty, the key with the smallest hash goes there: evaluation needs something to score.
    """
    if fraction == 0 or len(entries) < 2 or any(entry.split == "test" for entry in entries):
        return list(entries)
    draws = [int(hash_lines([entry.key])[:16], 16) / 2**64 for entry in entries]
    limit = max(fraction, min(draws) * (1 + 1e-12))
    return [
        Entry(e.key, "test" if draw < limit else "train", e.where, e.ref)
        for e, draw in zip(entries, draws, strict=True)
    ]


def glimpse(file: BinaryIO, start: int, size: int) -> str:
    """Of `size` bytes from `start` on: how many, and their sha256 (hex); beyond 256 KB of the first and last 128 KB."""
    file.seek(start)
    digest = hashlib.sha256(file.read(size if size <= 2 * EDGE else EDGE))
    if size > 2 * EDGE:
        file.seek(start + size - EDGE)
        digest.update(file.read(EDGE))
    return f"{size} {digest.hexdigest()}"


def state(path: Path) -> str:
    """What tells an image file from another: its `glimpse`; behind a URL its size alone."""
    try:
        size = path.stat().st_size
        if getattr(path, "protocol", "") not in ("", "file", "local"):
            return str(size)
        with path.open("rb") as file:
            return glimpse(file, 0, size)
    except (OSError, ValueError) as error:  # a name that no file can have is a ValueError
        return f"unreadable: {getattr(error, 'strerror', None) or error}"


def hash_lines(lines: Sequence[str]) -> str:
    """sha256 (hex) of lines in their order; surrogates, as in undecodable file names, are kept apart, not refused."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
