"""Checks the manifest's `data` section against the registry of sources, and opens the dataset."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import is_local, kind_of
from hspcgan.model.common.validation import CheckedModel
from hspcgan.pipeline.cache.arrays.image_store import store_of
from hspcgan.pipeline.sources import SOURCES
from hspcgan.pipeline.sources.base import Dataset
from hspcgan.pipeline.sources.readers.path_or_url import path_or_url

PathOrUrl = Annotated[Path | None, PlainValidator(path_or_url), WithJsonSchema({"type": ["string", "null"]})]
SHARED_FIELDS = {"source", "image_size", "store", "quality", "processes"}


class DataConfig(CheckedModel):
    """The manifest's `data` section: the source of the samples, and how their images are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Literal[tuple(SOURCES)] = Field(  # type: ignore[valid-type]
        description="Dataset layout: " + ", ".join(f"{name} ({source.reads})" for name, source in SOURCES.items()) + "."
    )
    path: PathOrUrl = Field(
        None,
        description="Folder of the dataset, relative to the current folder; table and webdataset also accept a URL.",
    )
    image_size: int = Field(56, ge=8, le=2048, description="Side of the square images in the cache, in pixels.")
    store: Literal["raw", "jpeg", "png", "webp"] = Field(
        "raw",
        description="How the cache stores images. raw: pixels, 3 · image_size² bytes each, which training maps into "
        "memory; jpeg, png (lossless), webp: encoded files, which the loader decodes.",
    )
    quality: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Quality of the encoder if data.store is jpeg or webp; default: 95 for jpeg, lossless for webp.",
    )
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of keys (chosen by hash) for the test split if the data has no test split."
    )
    year: int | None = Field(None, description="coco: annotation year to read if the tree contains several.")
    split: Literal["classes", "images"] = Field(
        "classes",
        description="cub: how to choose the test split. classes: by testclasses.txt; images: by train_test_split.txt.",
    )
    images: PathOrUrl = Field(
        None, description="table: folder that image paths are relative to; if empty, the folder of the table."
    )
    image_column: str = Field(
        "image",
        description="table: column of image paths; in Parquet, the column may also contain images as {bytes, path}.",
    )
    caption_columns: tuple[str, ...] = Field(
        ("caption",), min_length=1, description="table: columns of captions; a cell has one caption or a list of them."
    )
    split_column: str | None = Field(None, description="table: column with the split of each row: train, test or val.")
    scenes: int = Field(
        1500,
        ge=1,
        le=10_000_000,
        description="toybirds: number of training and test scenes; validation adds 1/16 of this number.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="toybirds: seed for sampling the scenes.")
    processes: int = Field(
        1, ge=1, le=1_024, description="Worker processes that decode and resize images; does not affect the results."
    )

    @model_validator(mode="after")
    def _fields_fit_source(self) -> "DataConfig":
        source = SOURCES[self.source]
        if "path" in source.fields and self.path is None:
            raise UserError(f"source {self.source!r} needs `path`, the folder of the dataset")
        if not source.takes_url and not isinstance(self.path, Path | None):
            raise UserError(f"source {self.source!r} reads only local folders; copy or mount {self.path}")
        if self.quality is not None and self.store not in ("jpeg", "webp"):
            raise UserError(f"quality applies only to store jpeg and webp, but store is {self.store!r}; remove quality")
        unused = sorted(self.model_fields_set - set(source.fields) - SHARED_FIELDS)
        if unused:
            raise UserError(f"{', '.join(unused)}: not used by source {self.source!r}; remove it")
        return self

    def inputs(self) -> dict[str, Any]:
        """Returns the keys on which the samples depend, without paths and `processes`; `store` only if not raw."""
        wanted = ({*SOURCES[self.source].fields} | SHARED_FIELDS) - {"path", "images", "store", "quality", "processes"}
        store = self.image_store
        return self.model_dump(mode="json", include=wanted) | ({"store": store} if store else {})

    @property
    def image_store(self) -> dict[str, Any]:
        """The `store` object of cache.json; empty for raw."""
        return store_of(self.store, self.quality)


def open_source(config: DataConfig) -> Dataset:
    """Opens the dataset that the config names; raises UserError if its folder is missing or has another layout."""
    source, path = SOURCES[config.source], config.path
    if "path" in source.fields:
        assert path is not None
        if not path.is_dir() and not (source.takes_file and path.is_file()):
            found = kind_of(path) if is_local(path) else "a file"
            kind = f"is {found}" if path.exists() else "does not exist"
            raise UserError(f"data.path {path} {kind}; expected the folder of a {config.source!r} dataset")
    return source.make(**{name: getattr(config, name) for name in source.fields})
