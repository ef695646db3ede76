"""Creates training batches from a cache; a batch depends only on (seed, step), so no loader state is saved.

Legend: b rows of this process, B rows of the global batch, S training images, d text width, V views, T taps,
D tap width, g grid, M groups of words, L text positions.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hspcgan.model.common.errors import UserError
from hspcgan.model.condition import Condition
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.train.step.augment import random_shifts
from hspcgan.train.step.batch import Batch
from hspcgan.train.step.losses import valid_negatives
from hspcgan.train.step.word_swaps import WordSwaps

ORDER, CAPTION, VIEW = range(3)  # streams of random numbers drawn from one seed
CPU = torch.device("cpu")
GRID_STEP = -1  # step number for the noise of sample grids


def keyed_hash(seed: int, stream: int, epoch: int, items: np.ndarray) -> np.ndarray:
    """Returns a pseudorandom uint64 for each item, hashed from all arguments (splitmix64 finalisers); [n] → [n]."""
    state = np.zeros(len(items), dtype=np.uint64)
    for value in (np.array([seed]), np.array([stream]), np.array([epoch]), items):
        state = state + value.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Returns the order of images in an epoch: a permutation of range(count) that depends only on seed and epoch."""
    return np.argsort(keyed_hash(seed, ORDER, epoch, np.arange(count)), kind="stable")


def noise_rows(seed: int, step: int, rows: int, noise_dim: int) -> np.ndarray:
    """Returns Gaussian noise for a step's global batch, float32 [rows, noise_dim]; each process takes its slice."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, step - GRID_STEP], dtype=np.uint64)))
    return generator.standard_normal((rows, noise_dim), dtype=np.float32)


class Batches:
    """The training split as an endless, indexable sequence of batches.

    An epoch contains each image once, in a random order that depends on seed and epoch, with one of its captions. The
    last batch of an epoch is filled up from the next epoch, so every batch is full and no image is skipped.

    Args:
        batch_size: rows of the global batch.
        flip: whether half of the images are mirrored.
        n_entities: entity slots of a condition.
        rank, size: this process takes rows [rank · b, (rank + 1) · b) of each global batch, b = batch_size / size.
        parts: number of parts in which a process computes its rows.
        swaps: creates variants of each caption with one word swapped.
    Raises:
        UserError: there are no training images, or batch_size is not a multiple of size · parts.
    """

    def __init__(
        self,
        cache: Cache,
        batch_size: int,
        seed: int,
        noise_dim: int,
        flip: bool = False,
        shift: int = 0,
        n_entities: int = 6,
        rank: int = 0,
        size: int = 1,
        parts: int = 1,
        swaps: WordSwaps | None = None,
    ):
        if batch_size % (size * parts):
            raise UserError(
                f"train.batch_size is {batch_size}, which cannot be split evenly over {size} processes with {parts} "
                f"parts each (train.accumulate); use a multiple of {size * parts}"
            )
        self.cache, self.batch_size, self.seed, self.noise_dim = cache, batch_size, seed, noise_dim
        self.views: Sequence[str] = ("whole", "whole-flipped") if flip else ("whole",)
        self.n_entities, self.shift, self.swaps = n_entities, shift, swaps
        self.rows = slice(rank * batch_size // size, (rank + 1) * batch_size // size)
        self.samples = np.asarray(cache.split_rows("train"))
        if len(self.samples) == 0:
            raise UserError(f"{cache.path}: the split 'train' has no samples; see `hspcgan stats {cache.path}`")
        self.taps: np.ndarray | None = None  # float16 [rows, V, T, D, g, g], in RAM or memory-mapped
        self.tap_rows = np.arange(len(self.samples))  # index in the training split → row in `taps`

    @property
    def caption_count(self) -> int:
        """Number of captions of all training images."""
        ends = self.cache.sample_captions
        return int((ends[self.samples + 1] - ends[self.samples]).sum())

    def choose(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the global batch of a step: index in the training split, caption row, view number; each int64 [B]."""
        position = step * self.batch_size + np.arange(self.batch_size)
        epochs = position // len(self.samples)
        places, captions, views = (np.empty(self.batch_size, dtype=np.int64) for _ in range(3))
        for epoch in np.unique(epochs):
            here = epochs == epoch
            chosen = epoch_order(self.seed, int(epoch), len(self.samples))[position[here] % len(self.samples)]
            first = self.cache.sample_captions[self.samples[chosen]]
            count = self.cache.sample_captions[self.samples[chosen] + 1] - first
            draw = keyed_hash(self.seed, CAPTION, int(epoch), chosen) % count.astype(np.uint64)
            places[here] = chosen
            captions[here] = first + draw.astype(np.int64)
            views[here] = keyed_hash(self.seed, VIEW, int(epoch), chosen) % np.uint64(len(self.views))
        return places, captions, views

    def at(self, step: int) -> Batch:
        """Returns the rows of this process in the global batch of `step` (counted from 0), on the CPU."""
        places, captions, views = self.choose(step)
        texts = torch.from_numpy(self.cache.caption_text[captions].astype(np.int64))
        own_texts = torch.from_numpy(_caption_ids(self.cache, self.samples[places]))
        negatives = valid_negatives(own_texts, texts)  # [B, B]
        with_negative = int(negatives.any(dim=1).sum())
        mine, seen = places[self.rows], views[self.rows]
        moves = random_shifts(self.seed, step, self.batch_size, self.shift)[self.rows]
        swapped = self.swaps.tokens(captions, self.seed, step) if self.swaps else None  # [B, M, L], [B, M]
        return Batch(
            step=step,
            samples=self.samples[mine],
            pixels=self.pixels(mine) if self.taps is None else None,
            mirrored=torch.from_numpy(seen == 1) if self.taps is None and len(self.views) > 1 else None,
            taps=None if self.taps is None else list(torch.from_numpy(self.taps[self.tap_rows[mine], seen]).unbind(1)),
            condition=self._condition(captions),
            noise=torch.from_numpy(noise_rows(self.seed, step, self.batch_size, self.noise_dim)[self.rows]),
            sentences=torch.from_numpy(self.cache.sentence[captions].astype(np.float32)),
            negatives=negatives[self.rows],
            balance=self.batch_size / with_negative if with_negative else 0.0,
            first_row=self.rows.start,
            shifts=moves,
            swapped=None if swapped is None else swapped[0][self.rows],
            has_swapped=None if swapped is None else swapped[1][self.rows].numpy(),
        )

    def _condition(self, captions: np.ndarray) -> Condition:
        """Returns the captions in the rows of this process, as input for the generator.

        They are padded to the longest caption of the global batch, so that floating-point results do not depend on the
        number of processes.
        """
        longest = int((self.cache.offsets[captions + 1] - self.cache.offsets[captions]).max())
        arrays = collate(self.cache.texts, captions[self.rows], self.n_entities, n_tokens=longest)
        return Condition.from_arrays(arrays)

    def pixels(self, places: np.ndarray) -> Tensor:
        """Returns the uncropped images with these indices in the training split, uint8 [b, 3, H, W]."""
        return torch.from_numpy(self.cache.images[self.samples[places]])

    def cache_taps_in_ram(
        self, compute: Callable[[Tensor], list[Tensor]], block: int = 64, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Computes the frozen CLIP taps of every training image once and keeps them in RAM as float16.

        Batches then contain these taps instead of images. They differ from taps computed in the step only by float16
        rounding, at most 1/2,048 of each value.

        Args:
            compute: images uint8 [b, 3, H, W] → taps, each [b, D, g, g].
            block: images per call of `compute`.
            stop: called after each block; if it returns true, the computation stops and nothing is kept.
        """
        held: np.ndarray | None = None
        for start in tqdm(range(0, len(self.samples), block), desc="CLIP features", disable=None, leave=False):
            places = np.arange(start, min(start + block, len(self.samples)))
            taps = torch.stack(compute(self.pixels(places)), dim=1)
            if held is None:
                held = np.empty((len(self.samples), 1, *taps.shape[1:]), dtype=np.float16)
            held[places, 0] = taps.to("cpu", torch.float16).numpy()
            if stop():
                return
        self.taps = held

    def use_cached_taps(self, blocks: Sequence[int], width: int, grid: int) -> None:
        """Makes batches contain taps from the cache instead of images; for each image, those of a random view.

        Raises:
            UserError: the cache has no taps, or they are from other CLIP blocks or have another D or g than given.
        """
        self.cache.require_taps(blocks, width, grid)
        self.taps, self.tap_rows, self.views = self.cache.taps, self.samples, self.cache.info["taps"]["views"]

    def stream(self, start: int, stop: int, prefetch: bool = True, device: torch.device = CPU) -> Iterator[Batch]:
        """Yields the batches of the steps from `start` to `stop` − 1, on the device.

        With `prefetch`, a thread prepares the next batch and starts its copy to the device during each step.
        """

        def load(step: int) -> Batch:
            return self.at(step).to(device)

        if not prefetch:
            yield from map(load, range(start, stop))
            return
        with ThreadPoolExecutor(max_workers=1) as thread:
            ahead = thread.submit(load, start) if start < stop else None
            for step in range(start, stop):
                assert ahead is not None
                batch = ahead.result()
                ahead = thread.submit(load, step + 1) if step + 1 < stop else None
                yield batch


def _caption_ids(cache: Cache, samples: np.ndarray) -> np.ndarray:
    """Returns the caption ids of each sample, int64 [b, K], padded with −1; equal captions have equal ids."""
    first = cache.sample_captions[samples]
    count = cache.sample_captions[samples + 1] - first
    own = np.full((len(samples), int(count.max())), -1, dtype=np.int64)
    for column in range(own.shape[1]):
        has = count > column
        own[has, column] = cache.caption_text[first[has] + column]
    return own
