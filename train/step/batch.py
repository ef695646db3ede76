"""The part of a batch that one process trains on; the loader creates it on the CPU, and the training step reads it.

Legend: b rows of this process, B rows of the global batch, d text width, D tap width, g grid, M groups of words,
L text positions.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hspcgan.model.condition import Condition, to_device
from hspcgan.train.step.augment import shift_images, signed


@dataclass
class Batch:
    """The rows of a global batch that one process trains on. Arrays stay on the host; tensors move to the device."""

    step: int  # counted from 0
    samples: np.ndarray  # [b] sample rows in the cache
    pixels: Tensor | None  # [b, 3, H, W] uint8, whole images; None if taps are cached
    mirrored: Tensor | None  # [b] bool, which images are flipped left to right; None without train.flip
    taps: list[Tensor] | None  # each [b, D, g, g] float16; None if computed from images
    condition: Condition  # for b captions
    noise: Tensor  # [b, noise_dim]
    sentences: Tensor  # [B, d] raw sentence features of the whole global batch, candidates for mining
    negatives: Tensor  # [b, B] bool: whether a sentence is a valid negative for a row
    balance: float  # B / rows of the global batch with a valid negative; 0 if there are none
    first_row: int  # index of row 0 in the global batch
    shifts: np.ndarray  # [b, 2] shift of each image in pixels (down, right); 0 without augmentation
    swapped: Tensor | None = None  # [b, M, L] tokens of each caption with one word swapped; None without swap_words
    has_swapped: np.ndarray | None = None  # [b, M] bool: whether the caption has a word of the group
    # [b, M, d] features of `swapped` and [b, M] bool on the device, set by `swapped_captions`; never copied to a part
    swapped_features: tuple[Tensor, Tensor] | None = None

    @property
    def images(self) -> Tensor:
        """The real images after flips and shifts, computed on the batch's device: float32 [b, 3, H, W] in [−1, 1]."""
        assert self.pixels is not None
        pixels = self.pixels
        if self.mirrored is not None:
            pixels = torch.where(self.mirrored[:, None, None, None], pixels.flip(-1), pixels)
        return shift_images(signed(pixels), self.shifts)

    def to(self, device: torch.device) -> "Batch":
        """Returns a copy of the batch with its tensors on another device; the host does not wait for the copy."""
        return replace(
            self,
            pixels=_to_device(self.pixels, device),
            mirrored=_to_device(self.mirrored, device),
            taps=None if self.taps is None else [to_device(tap, device) for tap in self.taps],
            condition=self.condition.to(device),
            noise=to_device(self.noise, device),
            sentences=to_device(self.sentences, device),
            negatives=to_device(self.negatives, device),
            swapped=_to_device(self.swapped, device),
            swapped_features=None,
        )

    def parts(self, count: int) -> list["Batch"]:
        """Splits the rows into `count` equal batches, which still mine negatives from the whole global batch."""
        size = len(self.samples) // count
        return [self._rows(slice(start, start + size)) for start in range(0, count * size, size)]

    def _rows(self, rows: slice) -> "Batch":
        return replace(
            self,
            samples=self.samples[rows],
            pixels=_take_rows(self.pixels, rows),
            mirrored=_take_rows(self.mirrored, rows),
            taps=None if self.taps is None else [tap[rows] for tap in self.taps],
            condition=self.condition[rows],
            noise=self.noise[rows],
            negatives=self.negatives[rows],
            first_row=self.first_row + rows.start,
            shifts=self.shifts[rows],
            swapped=_take_rows(self.swapped, rows),
            swapped_features=None,
            has_swapped=None if self.has_swapped is None else self.has_swapped[rows],
        )


def _to_device(tensor: Tensor | None, device: torch.device) -> Tensor | None:
    return None if tensor is None else to_device(tensor, device)


def _take_rows(tensor: Tensor | None, rows: slice) -> Tensor | None:
    return None if tensor is None else tensor[rows]
