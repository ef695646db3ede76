"""Limits the time and memory that decoding an image file takes; ingest checks them before it decodes the pixels."""

import re
import struct

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile

from hspcgan.model.common.errors import UserError

MAX_MEMORY = 2**29
"""Bytes of the decoded image and of one copy of it: 67 megapixels, at 4 bytes per pixel and 8 for both."""
MAX_PARTS = 100_000
"""Chunks of a PNG; segments of a JPEG, and bytes between the segments of its header. Pillow reads them one by one."""
MAX_SCANS = 100
"""Scans of a JPEG; each takes as long as decoding the whole image once. Encoders write about ten."""
MAX_EXIF = 2**16
"""Bytes; a JPEG segment holds no more. All tags of a longer block may point to one value, which Pillow copies."""
MAX_RLE = 2**24
"""Bytes of a BMP with run-length encoding, which Pillow decodes slowly."""
PIXEL = 4
"""Bytes per pixel of a decoded image in Pillow."""
WEBP_BYTES = 4 * PIXEL
"""Bytes per pixel of a WebP: two canvases of libwebp, their copy and the image."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker of a JPEG, without restart markers. In the data of a scan, 0 follows 0xff."""
_APP1, _SOI, _EOI, _SOS = 0xE1, 0xD8, 0xD9, 0xDA


def require_short_header(data: bytes) -> int:
    """
    Returns the number of colour components in the first scan of a JPEG file, 0 for other files and without a scan.

    Raises UserError if a PNG or JPEG file has more than MAX_PARTS, MAX_SCANS or MAX_EXIF.
    """
    if data.startswith(PNG_SIGNATURE):
        at, parts = len(PNG_SIGNATURE), 0
        while at + 12 <= len(data):
            at, parts = at + 12 + struct.unpack_from(">I", data, at)[0], parts + 1
            if parts > MAX_PARTS:
                raise UserError(f"the PNG has more than the {MAX_PARTS:,} chunks allowed; save it again")
    return _check_jpeg(data) if data.startswith(b"\xff\xd8\xff") else 0


def _check_jpeg(data: bytes) -> int:
    at, parts, scans, exif, components = 2, 0, 0, 0, 0
    while True:
        found = _MARKER.search(data, at)
        start, end = found.span() if found else (len(data), len(data))
        marker, length = data[end - 1], int.from_bytes(data[end : end + 2], "big")
        parts += 1 if scans else 1 + start - at
        if parts > MAX_PARTS:
            raise UserError(f"the JPEG has more than {MAX_PARTS:,} segments or bytes between them; save it again")
        if found is None or (scans and marker == _EOI):
            return components
        if marker == _SOS:
            scans, components = scans + 1, components or int.from_bytes(data[end + 2 : end + 3], "big")
        if scans > MAX_SCANS:
            raise UserError(f"the JPEG has more than the {MAX_SCANS} scans allowed; save it again")
        if marker == _APP1 and data[end + 2 : end + 6] == b"Exif":
            exif += length
        if exif > MAX_EXIF:
            raise UserError(f"the EXIF data has more than the {MAX_EXIF:,} bytes allowed; save the JPEG without it")
        at = end if marker in (_SOI, _EOI) else end + length


def reduce_to_limit(image: Image.Image, components: int, size: int) -> None:
    """
    Lets Pillow decode a large JPEG at 1/2, 1/4 or 1/8 of its size, so that decoding takes at most MAX_MEMORY.

    `components` is the result of `require_short_header`, `size` that of the file in bytes. Raises UserError if decoding
    takes more than MAX_MEMORY nevertheless, or if it takes too long (see MAX_RLE).
    """
    pixels, need, scale = image.width * image.height, 0, 1
    if isinstance(image, JpegImageFile):
        for scale in (1, 2, 4, 8):
            need = _jpeg_memory(image, components, scale)
            if need <= MAX_MEMORY:
                break
    else:
        need = pixels * (WEBP_BYTES if image.format == "WEBP" else 2 * PIXEL)
    if need > MAX_MEMORY:
        raise UserError(
            f"the image has {image.width}×{image.height} pixels; decoding this {image.format} takes "
            f"{need / 1e6:,.0f} MB, more than the {MAX_MEMORY / 1e6:,.0f} MB allowed; save a smaller copy"
        )
    if scale > 1:
        image.draft(image.mode, (image.width // scale, image.height // scale))
    if isinstance(image, BmpImageFile) and image.tile and image.tile[0][0] == "bmp_rle" and size > MAX_RLE:
        raise UserError(f"the BMP is compressed (RLE) and has {size:,} bytes, more than the {MAX_RLE:,} allowed; save "
                        "it as PNG")  # fmt: skip


def _jpeg_memory(image: JpegImageFile, components: int, scale: int) -> int:
    """Returns the bytes for decoding a JPEG at 1/scale: the image and a copy, or the image and its coefficients.

    libjpeg holds all coefficients, 2 bytes each, if the components are not all in one scan.
    """
    reduced, coefficients = PIXEL * image.width * image.height // scale**2, 0
    if "progressive" in image.info or components < image.layers:
        samples = [height * width for _, height, width, _ in image.layer]  # per block of the largest component
        coefficients = 2 * image.width * image.height * sum(samples) // max(1, *samples)
    return reduced + max(reduced, coefficients)
