"""Image files become upright RGB squares; whatever is not a whole, bearable image is refused with its reason."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hspcgan.pipeline.images import center_box, decode, fit


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
    with pytest.raises(ValueError, match=r"truncated|corrupt|unreadable|not an image"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty file"),
    (b"<html>404</html>", "not an image in a format read here"),
    (encoded(noise(), "GIF"), "not an image in a format read here"),
])  # fmt: skip
def test_what_is_no_image_is_refused_with_the_reason(data, reason):
    with pytest.raises(ValueError, match=reason):
        decode(data)


def test_a_bomb_is_refused_before_its_pixels_are_decoded():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=r"50000×50000 pixels|exceeds limit"):
        decode(data)


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
    assert np.array_equal(fit(image, 16), np.asarray(image).transpose(2, 0, 1))


def test_fit_is_antialiased():
    # One-pixel stripes, quartered: a filter without antialiasing picks stripes, an antialiased one greys them.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = fit(Image.fromarray(stripes), 16)
    assert small.shape == (3, 16, 16)
    assert small.dtype == np.uint8
    assert np.abs(small.astype(int) - 127.5).max() < 20


def test_fit_enlarges_small_images():
    flat = fit(Image.new("RGB", (3, 5), (9, 8, 7)), 12)
    assert np.array_equal(flat, np.broadcast_to(np.array([9, 8, 7], np.uint8)[:, None, None], (3, 12, 12)))
