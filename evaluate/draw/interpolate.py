"""Generates interpolations between captions, or between the noise vectors of two seeds, for `hspcgan interpolate`."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, make_out_folder, open_for_texts
from hspcgan.evaluate.draw.generate import noise
from hspcgan.evaluate.draw.pictures import captioned_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.image_views import to_uint8

FRAME_MS = 120
BATCH = 16


@dataclass(frozen=True)
class Interpolation:
    """The captions in order, the seeds of the first and last frame, and the number of frames including these two."""

    texts: tuple[str, ...]
    seeds: tuple[int, int]
    frames: int
    out: Path

    def files(self) -> tuple[Path, Path]:
        """Returns the paths of strip and GIF.

        UserError as in `clean_texts`, or if there are too few frames, or if all frames would be equal.
        """
        clean_texts(self.texts)
        if len(set(self.texts)) == 1 and self.seeds[0] == self.seeds[1]:
            raise UsageError("nothing to interpolate: one caption and one seed; give a second TEXT or --to-seed")
        if self.frames < len(self.texts):
            raise UsageError(
                f"{self.frames} frames are too few for {len(self.texts)} captions; "
                f"give --frames {len(self.texts)} or more"
            )
        ends = "-to-".join(dict.fromkeys(slug(text, 30) for text in (self.texts[0], self.texts[-1])))
        # Other captions in between, or after the first 30 characters, need another file name.
        digest = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:8]
        seeds = "-to-".join(map(str, dict.fromkeys(self.seeds)))
        name = f"{ends}_{digest}_seed{seeds}"
        return self.out / f"{name}.png", self.out / f"{name}.gif"


def interpolate(request: Interpolation, choice: CheckpointChoice) -> list[Path]:
    """Writes the frames as a strip and as a GIF that plays forwards and backwards; returns both paths.

    UserError as in `Interpolation.files` and `make_out_folder`, and for weights that are missing or do not match.
    """
    strip, gif = request.files()
    make_out_folder(request.out)
    images = _frames(request, choice)
    write_atomically(strip, png(captioned_grid(images, _labels(request), columns=len(images))))
    write_atomically(gif, _gif([*images, *images[-2:0:-1]]))
    return [strip, gif]


@torch.inference_mode()
def _frames(request: Interpolation, choice: CheckpointChoice) -> np.ndarray:
    """Generates all frames and returns them, uint8 [frames, H, W, 3]."""
    loaded, condition = open_for_texts(choice, request.texts)
    generator, device = loaded.generator, loaded.generator.device
    places = np.linspace(0, 1, request.frames)
    start, end = noise(request.seeds, [request.texts[0]] * 2, loaded.config.noise_dim)
    z = torch.from_numpy(np.stack([slerp(start, end, place) for place in places]).astype(np.float32)).to(device)
    legs = max(len(request.texts) - 1, 1)
    first = np.minimum((places * legs).astype(int), legs - 1)
    share = torch.from_numpy((places * legs - first).astype(np.float32)).to(device)
    parts = []
    for row in range(0, request.frames, BATCH):
        rows = slice(row, row + BATCH)
        before = condition[first[rows]].to(device)
        after = condition[np.minimum(first[rows] + 1, len(request.texts) - 1)].to(device)
        parts.append(to_uint8(generator.blend(z[rows], before, after, share[rows]).float()))
    return np.concatenate(parts)


def _labels(request: Interpolation) -> list[str]:
    """Returns one label per frame: captions at the frames nearest to them, seeds at both ends if they differ."""
    labels = [""] * request.frames
    for i, text in enumerate(request.texts):
        labels[round(i * (request.frames - 1) / max(len(request.texts) - 1, 1))] = text
    if request.seeds[0] != request.seeds[1]:
        for place, seed in zip((0, -1), request.seeds, strict=True):
            labels[place] = f"{labels[place]} (seed {seed})".strip()
    return labels


def slerp(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Interpolates along the arc between two vectors [n]; linear interpolation would shorten them."""
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
