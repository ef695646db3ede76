"""Image files become upright RGB squares; whatever is not a whole, bearable image is refused with its reason."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.sources.base import Entry, Item
from hspcgan.pipeline.stages import image_limits
from hspcgan.pipeline.stages.images import center_box, crop_and_resize, decode, decode_sized
from hspcgan.pipeline.stages.ingest_items import check_items


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.frombytes(mode, (width, height), pixels.tobytes())


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_formats_decode_to_the_same_pixels(kind):
    image = noise()
    assert np.array_equal(np.asarray(decode(encoded(image, kind))), np.asarray(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = np.asarray(noise(8, 6))
    # How a camera with this orientation tag stores the upright picture: the inverse of what a viewer does.
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
              5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2),
              8: np.rot90(upright, -1)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(np.asarray(decode(data)), upright)


def test_grey_becomes_three_equal_channels():
    grey = noise(mode="L")
    pixels = np.asarray(decode(encoded(grey)))
    assert np.array_equal(pixels, np.repeat(np.asarray(grey)[..., None], 3, axis=2))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    wide = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    pixels = np.asarray(decode(encoded(Image.fromarray(wide))))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 128, 255]  # round(v · 255 / 65535)


def png(width: int, height: int, depth: int, colour: int, *samples: int, more: bytes = b"") -> bytes:
    """A PNG by hand, one row, as Pillow does not write 16-bit colour."""
    pixels = b"\0" + struct.pack(f">{len(samples)}{'H' if depth == 16 else 'B'}", *samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(("data", "pixels"), [
    (png(2, 1, 16, 2, 0, 128, 257, 32768, 65535, 255), [[0, 0, 1], [128, 255, 1]]),  # round(v · 255 / 65535)
    (png(1, 1, 16, 6, 65535, 32768, 0, 65535), [[255, 128, 0]]),
    (png(2, 1, 16, 4, 0, 0, 0, 65535), [[255, 255, 255], [0, 0, 0]]),
    (png(2, 1, 16, 0, 65535, 300, more=chunk(b"tRNS", struct.pack(">H", 300))), [[255, 255, 255], [255, 255, 255]]),
    (png(2, 1, 8, 2, 9, 8, 7, 1, 2, 3, more=chunk(b"tRNS", struct.pack(">3H", 9, 8, 7))), [[255] * 3, [1, 2, 3]]),
], ids=["rgb", "rgba", "grey with alpha", "transparent grey", "transparent colour"])  # fmt: skip
def test_sixteen_bit_colour_and_transparency_come_out_right(data, pixels):
    assert np.abs(np.asarray(decode(data))[0].astype(int) - pixels).max() <= 1


@pytest.mark.parametrize(("kind", "options"), [
    ("PNG", {}), ("PNG", {"default_image": True}), ("WEBP", {"lossless": True}),
])  # fmt: skip
def test_of_an_animation_the_first_frame_counts(kind, options):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.asarray(decode(data))[0, 0].tolist() == [250, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_are_turned_upright_and_broken_exif_is_no_reason_to_refuse(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(noise(8, 4), kind, exif=exif)).size == (4, 8)
    assert decode(encoded(noise(8, 4), kind, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")).size == (8, 4)


def bad_crc(kind: bytes, data: bytes) -> bytes:
    return chunk(kind, data)[:-1] + b"\0"


@pytest.mark.parametrize(
    "metadata",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))),  # refused by Pillow as too large
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(20_000_000))),
        chunk(b"gAMA", b"\0"),
        chunk(b"pHYs", b"\0\0"),
        bad_crc(b"tEXt", b"Comment\0a bird"),
        bad_crc(b"eXIf", b"II"),
    ],
)
def test_damaged_metadata_of_a_png_does_not_change_its_pixels(metadata):
    data = png(2, 1, 8, 2, 1, 2, 3, 4, 5, 6, more=metadata)
    assert np.asarray(decode(data)).tolist() == [[[1, 2, 3], [4, 5, 6]]]
    with pytest.raises(UserError):
        decode(data.replace(b"IDAT", b"IDAX"))  # now the pixels are damaged too


def test_alpha_is_laid_over_white():
    image = Image.new("RGBA", (2, 1))
    image.putpixel((0, 0), (200, 100, 0, 0))
    image.putpixel((1, 0), (200, 100, 0, 255))
    pixels = np.asarray(decode(encoded(image)))
    assert pixels[0].tolist() == [[255, 255, 255], [200, 100, 0]]


def test_palette_with_transparency_is_laid_over_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    pixels = np.asarray(decode(encoded(image, transparency=1)))
    assert pixels[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_cmyk_jpeg_becomes_rgb():
    pixels = np.asarray(decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)))
    assert pixels.shape == (16, 16, 3)
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated_files_are_refused(kind):
    data = encoded(noise(64, 64), kind)
    with pytest.raises(ValueError, match=r"truncated|corrupt|unreadable|not a supported image"):
        decode(data[: len(data) // 2])


def with_frame(height: int, bits: int) -> bytes:
    """A JPEG whose header states this height and these bits per sample."""
    data = encoded(noise(), "JPEG")
    at = data.index(b"\xff\xc0") + 4
    return data[:at] + struct.pack(">BH", bits, height) + data[at + 3 :]


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty file"),
    (b"<html>404</html>", "not a supported image format"),
    (encoded(noise(), "GIF"), "not a supported image format"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", r"not a supported image format \(.*\): HEIC; convert"),
    (b"\0\0\0\x1cftypavif\0\0\0\0", r"not a supported image format \(.*\): AVIF; convert"),
    (with_frame(8, 12), "damaged or unsupported JPEG: cannot handle 12-bit layers"),
    (with_frame(0, 8), "damaged or unsupported JPEG: the header has no width, height or pixels"),
    (b"BM", "damaged or unsupported BMP"),
])  # fmt: skip
def test_what_is_no_image_is_refused_with_the_reason(data, reason):
    with pytest.raises(ValueError, match=reason):
        decode(data)


def test_a_bomb_is_refused_before_its_pixels_are_decoded():
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="too large: more than 178 megapixels; save a smaller copy"):
        decode(data)


@pytest.mark.parametrize(("options", "needed", "scale"), [
    ({}, 8 * 200 * 120, 1), ({}, 8 * 200 * 120 - 1, 2), ({}, 8 * 25 * 15, 8), ({}, 8 * 25 * 15 - 1, None),
    ({"progressive": True}, (1 + 3) * 200 * 120, 2), ({"progressive": True}, 8 * 200 * 120, 1),
    ({"progressive": True, "subsampling": 0}, (1 + 6) * 200 * 120, 2),
    ({"progressive": True, "subsampling": 0}, 6 * 200 * 120, None),
])  # fmt: skip
def test_a_jpeg_that_needs_too_much_memory_is_decoded_smaller_or_refused(monkeypatch, options, needed, scale):
    """4 bytes per decoded pixel, and a copy of the image or, of progressive files, 3 to 6 bytes of coefficients."""
    monkeypatch.setattr(image_limits, "MAX_MEMORY", needed)
    data = encoded(Image.new("RGB", (200, 120), (200, 90, 10)), "JPEG", **options)
    if scale is None:
        with pytest.raises(
            ValueError, match=r"200×120 pixels; decoding this JPEG takes 0 MB, more than the 0 MB allowed"
        ):
            decode(data)
        return
    image, size = decode_sized(data)
    assert size == (200, 120)
    assert image.size == (200 // scale, 120 // scale)
    assert np.abs(np.asarray(image).astype(int) - (200, 90, 10)).max() < 8


@pytest.mark.parametrize(("kind", "per_pixel"), [("PNG", 8), ("BMP", 8), ("WEBP", 16)])
def test_other_formats_are_refused_by_the_memory_they_need(monkeypatch, kind, per_pixel):
    data = encoded(noise(50, 40), kind)
    monkeypatch.setattr(image_limits, "MAX_MEMORY", per_pixel * 50 * 40)
    assert decode(data).size == (50, 40)
    monkeypatch.setattr(image_limits, "MAX_MEMORY", per_pixel * 50 * 40 - 1)
    with pytest.raises(ValueError, match=f"50×40 pixels; decoding this {kind} takes"):
        decode(data)


def test_a_reduced_photo_states_its_own_size_upright_and_crops_around_its_own_box(monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGB", (160, 240))
    picture.paste((255, 255, 255), (40, 40, 120, 120))
    data = encoded(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    monkeypatch.setattr(image_limits, "MAX_MEMORY", 8 * 80 * 120)
    checked = check_items(16, [Item(Entry("a", "train", "a.jpg"), data, ("x",), box=(40, 40, 120, 120))])
    assert (checked.samples[0]["width"], checked.samples[0]["height"]) == (160, 240)
    pixels = checked.pixels[0][0]  # the crop is 120 wide: 20 of black, 80 of white, 20 of black
    assert pixels[4:12, 4:12].min() > 200
    assert max(pixels[:2].max(), pixels[:, :2].max(), pixels[-2:].max()) < 50


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_damaged_bytes_never_raise_anything_but_value_errors(kind):
    data = encoded(noise(24, 24), kind)
    rng = np.random.default_rng(7)
    for _ in range(150):
        broken = bytearray(data[: rng.integers(1, len(data) + 1)])
        for place in rng.integers(0, len(broken), 4):
            broken[place] = rng.integers(0, 256)
        with contextlib.suppress(ValueError):
            assert decode(bytes(broken)).mode == "RGB"


@pytest.mark.parametrize(("size", "box"), [((10, 6), (2, 0, 8, 6)), ((5, 8), (0, 1, 5, 6)), ((7, 7), (0, 0, 7, 7))])
def test_the_crop_is_the_centred_square(size, box):
    assert center_box(*size) == box


def test_fit_keeps_pixels_of_an_image_of_the_right_size():
    image = noise(16, 16)
    assert np.array_equal(crop_and_resize(image, 16), np.asarray(image).transpose(2, 0, 1))


def test_fit_is_antialiased():
    # One-pixel stripes, quartered: a filter without antialiasing picks stripes, an antialiased one greys them.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = crop_and_resize(Image.fromarray(stripes), 16)
    assert small.shape == (3, 16, 16)
    assert small.dtype == np.uint8
    assert np.abs(small.astype(int) - 127.5).max() < 20


def test_fit_enlarges_small_images():
    flat = crop_and_resize(Image.new("RGB", (8, 9), (9, 8, 7)), 12)
    assert np.array_equal(flat, np.broadcast_to(np.array([9, 8, 7], np.uint8)[:, None, None], (3, 12, 12)))


@pytest.mark.parametrize("size", [(1, 5000), (7, 8), (300, 7)])
def test_a_sliver_is_refused(size):
    with pytest.raises(ValueError, match=f"{size[0]}×{size[1]} pixels, fewer than 8 on a side"):
        crop_and_resize(Image.new("RGB", size), 16)


def test_a_large_image_is_converted_in_strips():
    """16-bit grey needs numpy's int64 and float64; the strips give the same pixels as the whole image."""
    wide = np.random.default_rng(0).integers(0, 2**16, (4200, 4000)).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG", compress_level=0)
    tracemalloc.start()
    try:
        pixels = np.asarray(decode(buffer.getvalue()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(pixels[..., 0], np.rint(wide / 257))
    assert peak < 24 * 2**23, f"{peak / 2**20:.0f} MB"
