"""Generates interpolations between captions, or between the noise vectors of two seeds, for `hspcgan interpolate`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
from hspcgan.evaluate.draw.generate import batch_for, noise
from hspcgan.evaluate.draw.out_folder import make_out_folder
from hspcgan.evaluate.draw.pictures import captioned_grid, gif, most_in_grid, png, slug
from hspcgan.evaluate.draw.texts import clean_texts
from hspcgan.model.common.errors import UsageError
from hspcgan.model.common.files import write_atomically
from hspcgan.model.image_views import to_uint8

FRAME_MS = 120


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
        if len(set(clean_texts(self.texts))) == 1 and self.seeds[0] == self.seeds[1]:
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
    paths = request.files()
    make_out_folder(paths)
    images = _frames(request, choice)
    write_atomically(paths[0], png(captioned_grid(images, _labels(request), columns=len(images))))
    frames = [Image.fromarray(image) for image in images]
    write_atomically(paths[1], gif([*frames, *frames[-2:0:-1]], FRAME_MS))
    return [*paths]


@torch.inference_mode()
def _frames(request: Interpolation, choice: CheckpointChoice) -> np.ndarray:
    """Generates all frames and returns them, uint8 [frames, H, W, 3]. UsageError if there are too many for memory."""
    loaded, condition = open_for_texts(choice, request.texts)
    size = loaded.config.image_size
    if request.frames > (most := most_in_grid(size, size)):
        raise UsageError(f"{request.frames:,} frames of {size} px are too many; give --frames {most} or fewer")
    generator, device = loaded.generator, loaded.generator.device
    places = np.linspace(0, 1, request.frames)
    start, end = noise(request.seeds, [request.texts[0]] * 2, loaded.config.noise_dim)
    z = torch.from_numpy(np.stack([slerp(start, end, place) for place in places]).astype(np.float32)).to(device)
    legs = max(len(request.texts) - 1, 1)
    first = np.minimum((places * legs).astype(int), legs - 1)
    share = torch.from_numpy((places * legs - first).astype(np.float32)).to(device)
    parts = []
    for row in range(0, request.frames, batch := batch_for(size)):
        rows = slice(row, row + batch)
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
