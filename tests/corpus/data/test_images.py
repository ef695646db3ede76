"""Images of every kind and damage, in one folder: each is kept or a reject row, and the others stay."""

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import hspcgan
from helpers.corpus import KEPT, REJECT, Ingested, bounded, ingested
from helpers.datasets import manifest, picture, write
from PIL import Image

GOOD = picture(1, (40, 30))
JPEG = picture(2, (40, 30), "JPEG")


def encoded(mode: str, kind: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """An image of a mode in a format."""
    values = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(values, "RGBA") if mode == "RGBA" else Image.fromarray(values[..., :3]).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A PNG chunk."""
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def with_chunk(extra: bytes, before: bytes = b"IDAT") -> bytes:
    at = GOOD.index(before) - 4
    return GOOD[:at] + extra + GOOD[at:]


def claimed(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header claims a size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def exif(data: bytes, jpeg: bytes = JPEG) -> bytes:
    """A JPEG with an EXIF block of these bytes."""
    block = b"Exif\0\0" + data
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def scans(count: int) -> bytes:
    """A grey progressive JPEG with more scans of the same kind."""
    data = encoded("L", "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def rle_bmp(ends: int) -> bytes:
    """A BMP of 40 × 30 pixels with run-length encoding: marks of an end of line, then a run for each line."""
    data = bytes(2 * ends) + bytes([40, 1, 0, 0]) * 30 + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, 40, 30, 1, 8, 1, len(data), 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(data), 0, 0, 54 + 1024) + head + bytes(range(256)) * 4 + data


IMAGES: dict[str, tuple[bytes, str]] = {
    "png": (GOOD, KEPT), "jpeg": (JPEG, KEPT), "webp": (picture(3, (40, 30), "WEBP"), KEPT),
    "bmp": (picture(3, (40, 30), "BMP"), KEPT), "grey": (encoded("L", "PNG"), KEPT), "bits": (encoded("1", "PNG"), KEPT),
    "palette": (encoded("P", "PNG"), KEPT), "alpha": (encoded("RGBA", "PNG"), KEPT), "cmyk": (encoded("CMYK", "JPEG"), KEPT),
    "grey-jpeg": (encoded("L", "JPEG"), KEPT), "progressive": (encoded("RGB", "JPEG", progressive=True), KEPT),
    "lossless-webp": (encoded("RGBA", "WEBP", lossless=True), KEPT), "grey16": (encoded("I;16", "PNG"), KEPT),
    "wide": (encoded("RGB", "PNG", (3000, 9)), KEPT), "icc": (encoded("RGB", "PNG", icc_profile=b"\0" * 200), KEPT),
    "text-chunk": (with_chunk(chunk(b"tEXt", b"Comment\0" + b"x" * 5000)), KEPT),
    "gamma-chunk": (with_chunk(chunk(b"gAMA", b"x")), KEPT), "bad-text-crc": (with_chunk(chunk(b"tEXt", b"a\0b", 1)), KEPT),
    "bad-exif-chunk": (with_chunk(chunk(b"eXIf", b"II*\0\xff\xff\xff\xff" + b"\xff" * 40)), KEPT),
    "short-exif-chunk": (with_chunk(chunk(b"eXIf", b"II")), KEPT), "empty-exif-chunk": (with_chunk(chunk(b"eXIf", b"")), KEPT),
    "bad-exif-jpeg": (exif(b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30), KEPT), "torn-exif-jpeg": (exif(b"II*"), KEPT),
    "no-end": (GOOD[:-12], KEPT), "after-the-end": (GOOD + b"trailing" * 1000, KEPT),
    "wrong-suffix": (JPEG, KEPT),
    "empty": (b"", REJECT), "one-byte": (b"\x89", REJECT), "signature": (GOOD[:8], REJECT), "header": (GOOD[:33], REJECT),
    "half": (GOOD[: len(GOOD) // 2], REJECT), "half-jpeg": (JPEG[: len(JPEG) // 2], REJECT), "jpeg-start": (b"\xff\xd8\xff", REJECT),
    "zeros": (bytes(1000), REJECT), "noise": (np.random.default_rng(9).bytes(5000), REJECT), "text": (b"hello world", REJECT),
    "html": (b"<html><script>alert(1)</script>", REJECT), "svg": (b"<svg xmlns='x'/>", REJECT), "gif": (encoded("P", "GIF"), REJECT),
    "tiff": (encoded("RGB", "TIFF"), REJECT), "ico": (encoded("RGBA", "ICO"), REJECT), "pdf": (b"%PDF-1.4", REJECT),
    "zip": (b"PK\x03\x04" + bytes(50), REJECT), "escape": (b"\x1b[31mred\x1b]0;title\x07", REJECT),
    "bomb": (claimed(60000, 60000), REJECT), "bomb-row": (claimed(2**31 - 1, 1), REJECT), "bomb-product": (claimed(2**31 - 1, 2**31 - 1), REJECT),
    "no-width": (claimed(0, 10), REJECT), "no-height": (claimed(10, 0), REJECT), "missing-rows": (claimed(500, 500), REJECT),
    "odd-depth": (claimed(40, 30, depth=7), REJECT), "odd-colour": (claimed(40, 30, colour=5), REJECT),
    "tiny": (encoded("RGB", "PNG", (3, 3)), REJECT), "thin": (encoded("RGB", "PNG", (4000, 2)), REJECT),
    "bad-crc": (GOOD.replace(b"IDAT", b"IDAX", 1), REJECT), "huge-chunk": (GOOD[:33] + b"\xff\xff\xff\xffIDAT" + GOOD[41:], KEPT),
    "webp-cut": (picture(3, (40, 30), "WEBP")[:30], REJECT), "bmp-cut": (picture(3, (40, 30), "BMP")[:60], REJECT),
    "many-scans": (scans(150), REJECT), "junk-header": (JPEG[:2] + b"\xff" + bytes(30_000_000) + JPEG[2:], REJECT),
    "many-segments": (JPEG[:2] + b"\xff\xfe\0\2" * 200_000 + JPEG[2:], REJECT), "long-exif": (exif(bytes(60_000), exif(bytes(60_000))), REJECT),
    "many-chunks": (with_chunk(chunk(b"tEXt", b"") * 200_000), REJECT), "long-exif-chunk": (with_chunk(chunk(b"eXIf", b"II*\0" + bytes(2**20))), KEPT),
    "bomb-grey": (claimed(9000, 9000, colour=0), REJECT), "bomb-palette": (claimed(9000, 9000, colour=3), REJECT),
    "bmp-rle": (rle_bmp(2**24), REJECT), "bmp-rle-short": (rle_bmp(1), KEPT), "some-scans": (scans(20), KEPT),
    "bmp-claim": (picture(3, (40, 30), "BMP")[:18] + struct.pack("<ii", 50000, 50000) + bytes(60), REJECT),
}  # fmt: skip

SPECIAL = ("fifo", "device", "socket", "folder", "dangling", "loop", "sparse", "caption-fifo", "caption-device",
           "caption-sparse", "caption-folder", "json-device", "json-fifo", "caption-dangling")  # fmt: skip
KINDS = {"fifo": "a pipe", "device": "a device", "socket": "a socket", "loop": "a link that points back to itself"}


def make_special(folder: Path, name: str) -> None:
    """A file that is not one, or endless; the captions of images are plain, and the other way round."""
    image, text = folder / f"{name}.png", folder / f"{name}.txt"
    caption = name.startswith(("caption", "json"))
    if caption:
        write(image, GOOD)
        image = text if name.startswith("caption") else folder / f"{name}.json"
    else:
        write(text, "a bird")
    kind = name.rpartition("-")[2]
    if kind == "fifo":
        os.mkfifo(image)
    elif kind == "device":
        image.symlink_to("/dev/zero")
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(folder)  # a socket's path may be 108 bytes long
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(image.name)
        finally:
            os.chdir(here)
    elif kind == "folder":
        image.mkdir()
    elif kind == "dangling":
        image.symlink_to("nowhere")
    elif kind == "loop":
        image.symlink_to(image.name)
    else:
        with image.open("wb") as file:
            file.truncate(40 * 2**30)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, tiny_clip_path) -> Ingested:
    """All of them in one folder, ingested once."""
    root = tmp_path_factory.mktemp("images")
    for name, (content, _) in IMAGES.items():
        write(root / "data" / f"{name}.png", content)
        write(root / "data" / f"{name}.txt", f"a picture of {name}")
    for name in SPECIAL:
        make_special(root / "data", name)
    path = manifest(root / "m.yaml", root / "data", tiny_clip_path)
    with bounded():
        for dry in (("--dry-run",), ()):
            result = hspcgan("ingest", path, *dry)
            assert result.exit_code == 0, result.output[-3000:]
            assert "\x1b" not in result.output
    return ingested(path.with_suffix(".cache"))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_kept_or_a_reject(outcome, name):
    assert outcome.verdict(name) == IMAGES[name][1], outcome.why(name)


@pytest.mark.parametrize("name", [name for name in SPECIAL if name not in ("folder", "caption-folder")])
def test_what_is_not_a_regular_file_is_a_reject(outcome, name):
    assert outcome.verdict(name) == REJECT, outcome.why(name)
    if name in KINDS:
        assert f"expected a regular file, got {KINDS[name]}: " in outcome.why(name)


def test_there_are_as_many_as_stated():
    assert len(IMAGES) + len(SPECIAL) == 84
