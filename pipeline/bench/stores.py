"""Measures the image stores for `hspcgan bench bench/scale`: bytes per image, and the time to read a batch."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.bench.config import BenchConfig, Figure
from hspcgan.pipeline.cache.arrays.image_store import EncodedImages, describe_store, encode_image, packed, store_of
from hspcgan.pipeline.stages.images import crop_and_resize, decode

SIZE, BATCH, MADE, ROUNDS = 224, 64, 16, 5
STORES = {"raw": {}, "jpeg": store_of("jpeg", None), "jpeg_85": store_of("jpeg", 85), "png": store_of("png", None),
          "webp": store_of("webp", None)}  # fmt: skip


def stores(bench: BenchConfig) -> Iterator[Figure]:
    """Yields, for each image store, the kilobytes per 224-pixel image and the milliseconds per batch of 64 images."""
    pixels = _photos(bench.photos) if bench.photos else _noise(bench.seed)
    what = f"photos of {bench.photos}" if bench.photos else "pseudo-random images with the spectrum of photos"
    for name, store in STORES.items():
        images, size = _kept(pixels, store)
        rows = np.arange(BATCH) % len(pixels)
        seconds = median(_timed(images, rows) for _ in range(ROUNDS))
        shown = describe_store({"store": store} if store else {})
        yield Figure(f"{name}_kb", f"{shown}: an image of {SIZE} px ({what})", size / len(pixels) / 1e3, "KB", True)
        yield Figure(f"{name}_ms", f"{shown}: reading a batch of {BATCH} images as pixels", 1e3 * seconds, "ms", True)


def _kept(pixels: np.ndarray, store: dict) -> tuple[np.ndarray | EncodedImages, int]:
    """Encodes images for an image store; returns them as an array (decoded on access), and their size in bytes."""
    if not store:
        return pixels, pixels.nbytes
    arrays = packed([encode_image(one, store) for one in pixels])
    return EncodedImages(arrays["image"], arrays["image_offsets"], SIZE), len(arrays["image"])


def _timed(images: np.ndarray | EncodedImages, rows: np.ndarray) -> float:
    start = time.perf_counter()
    images[rows]
    return time.perf_counter() - start


def _photos(folder: Path) -> np.ndarray:
    """Reads at most 64 photos from a folder and its subfolders, cropped as in ingest: uint8 [n, 3, 224, 224]."""
    return np.stack([crop_and_resize(decode(path.read_bytes()), SIZE) for path in photo_files(folder)])


def photo_files(folder: Path) -> list[Path]:
    """Returns the first 64 photos in a folder and its subfolders. UserError if there are none."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not files:
        raise UserError(f"bench.photos: no .jpg, .jpeg, .png or .webp files in {folder}; give a folder of photos")
    return files[:BATCH]


def _noise(seed: int) -> np.ndarray:
    """Returns images of noise with less amplitude at high frequencies, as in photos: uint8 [16, 3, 224, 224]."""
    draw = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])  # [H, W / 2 + 1]
    spectrum = np.fft.rfft2(draw.standard_normal((MADE, 3, SIZE, SIZE))) / np.maximum(frequency, 1 / SIZE)
    values = np.fft.irfft2(spectrum, (SIZE, SIZE))
    spread = values.std((1, 2, 3), keepdims=True)
    return np.clip(128 + 50 * values / spread, 0, 255).astype(np.uint8)
