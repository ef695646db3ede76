"""Arranges images side by side: as a plain sheet that can be split into tiles again, or as a grid with captions."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import open_regular

GAP = 2  # px between the tiles of a sheet
COLUMNS = 8
LEAST = 168  # minimum width of an image in a captioned grid, px
MOST_IN_GRID, GRID_PIXELS = 1000, 1000 * 224**2  # images in a grid, and their pixels; its canvas has about 200 MB
MOST_LINES = 12  # of a caption below an image in a captioned grid
MARGIN, LETTER, LINE = 12, 13, 17  # spacing in a captioned grid, px
WRITER = "hspcgan"  # the mark in every picture, by which the commands recognise their own files
INK, PAPER = (31, 41, 51), (255, 255, 255)


def sheet(images: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """Arranges images uint8 [N, H, W, 3] in rows with white gaps → uint8 HWC; `tiles` splits the sheet again."""
    n, height, width, _ = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    canvas = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    return canvas


def tiles(canvas: np.ndarray, count: int, size: tuple[int, int], columns: int = COLUMNS) -> np.ndarray:
    """Returns the first `count` images [count, H, W, 3] from a sheet with tiles of `size` (H, W).

    UserError if the sheet is too small for them.
    """
    (height, width), columns = size, min(columns, count)
    needed = (-(-count // columns) * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    if canvas.shape[0] < needed[0] or canvas.shape[1] < needed[1]:
        raise UserError(
            f"a sheet of {canvas.shape[:2]} px is too small for {count} tiles of {size}; expected at least {needed}"
        )
    tops = [GAP + i // columns * (height + GAP) for i in range(count)]
    lefts = [GAP + i % columns * (width + GAP) for i in range(count)]
    return np.stack([canvas[y : y + height, x : x + width] for y, x in zip(tops, lefts, strict=True)])


def paired_sheet(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Arranges two lists of images [N, H, W, 3] as a sheet of alternating rows; see `split_paired_sheet`."""
    columns = min(COLUMNS, len(above))
    rows = [part for i in range(0, len(above), columns) for part in (above[i : i + columns], below[i : i + columns])]
    blank = np.full((columns, *above.shape[1:]), 255, dtype=np.uint8)
    return sheet(np.concatenate([np.concatenate([row, blank[len(row) :]]) for row in rows]), columns)


def split_paired_sheet(canvas: np.ndarray, count: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two lists [count, H, W, 3] of a `paired_sheet`. UserError if the sheet is too small for them."""
    columns = min(COLUMNS, count)
    cells = tiles(canvas, 2 * columns * -(-count // columns), size, columns).reshape(-1, 2, columns, *size, 3)
    return cells[:, 0].reshape(-1, *size, 3)[:count], cells[:, 1].reshape(-1, *size, 3)[:count]


def most_in_grid(height: int, width: int) -> int:
    """Returns how many images of this size a grid can show: MOST_IN_GRID, or fewer if they are shown in over 224 px."""
    return min(MOST_IN_GRID, GRID_PIXELS // (height * width * _factor(width) ** 2))


def _factor(width: int) -> int:
    """Returns the factor by which a grid enlarges images of this width."""
    return max(1, -(-LEAST // width))


def captioned_grid(images: np.ndarray | Sequence[np.ndarray], captions: Sequence[str], columns: int = 4) -> np.ndarray:
    """Arranges N images uint8 [H, W, 3] in a grid, each above its caption → uint8 HWC; enlarges small images.

    Of more than `most_in_grid` images, the first are shown; of a caption, the first MOST_LINES lines.
    """
    height, width, _ = images[0].shape
    n = min(len(images), most_in_grid(height, width))
    factor = _factor(width)
    tile = (width * factor, height * factor)
    columns = min(columns, n)
    font = ImageFont.load_default(LETTER)
    wrapper = textwrap.TextWrapper(max(12, int(tile[0] / (LETTER * 0.5))), max_lines=MOST_LINES, placeholder=" …")
    texts = [wrapper.wrap(" ".join(text.split())) for text in captions[:n]]
    rows = [range(start, min(start + columns, n)) for start in range(0, n, columns)]
    heights = [tile[1] + 8 + LINE * max(len(texts[i]) for i in row) for row in rows]
    canvas = Image.new("RGB", (columns * (tile[0] + MARGIN) + MARGIN, sum(heights) + MARGIN * (len(rows) + 1)), PAPER)
    draw = ImageDraw.Draw(canvas)
    top = MARGIN
    for row, depth in zip(rows, heights, strict=True):
        for place, i in enumerate(row):
            left = MARGIN + place * (tile[0] + MARGIN)
            canvas.paste(Image.fromarray(images[i]).resize(tile, Image.Resampling.BICUBIC), (left, top))
            for number, line in enumerate(texts[i]):
                draw.text((left, top + tile[1] + 6 + number * LINE), line, fill=INK, font=font)
        top += depth + MARGIN
    return np.asarray(canvas)


def png(image: np.ndarray) -> bytes:
    """Encodes a uint8 HWC image as PNG, with the mark of hspcgan (see `is_ours`)."""
    buffer, mark = io.BytesIO(), PngInfo()
    mark.add_text("Software", WRITER)
    Image.fromarray(image).save(buffer, format="PNG", optimize=True, pnginfo=mark)
    return buffer.getvalue()


def gif(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """Encodes frames as a GIF that repeats, with the mark of hspcgan (see `is_ours`)."""
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=frame_ms, loop=0,
                   comment=WRITER.encode())  # fmt: skip
    return buffer.getvalue()


def is_ours(path: Path) -> bool:
    """Whether a file is a picture of `png` or `gif`: their mark is within the first 1,024 bytes."""
    with open_regular(path) as file:
        return WRITER.encode() in file.read(1024)


def read_png(path: Path, fix: str = "replace it") -> np.ndarray:
    """Reads an image file as uint8 HWC. UserError with the hint `fix` if it is damaged or has too many pixels."""
    try:
        with warnings.catch_warnings(), open_regular(path) as file:
            warnings.simplefilter("ignore")  # about metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow does not document what it raises for a damaged file
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, Image.UnidentifiedImageError):  # its message contains the file object
            reason = "it does not begin like an image"
        raise UserError(f"{path} cannot be read as an image ({reason}); {fix}") from error


def slug(text: str, longest: int = 60) -> str:
    """Converts a caption to part of a file name: lower case, words joined by hyphens; "text" if nothing remains.

    The result has at most `longest` bytes, since file systems limit the bytes of a name.
    """
    words = re.sub(r"[^\w]+", "-", text.lower()).strip("-_")
    return words.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore").rstrip("-") or "text"
