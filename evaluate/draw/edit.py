"""Pictures that change by one thing: on the way between texts or noises, or with words replaced (Fig. 6)."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hspcgan.evaluate.draw.checkpoint import Weights, make_folder, open_weights
from hspcgan.evaluate.draw.generate import generate, noise
from hspcgan.evaluate.draw.pictures import captioned, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.errors import UsageError
from hspcgan.model.files import write_whole
from hspcgan.model.views import to_uint8

FRAME_MS = 120
BATCH = 16


@dataclass(frozen=True)
class Way:
    """Through texts in turn, and from one seed's noise to another's; `frames` pictures in all, ends included."""

    texts: tuple[str, ...]
    seeds: tuple[int, int]
    frames: int
    out: Path

    def files(self) -> tuple[Path, Path]:
        """Strip and GIF. UserError as `clean_texts`, where nothing would change, and for fewer frames than texts."""
        clean_texts(self.texts)
        if len(set(self.texts)) == 1 and self.seeds[0] == self.seeds[1]:
            raise UsageError("nothing to interpolate: one text and one seed; give a second text or --to-seed")
        if self.frames < len(self.texts):
            raise UsageError(
                f"{self.frames} frames for {len(self.texts)} texts; give --frames {len(self.texts)} or more"
            )
        ends = "-to-".join(dict.fromkeys(slug(text, 30) for text in (self.texts[0], self.texts[-1])))
        # Other texts can have these ends, and others yet begin like them.
        told_apart = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:8]
        seeds = "-to-".join(map(str, dict.fromkeys(self.seeds)))
        name = f"{ends}_{told_apart}_seed{seeds}"
        return self.out / f"{name}.png", self.out / f"{name}.gif"


def interpolate(way: Way, weights: Weights) -> list[Path]:
    """Writes the strip and the GIF (there and back) and returns their paths.

    UserError as `Way.files` and `make_folder`, and for weights that are missing or do not belong together.
    """
    strip, gif = way.files()
    make_folder(way.out)
    images = _frames(way, weights)
    write_whole(strip, png(captioned(images, _labels(way), columns=len(images))))
    write_whole(gif, _gif([*images, *images[-2:0:-1]]))
    return [strip, gif]


@torch.inference_mode()
def _frames(way: Way, weights: Weights) -> np.ndarray:
    """uint8 [frames, H, W, 3]."""
    loaded, condition = open_weights(weights, way.texts)
    generator, device = loaded.generator, loaded.generator.device
    places = np.linspace(0, 1, way.frames)
    start, end = noise(way.seeds, [way.texts[0]] * 2, loaded.config.noise_dim)
    z = torch.from_numpy(np.stack([slerp(start, end, place) for place in places]).astype(np.float32)).to(device)
    legs = max(len(way.texts) - 1, 1)
    first = np.minimum((places * legs).astype(int), legs - 1)
    share = torch.from_numpy((places * legs - first).astype(np.float32)).to(device)
    parts = []
    for row in range(0, way.frames, BATCH):
        rows = slice(row, row + BATCH)
        before = condition[first[rows]].to(device)
        after = condition[np.minimum(first[rows] + 1, len(way.texts) - 1)].to(device)
        parts.append(to_uint8(generator.blend(z[rows], before, after, share[rows]).float()))
    return np.concatenate(parts)


def _labels(way: Way) -> list[str]:
    """The texts under the frames nearest to them, seeds under the ends where they change."""
    labels = [""] * way.frames
    for i, text in enumerate(way.texts):
        labels[round(i * (way.frames - 1) / max(len(way.texts) - 1, 1))] = text
    if way.seeds[0] != way.seeds[1]:
        for place, seed in zip((0, -1), way.seeds, strict=True):
            labels[place] = f"{labels[place]} (seed {seed})".strip()
    return labels


def slerp(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Along the arc from one vector to another, [n]; a straight line between normal vectors would shorten them."""
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return (1 - share) * start + share * end
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def _gif(images: Sequence[np.ndarray]) -> bytes:
    frames = [Image.fromarray(image) for image in images]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)
    return buffer.getvalue()


@dataclass(frozen=True)
class Edits:
    """A text, replacements of words in it, each drawn by itself, and the seeds whose noise all of them keep."""

    text: str
    replacements: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    out: Path

    def texts(self) -> list[str]:
        """The text, and with each replacement. UserError where there is none, or nothing in the text to replace."""
        if not self.replacements:
            raise UsageError("nothing is replaced; give --replace OLD NEW, such as --replace white yellow")
        return [self.text, *(replaced(self.text, old, new) for old, new in self.replacements)]

    def files(self) -> list[Path]:
        """Text by text, seed by seed, the grid last. UserError as `texts` and `clean_texts`."""
        texts = self.texts()
        clean_texts(texts)
        names = [f"{i:02d}-{slug(text)}" for i, text in enumerate(texts)]
        images = [self.out / f"{name}_seed{seed}.png" for name in names for seed in self.seeds]
        return [*images, self.out / f"{slug(self.text)}_edits.png"]


def edit(edits: Edits, weights: Weights) -> list[Path]:
    """Writes an image for each text and seed, and a grid with a row per seed; returns the paths.

    UserError as `Edits.files` and `make_folder`, and for weights that are missing or do not belong together.
    """
    paths, texts, count = edits.files(), edits.texts(), len(edits.seeds)
    make_folder(edits.out)
    loaded, condition = open_weights(weights, texts)
    rows = np.repeat(np.arange(len(texts)), count)
    images = generate(loaded.generator, condition[rows], [edits.text] * len(rows), list(edits.seeds) * len(texts))
    for path, image in zip(paths, images, strict=False):  # the grid's path comes after the images'
        write_whole(path, png(image))
    by_seed = images.reshape(len(texts), count, *images.shape[1:]).swapaxes(0, 1).reshape(images.shape)
    write_whole(paths[-1], png(captioned(by_seed, texts * count, columns=len(texts))))
    return paths


def replaced(text: str, old: str, new: str) -> str:
    """The text with every whole-word `old` made `new`. UserError where it does not hold `old`."""
    changed, count = re.subn(rf"(?<!\w){re.escape(old)}(?!\w)", lambda match: new, text)
    if not old.strip() or not count:
        raise UsageError(f"--replace {old!r}: not a word of {text!r}; give words of the text")
    return changed
