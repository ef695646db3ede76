"""Dataset layouts, one file per layout, and the registry that the `data` section, the plan and ingest use.

To add a layout, write a file with a class that implements `base.Dataset`, and add it to SOURCES. The class takes the
`fields` of the `data` section as keyword arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hspcgan.pipeline.sources.base import Dataset
from hspcgan.pipeline.sources.coco import CocoSource
from hspcgan.pipeline.sources.cub import CubSource
from hspcgan.pipeline.sources.folder import FolderSource
from hspcgan.pipeline.sources.table import TableSource
from hspcgan.pipeline.sources.toybirds import ToyBirdsSource
from hspcgan.pipeline.sources.webdataset import WebDatasetSource


@dataclass(frozen=True)
class Source:
    """A dataset layout: its class, what it reads, and the keys of the `data` section that its class takes."""

    make: Callable[..., Dataset]
    reads: str
    fields: tuple[str, ...]
    takes_url: bool = False
    takes_file: bool = False


SOURCES = {
    "toybirds": Source(ToyBirdsSource, "drawn birds", ("scenes", "seed", "image_size")),
    "folder": Source(FolderSource, "images with NAME.txt or NAME.json", ("path", "test_fraction")),
    "coco": Source(CocoSource, "the official COCO tree", ("path", "test_fraction", "year")),
    "cub": Source(CubSource, "the official CUB-200-2011 tree", ("path", "split")),
    "table": Source(
        TableSource,
        "JSONL, CSV or Parquet tables that list images",
        ("path", "test_fraction", "images", "image_column", "caption_columns", "split_column"),
        takes_url=True,
        takes_file=True,
    ),
    "webdataset": Source(WebDatasetSource, "tar shards", ("path", "test_fraction"), takes_url=True),
}
