"""Stores the images of a cache as encoded files (data.store: jpeg, png or webp); `Cache.images` decodes them.

Legend: n images, B bytes of all images, H side of an image in pixels.
"""

import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from hspcgan.model.common.errors import UserError

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
"""Encoded stores, and Pillow's names for their formats."""
RAW = {"format": "raw"}
JPEG_QUALITY = 95
"""The default of data.quality for JPEG; WebP is lossless by default."""


def store_of(store: str, quality: int | None) -> dict[str, Any]:
    """Returns the `store` object of cache.json for data.store and data.quality; empty for raw."""
    if store == "raw":
        return {}
    quality = JPEG_QUALITY if store == "jpeg" and quality is None else quality
    return {"format": store} if quality is None else {"format": store, "quality": quality}


def describe_store(info: Mapping[str, Any]) -> str:
    """Describes how the cache with this cache.json stores its images: "raw", "jpeg of quality 95", "webp, lossless"."""
    stores = info.get("stores") or [info.get("store", RAW)]  # several for a set of caches
    return " and ".join(dict.fromkeys(map(_described, stores)))


def _described(store: Mapping[str, Any]) -> str:
    if "quality" in store:
        return f"{store['format']} of quality {store['quality']}"
    return "raw" if store == RAW else f"{store['format']}, lossless"


def encode_image(pixels: np.ndarray, store: Mapping[str, Any]) -> bytes:
    """Encodes an image, uint8 [3, H, H]; JPEG keeps full colour resolution (4:4:4), since captions mention colours."""
    options: dict[str, Any] = {
        "jpeg": {"quality": store.get("quality"), "subsampling": 0},
        "png": {},
        "webp": {"quality": store.get("quality", 100), "lossless": "quality" not in store, "exact": True},
    }[store["format"]]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, FORMATS[store["format"]], **options)
    return buffer.getvalue()


def packed(files: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Concatenates files into the arrays of an ingest shard: `image` uint8 [B], `image_offsets` int64 [n + 1]."""
    offsets = np.cumsum([0, *map(len, files)], dtype=np.int64)
    return {"image": np.frombuffer(b"".join(files), np.uint8), "image_offsets": offsets}


class EncodedImages:
    """Encoded images with the interface of an array uint8 [n, 3, H, H]; indexing decodes the given rows in threads.

    Args:
        data: uint8 [B], the concatenated files.
        offsets: int64 [n + 1]: image i is data[offsets[i] : offsets[i + 1]].
        size: H.
        where: the file that contains the images, for messages.
    Raises:
        UserError: if the offsets do not match the data or, when indexing, if an image is damaged or has another size.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, data: np.ndarray, offsets: np.ndarray, size: int, where: object = "images") -> None:
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(data):
            raise UserError(f"{where} is damaged: its offsets do not match its {len(data):,} bytes")
        self.data, self.offsets, self.where = data, offsets, where
        self.shape = (len(offsets) - 1, 3, size, size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | np.integer | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Returns the image of a row, uint8 [3, H, H], or the images of a slice or of k rows, uint8 [k, 3, H, H]."""
        if isinstance(rows, int | np.integer):
            return self.decoded(range(len(self))[int(rows)])
        chosen = range(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows, np.int64).tolist()
        found = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, image in enumerate(self._threads.map(self.decoded, chosen)):
            found[place] = image
        return found

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Thread pool for decoding: Pillow releases the GIL while it decodes."""
        return ThreadPoolExecutor(min(8, os.cpu_count() or 1), "decode")

    def file(self, row: int) -> bytes:
        """Returns the encoded file of a row."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def decoded(self, row: int) -> np.ndarray:
        """Decodes a row: uint8 [3, H, H]."""
        try:
            image = self.opened(row)
            pixels = np.asarray(image, np.uint8)
        except Exception as error:  # Pillow does not document what it raises for a damaged file
            raise UserError(f"{self.where} is damaged: image {row:,} cannot be decoded ({_reason(error)})") from error
        if pixels.shape != (*self.shape[2:], 3):
            raise UserError(f"{self.where} is damaged: image {row:,} is {pixels.shape}, expected {self.shape[2:]} RGB")
        return pixels.transpose(2, 0, 1)

    def opened(self, row: int) -> Image.Image:
        """Opens the image of a row and reads only its header: format, mode, size."""
        return Image.open(io.BytesIO(self.file(row)), formats=list(FORMATS.values()))


def shard_images(arrays: Mapping[str, np.ndarray]) -> np.ndarray | EncodedImages:
    """Returns the images of an ingest shard, as an array or as `EncodedImages`."""
    if "image_offsets" not in arrays:
        return arrays["image"]
    images = EncodedImages(arrays["image"], arrays["image_offsets"], 0, "a shard of ingest")
    size = images.opened(0).size[0] if len(images) else 0
    return EncodedImages(arrays["image"], arrays["image_offsets"], size, images.where)


def problems(images: EncodedImages, store: Mapping[str, Any], thorough: bool) -> str:
    """Returns what is wrong with the first invalid image; "" if all images are valid.

    Reads every header; with `thorough`, also decodes every image.
    """
    if (np.diff(images.offsets) <= 0).any():
        return "images.h5: offsets do not increase"
    for row in range(len(images)):
        try:
            image = images.opened(row)
            if (image.format, image.mode) != (FORMATS.get(store["format"]), "RGB") or image.size != images.shape[2:]:
                return (
                    f"images.h5: image {row:,} is {image.format} {image.mode} {image.size}, expected "
                    f"{store['format']} RGB {images.shape[2:]}"
                )
            if thorough:
                images.decoded(row)
        except Exception as error:  # as in `decoded`
            return f"images.h5: image {row:,} is damaged: {_reason(error)}"
    return ""


def _reason(error: Exception) -> str:
    unknown = isinstance(error, Image.UnidentifiedImageError)  # its message contains the address of an object
    return f"it is not one of {', '.join(FORMATS.values())}" if unknown else str(error)
