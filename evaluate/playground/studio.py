"""An open checkpoint that parses captions, generates and scores images, and keeps recent images in memory."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from pydantic import BaseModel

from hspcgan.evaluate.checkpoints import open_checkpoint, text_settings
from hspcgan.evaluate.draw.generate import noise
from hspcgan.evaluate.draw.pictures import png
from hspcgan.evaluate.draw.texts import conditions_from_texts, mismatch_warnings
from hspcgan.evaluate.metrics.cosine import cosine
from hspcgan.evaluate.playground.page_state import FRAMES
from hspcgan.evaluate.scored.scorers import ClipScorer
from hspcgan.model.clip.file import file_sha256
from hspcgan.model.clip.frozen import load_clip, pick_device
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import validate_as
from hspcgan.model.condition import Condition
from hspcgan.model.image_views import to_uint8
from hspcgan.pipeline.concepts import Parser
from hspcgan.pipeline.concepts.concept_types import Concepts
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.manifest.files import own_keys
from hspcgan.pipeline.stages.encode import encode_texts

T = TypeVar("T")
KEPT = 512  # images and captions; about 60 MB at 224 px
SMALL = 64  # px; up to this size, torch is faster with one thread, especially on a busy machine
PART = 4  # images to generate before checking for anything else, such as a client that disconnected


class LRUCache(Generic[T]):
    """A least-recently-used (LRU) cache with at most KEPT values."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """Returns the value, or None if it is not stored."""
        try:
            self._values.move_to_end(key)
            return self._values[key]
        except KeyError:  # also if another thread drops it between the two lines
            return None

    def put(self, key: Hashable, value: T) -> T:
        """Stores a value and drops the least recently used value."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > KEPT:
            self._values.popitem(last=False)
        return value


@dataclass(frozen=True)
class Picture:
    """An image to generate: frame 0 shows caption `a`, the last frame `b`; the noise depends on `a` and `seed`."""

    a: str
    b: str
    frame: int
    seed: int


@dataclass(frozen=True)
class Drawn:
    """An image, and its cosine with captions a and b from the held-out scorer, if there is one."""

    png: bytes
    scores: tuple[float, float] | None


class Studio:
    """A checkpoint with parser, scorer and caches. Only `cached` may be called from several threads at once."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.loaded = open_checkpoint(folder)
        self.loaded.generator.to(pick_device(device, "--device"))
        self.parser, self.templates = None, {}
        if self.loaded.config.prompts != "fc":
            settings = text_settings(folder)
            self.parser, self.templates = parser_of(settings.parse), settings.templates
        self._threads = 1 if self.loaded.config.image_size <= SMALL else torch.get_num_threads()
        self.scorer = held_out_scorer(folder, self.loaded.clip.name, self.loaded.clip.sha256)
        self._drawn: LRUCache[Drawn] = LRUCache()
        self._conditions: LRUCache[Condition] = LRUCache()
        self._texts: LRUCache[np.ndarray] = LRUCache()

    def read(self, text: str) -> Concepts | None:
        """Parses a caption and returns its concepts; None if the checkpoint does not use concepts."""
        torch.set_num_threads(self._threads)  # applies to the calling thread
        return self.parser.parse([text])[0] if self.parser else None

    def mismatch_warnings(self, text: str) -> list[str]:
        """Returns reasons why an image may not match the caption, such as words that CLIP was not trained on."""
        return mismatch_warnings([text], self.loaded.clip)

    def cached(self, picture: Picture) -> Drawn | None:
        """Returns the image if it is still in memory, else None."""
        return self._drawn.get(picture)

    @torch.inference_mode()
    def draw(self, pictures: Sequence[Picture]) -> dict[Picture, Drawn]:
        """Generates at most PART images for one pair of captions, and keeps them in memory."""
        torch.set_num_threads(self._threads)
        a, b = pictures[0].a, pictures[0].b
        generator, condition = self.loaded.generator, self._condition(a, b).to(self.loaded.generator.device)
        z = noise([one.seed for one in pictures], [a] * len(pictures), generator.config.noise_dim)
        share = torch.tensor([one.frame / (FRAMES - 1) for one in pictures], device=generator.device)
        first, second = (condition[[side] * len(pictures)] for side in (0, 1))
        images = to_uint8(generator.blend(torch.from_numpy(z).to(generator.device), first, second, share).float())
        scores = self._scores(images, a, b)
        return {one: self._drawn.put(one, Drawn(png(image), score))
                for one, image, score in zip(pictures, images, scores, strict=True)}  # fmt: skip

    def _condition(self, a: str, b: str) -> Condition:
        """Returns the conditions of both captions, as one batch with two rows."""
        kept = self._conditions.get((a, b))
        if kept is None:
            made = conditions_from_texts([a, b], self.loaded.clip, self.templates, self.parser,
                                         n_entities=self.loaded.config.locals)  # fmt: skip
            kept = self._conditions.put((a, b), made)
        return kept

    def _scores(self, images: np.ndarray, a: str, b: str) -> list[tuple[float, float] | None]:
        if self.scorer is None:
            return [None] * len(images)
        seen, texts = self.scorer.image_features(images), self._texts.get((a, b))
        if texts is None:  # the scorer's own text_features would keep every caption forever
            texts = self._texts.put((a, b), encode_texts(self.scorer.clip, [a, b])[0])
        both = [cosine(seen, np.repeat(text[None], len(images), 0)).tolist() for text in texts]
        return list(zip(*both, strict=True))


class CachingParser(Parser):
    """A parser that caches the concepts of recent captions: the page shows them, and the images depend on them."""

    def __init__(self, config: ParseConfig) -> None:
        super().__init__(config)
        self._found: LRUCache[Concepts] = LRUCache()

    def parse(self, texts: Sequence[str]) -> list[Concepts]:
        """Returns the concepts of each caption, like `Parser.parse`; parses only captions that are not cached."""
        return [self._found.get(text) or self._found.put(text, super(CachingParser, self).parse([text])[0])
                for text in texts]  # fmt: skip


parser_of: Callable[[ParseConfig], CachingParser] = functools.lru_cache(maxsize=2)(CachingParser)


class _Scored(BaseModel):
    """The part of a run's `evaluate` section that the playground reads."""

    scorers: dict[str, str] = {}


def held_out_scorer(checkpoint: Path, clip_name: str, clip_sha256: str) -> ClipScorer | None:
    """Returns the run's first scorer that is not the training CLIP, or None.

    If the run's manifest names no scorers and the training CLIP is toy-clip, the scorer is toy-scorer.
    """
    manifest = checkpoint.resolve().parent.parent / "manifest.yaml"
    sections = own_keys(manifest) if manifest.is_file() else {}
    named = validate_as(_Scored, sections.get("evaluate") or {}, f"{manifest}, evaluate").scorers
    if clip_name == "toy-clip":
        named = named or {"held-out": "toy-scorer"}
    for weights in named.values():
        with suppress(UserError):  # weights that are not on this machine, or cannot be opened
            path = weights_path(weights)
            if file_sha256(path) != clip_sha256:
                return ClipScorer(path.stem, load_clip(path))
    return None
