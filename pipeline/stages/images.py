"""Decodes, crops and resizes image files for ingest to square uint8 pixels, or reports why a file cannot be used."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
from PIL import ExifTags, Image

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.stages.image_limits import MAX_EXIF, PNG_SIGNATURE, reduce_to_limit, require_short_header

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
BRANDS = {**dict.fromkeys((b"avif", b"avis"), "AVIF"),
          **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC")}  # fmt: skip
"""Formats of phones and browsers that Pillow does not read everywhere, by the brand after "ftyp"."""
STRIP = 2**22
"""Pixels that are converted to RGB at a time."""
MIN_SIDE = 8
"""Pixels; also the smallest `data.image_size`. A thinner image would be a few enlarged pixels."""

PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""The chunks of a PNG that its pixels depend on; damage in other chunks makes Pillow reject the file."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation. Pillow's `exif_transpose` would also write the EXIF block, in
which many tags may repeat a long value."""
SIDEWAYS = {TURNS[number] for number in (5, 6, 7, 8)}
"""Those of TURNS that exchange width and height."""

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
    """Returns the image of `decode_sized`."""
    return decode_sized(data)[0]


def decode_sized(data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    """
    Decodes an image file to an upright RGB image; also returns the (width, height) of the image in the file.

    These differ for a JPEG above the limits of `image_limits`, which is decoded at 1/2, 1/4 or 1/8 of its size.

    EXIF orientation is applied; alpha is composited over white; palettes, grey, CMYK and YCbCr become RGB; 16-bit grey
    is scaled by 255/65535 (Pillow would clip it); colour profiles are ignored; only the first frame of an animation is
    used. Raises UserError with the reason for anything but a complete JPEG, PNG, WebP or BMP within these limits (a PNG
    without its end marker counts as complete). If a PNG cannot be read with its metadata, it is read without.
    """
    if not data:
        raise UserError("empty file (0 bytes)")
    components = require_short_header(data)
    try:
        return _decode(data, components)
    except UserError as error:
        reason = str(error)  # the error itself would keep the first image in memory
    pixels = _without_metadata(data)
    if pixels != data:
        with contextlib.suppress(UserError):  # the error to raise is the first one, about the file as it is
            return _decode(pixels, components)
    raise UserError(reason)


def _without_metadata(data: bytes) -> bytes:
    """Removes chunks that are not in PNG_PIXELS from a PNG, up to a broken chunk; other formats do not change."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    at, kept, view = len(PNG_SIGNATURE), [memoryview(PNG_SIGNATURE)], memoryview(data)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if name in PNG_PIXELS:
            kept.append(view[at:end])
        at = end
    return b"".join([*kept, view[at:]])


def _decode(data: bytes, components: int) -> tuple[Image.Image, tuple[int, int]]:
    with warnings.catch_warnings():
        # Pillow's warnings are not needed: the size is checked below, and metadata does not change the pixels.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.UnidentifiedImageError:
            raise UserError(_why_unidentified(data)) from None
        except Image.DecompressionBombError as error:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
            raise UserError(f"too large: more than {limit} megapixels; save a smaller copy") from error
        except _BROKEN as error:
            raise UserError(f"unreadable header: {error}") from error
        size = image.size
        reduce_to_limit(image, components, len(data))
        try:
            image.load()
        except _BROKEN as error:
            raise UserError(f"truncated or corrupt {image.format}: {error}") from error
        turn = _turn(image)
        return _to_rgb(image if turn is None else image.transpose(turn)), size[::-1] if turn in SIDEWAYS else size


def _why_unidentified(data: bytes) -> str:
    """Returns why Pillow cannot read the header of a file; Pillow itself states this only for a given format."""
    for name in FORMATS:
        make, accept = Image.OPEN[name]
        try:
            if accept is not None and accept(data[:16]) is True:
                make(io.BytesIO(data), "").close()
        except _BROKEN as error:
            reason = str(error).replace("not identified by this driver", "the header has no width, height or pixels")
            return f"damaged or unsupported {name}: {reason}"
    kind = BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    found = f"{kind}; convert the image" if kind else f"{data[:8]!r} …"
    return f"not a supported image format ({', '.join(FORMATS)}): {found}"


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Returns what turns an image upright by its EXIF orientation; None if it is, or if its EXIF block is damaged."""
    if any(len(image.info.get(name, "")) > MAX_EXIF for name in ("exif", "Raw profile type exif")):
        return None
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts an image to RGB in strips, since intermediate results take up to 24 bytes per pixel."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    rgb = Image.new("RGB", image.size)
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        rgb.paste(_strip_to_rgb(image.crop(box)), box)
    return rgb


def _strip_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: "I;16…", or "I" from older Pillow
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise UserError(f"grey values {wide.min()}…{wide.max()} are outside the 16-bit range")
        wide[wide == image.info.get("transparency", -1)] = 65535  # white, like other transparency
        return Image.fromarray(np.rint(wide / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def center_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Returns the largest centred square (x0, y0, x1, y1) in pixels.

    If the margin is odd, the extra pixel is cut off at the right or bottom.
    """
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def crop_around(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """
    Crops an object with its surroundings, as the text-to-image literature on CUB does (since StackGAN).

    The crop is a square around the centre of the box that extends ¾ of the longer side of the box in each direction,
    clipped at the image borders. Raises UserError for a box (x0, y0, x1, y1 in pixels) with no area inside the image.
    """
    x0, y0, x1, y1 = box
    inside = (max(0, x0), max(0, y0), min(image.width, x1), min(image.height, y1))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise UserError(f"the box {box} has no area inside the image of {image.width}×{image.height} pixels")
    reach = max(1, int(max(x1 - x0, y1 - y0) * 0.75))
    x, y = (x0 + x1) // 2, (y0 + y1) // 2
    return image.crop((max(0, x - reach), max(0, y - reach), min(image.width, x + reach), min(image.height, y + reach)))


def crop_and_resize(image: Image.Image, size: int) -> np.ndarray:
    """
    Crops an RGB image to the centred square and resizes it to uint8 [3, size, size], 0..255.

    Uses Pillow's bicubic filter, which is antialiased because its support grows with the scale, like clean-fid and the
    preprocessing of CLIP. Smaller images are enlarged; raises UserError if a side is shorter than MIN_SIDE.
    """
    if min(image.size) < MIN_SIDE:
        raise UserError(f"the image has {image.width}×{image.height} pixels, fewer than {MIN_SIDE} on a side")
    square = image.crop(center_box(*image.size))
    if square.size != (size, size):
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))  # [3, size, size]
