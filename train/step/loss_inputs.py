"""Computes inputs of optional loss terms: captions with one word swapped, and how much images vary with the noise.

Legend: b rows of this process, B rows of the global batch, M groups of words, d text width.
"""

import numpy as np
import torch
from torch import Tensor

from hspcgan.model.condition import to_device
from hspcgan.train.setup import Run
from hspcgan.train.step import losses
from hspcgan.train.step.batch import Batch


@torch.no_grad()
def other_captions(run: Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns wrong captions for each image: raw features [b, B + M, d], and whether they are valid, bool [b, B + M].

    They are the captions of the global batch, then M variants of the row's own caption, from `swapped_captions`.
    """
    others = batch.sentences.expand(len(batch.samples), -1, -1)  # [b, B, d]
    if not run.config.swap_words:
        return others, batch.negatives
    swapped, has_swapped = swapped_captions(run, batch)
    return torch.cat([others, swapped], dim=1), torch.cat([batch.negatives, has_swapped], dim=1)


@torch.no_grad()
def swapped_captions(run: Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns M variants of each caption: raw features [b, M, d], and whether they exist, bool [b, M].

    Each variant has one word swapped for another of its group; there is a variant per group. If a caption has no word
    of a group, the second result is false and the features are 0. The captions are encoded once and kept in the batch,
    since the losses of discriminator and generator both use them.
    """
    if batch.swapped_features is not None:
        return batch.swapped_features
    assert batch.swapped is not None
    assert batch.has_swapped is not None
    device = batch.sentences.device
    features = batch.sentences.new_zeros(*batch.has_swapped.shape, batch.sentences.shape[1])
    if batch.has_swapped.any():
        places = tuple(to_device(torch.from_numpy(index), device) for index in np.nonzero(batch.has_swapped))
        features[places] = run.clip.encode_text(batch.swapped[places])[0]
    batch.swapped_features = features, to_device(torch.from_numpy(batch.has_swapped), device)
    return batch.swapped_features


def noise_sensitivity(run: Run, batch: Batch, images: Tensor) -> Tensor:
    """Returns how much the images vary with the noise (see `mode_seeking`), measured on a quarter of the rows.

    It runs the generator a second time, on these rows only.
    """
    rows = max(1, len(images) // 4)
    noise, other = batch.noise[:rows], batch.noise[-rows:]  # the noise of the last rows is reused
    with run.autocast():
        others = run.generator(other, batch.condition[:rows])
    return losses.mode_seeking(images[:rows], others, noise, other, run.config.mode_seeking_limit)
