"""The mapper of ingest: converts items to rows of samples, captions and rejects, and to pixels."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import without_passwords
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.sources.base import Item
from hspcgan.pipeline.stages import caption_text, images


@dataclass
class Checked:
    """A shard after checking: rows of samples, captions and rejects, and the kept images uint8 [n, 3, H, W]."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)
    rows_in: int = 0

    def reject(self, where: str, what: str, why: str) -> None:
        """Adds a row to `rejects`."""
        self.rejects.append(
            {"stage": "ingest", "where": _writable(where), "what": what, "why": _writable(without_passwords(why))}
        )


def check_items(size: int, items: Sequence[Item | Callable[[], Item]]) -> Checked:
    """The mapper of the stage: converts each image and caption to a row of samples, captions or rejects.

    An item may be a function that reads it, so that not all images of a shard are in memory at the same time.
    """
    checked = Checked()
    for item in items:
        _check_item(item() if callable(item) else item, size, checked)
    kept = len(checked.samples) + len(checked.captions)
    if checked.rows_in != kept + len(checked.rejects):
        raise AssertionError(
            f"bug in ingest: of {checked.rows_in} rows, {kept} kept and {len(checked.rejects)} rejected"
        )
    return checked


def _check_item(item: Item, size: int, checked: Checked) -> None:
    key, where = _writable(item.entry.key), _writable(item.entry.where)
    checked.rows_in += 1 + len(item.captions)
    captions = []
    refused: list[tuple[str, str]] = []
    for number, text in enumerate(item.captions):
        try:
            captions.append({"caption_id": f"{key}#{number}", "key": key, "text": caption_text.clean_caption(text)})
        except ValueError as error:
            refused.append((f"{key}#{number}", str(error)))
    for caption_id, why in refused:
        checked.reject(caption_id, "caption", why)
    try:
        if key != item.entry.key or where != item.entry.where:
            raise UserError("the name is not valid Unicode; rename the file")
        sample, pixels = _check_image(item, size)
        if not captions:
            raise UserError("all captions of the image were rejected")
    except ValueError as error:
        checked.reject(where, "image", str(error))
        for row in captions:
            checked.reject(row["caption_id"], "caption", f"{schema.IMAGE_REFUSED}{error}")
        return
    checked.samples.append(sample)
    checked.captions += captions
    checked.pixels.append(pixels)


def _writable(name: str) -> str:
    """Converts a name for Parquet: bytes that are not UTF-8 become escapes such as \\udcff."""
    return name.encode("utf-8", "backslashreplace").decode()


def _check_image(item: Item, size: int) -> tuple[dict[str, Any], np.ndarray]:
    """Returns a row for samples and the pixels uint8 [3, size, size]; raises UserError with the reason for a reject."""
    if item.problem is not None:
        raise UserError(item.problem)
    if item.image is None:
        raise UserError("the image is missing")
    if isinstance(item.image, bytes):
        image, (width, height) = images.decode_sized(item.image)
        digest = hashlib.sha256(item.image).hexdigest()
    else:
        image, (width, height) = item.image, item.image.size
        digest = hashlib.sha256(item.image.tobytes()).hexdigest()
    row = {
        "key": item.entry.key,
        "split": item.entry.split,
        "path": item.entry.where,
        "width": width,
        "height": height,
        "box": None if item.box is None else list(item.box),
        "sha256": digest,
    }
    if item.box is not None:
        x0, y0, x1, y1 = (round(place * image.width / width) for place in item.box)  # the image may be reduced
        image = images.crop_around(image, (x0, y0, x1, y1))
    return row, images.crop_and_resize(image, size)
