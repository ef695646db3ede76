"""Image files → square uint8 pixels for ingest: decoded with every oddity named, centre-cropped, resized."""

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from hspcgan.model.common.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 2**27
"""134 megapixels; larger images are rejected as decompression bombs before their pixels are decoded."""
MIN_SIDE = 8
"""Pixels, also the least `data.image_size`; a thinner image would be a few enlarged pixels."""

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
    MemoryError,
    NotImplementedError,
    Image.DecompressionBombError,
)


def decode(data: bytes) -> Image.Image:
    """
    An encoded image file as an upright RGB image.

    EXIF orientation is applied; alpha is laid over white; palettes, grey, CMYK and YCbCr become RGB; 16-bit grey is
    scaled by 255/65535 (Pillow would clip it); colour profiles are ignored; an animation gives its first frame.
    Raises UserError with the reason for anything but a complete JPEG, PNG, WebP or BMP of at most MAX_PIXELS (a PNG
    without its end mark is complete).
    """
    if not data:
        raise UserError("empty file (0 bytes)")
    with warnings.catch_warnings():
        # Pillow warns about what is handled here: size below, and metadata that does not touch the pixels.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.UnidentifiedImageError:
            raise UserError(f"not an image in a format read here ({', '.join(FORMATS)}): {data[:8]!r} …") from None
        except _BROKEN as error:
            raise UserError(f"unreadable header: {error}") from error
        if image.width * image.height > MAX_PIXELS:
            raise UserError(f"{image.width}×{image.height} pixels, more than the {MAX_PIXELS:,} allowed")
        try:
            image.load()
        except _BROKEN as error:
            raise UserError(f"truncated or corrupt {image.format}: {error}") from error
        return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; as it is where the EXIF block is damaged, which says nothing of the pixels."""
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: "I;16…", or "I" from older Pillow
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise UserError(f"grey values {wide.min()}…{wide.max()} outside 16 bit")
        wide[wide == image.info.get("transparency", -1)] = 65535  # white, as other alpha
        return Image.fromarray(np.rint(wide / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def center_box(width: int, height: int) -> tuple[int, int, int, int]:
    """The largest centred square (x0, y0, x1, y1) in pixels; the odd pixel is left over at the right or the bottom."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def around(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """
    An object with its surroundings, the crop of the text-to-image literature on CUB (since StackGAN).

    A square about the box's centre that reaches ¾ of the box's longer side to each direction, cut off at the image's
    borders. Raises UserError for a box (x0, y0, x1, y1 in pixels) without area inside the image.
    """
    x0, y0, x1, y1 = box
    inside = (max(0, x0), max(0, y0), min(image.width, x1), min(image.height, y1))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise UserError(f"its box {box} has no area inside the image of {image.width}×{image.height} pixels")
    reach = max(1, int(max(x1 - x0, y1 - y0) * 0.75))
    x, y = (x0 + x1) // 2, (y0 + y1) // 2
    return image.crop((max(0, x - reach), max(0, y - reach), min(image.width, x + reach), min(image.height, y + reach)))


def fit(image: Image.Image, size: int) -> np.ndarray:
    """
    The centred square of an RGB image at `size`, uint8 [3, size, size], 0..255.

    Resized with Pillow's bicubic filter, whose support grows with the scale (antialiased), like clean-fid
    and CLIP's own preprocessing. Smaller images are enlarged; raises UserError below MIN_SIDE on either side.
    """
    if min(image.size) < MIN_SIDE:
        raise UserError(f"{image.width}×{image.height} pixels, fewer than {MIN_SIDE} on a side")
    square = image.crop(center_box(*image.size))
    if square.size != (size, size):
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))  # [3, size, size]
