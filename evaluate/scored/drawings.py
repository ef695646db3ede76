"""Stage one: what a subject draws for an evaluation, kept batch by batch.

`torchrun` or several processes share the work without talking to each other: each draws its own share of the batches,
and the first of them whatever is missing then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch

from hspcgan.evaluate.checkpoints import text_settings
from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.draw.texts import conditions_from_texts
from hspcgan.evaluate.metrics.colour_swap import swap_colour
from hspcgan.evaluate.scored.images import DrawnImages, FolderImages, Images, RealImages, content_key, progress_bar
from hspcgan.evaluate.scored.subjects import CHECKPOINT, IMAGES, REAL, Subject, open_generator, provenance
from hspcgan.evaluate.scorers import BATCH
from hspcgan.model.condition import Condition
from hspcgan.model.config import ModelConfig
from hspcgan.pipeline.cache.collate import collate
from hspcgan.pipeline.concepts import ParseConfig
from hspcgan.pipeline.stages.encode import EncodeConfig


class Drawings:
    """The images of one subject.

    Its generator is opened at once, even where all images are kept: weights that were damaged or do not fit the cache
    are a UserError.
    """

    def __init__(self, context: EvaluationContext, subject: Subject):
        self.context, self.subject = context, subject
        if subject.kind not in (REAL, IMAGES):
            opened = open_generator(subject, context.manifest, context.cache, context.clip)
            self._generator = opened.to(context.clip.device)

    @cached_property
    def images(self) -> Images:
        """An image for each selected caption. UserError where the subject's files are missing or do not fit."""
        context, subject = self.context, self.subject
        if subject.kind == REAL:
            return RealImages(context.cache, context.selection.sample_rows)
        if subject.kind == IMAGES:
            assert subject.path is not None
            return FolderImages(subject.path, context.ids)
        key = self._key(captions=context.ids, seed=context.config.seed)
        return DrawnImages(context.kept, key, len(context.ids), self._draw_captions)

    @cached_property
    def edits(self) -> tuple[list[str], list[str], list[str]]:
        """Captions before and after an edit of one colour, and the id that each pair's noise comes from.

        The selected captions in turn, again with other colours until there are `evaluate.edits` pairs.
        """
        before, after, ids = [], [], []
        wanted, most = self.context.config.edits, 20 * self.context.config.edits
        for number in range(most):
            turn, row = divmod(number, len(self.context.texts))
            text = self.context.texts[row]
            swapped = swap_colour(text, turn)
            if swapped is not None:
                before.append(text)
                after.append(swapped)
                ids.append(f"{self.context.ids[row]}/{turn}")
            if len(before) == wanted:
                break
        return before, after, ids

    def edited(self) -> tuple[Images, Images] | None:
        """Images before and after each edit, from the same noise; None for what no generator draws."""
        if self.subject.kind in (REAL, IMAGES) or not self.edits[0]:
            return None
        before, after, ids = self.edits
        return self._of_texts(before, ids), self._of_texts(after, ids)

    def _of_texts(self, texts: Sequence[str], ids: Sequence[str]) -> DrawnImages:
        def draw(index: int) -> np.ndarray:
            rows = slice(index * BATCH, (index + 1) * BATCH)
            condition = self._conditions(list(texts[rows]))
            return generate(self._generator, condition, list(ids[rows]), self.context.config.seed, BATCH)

        key = self._key(texts=list(texts), ids=list(ids), seed=self.context.config.seed)
        return DrawnImages(self.context.kept, key, len(texts), draw)

    def _draw_captions(self, index: int) -> np.ndarray:
        """Batch `index` of the selected captions; tokens are padded to the longest of all, so that batches agree."""
        context, texts = self.context, self.context.cache.texts
        rows = context.selection.caption_rows
        longest = int((texts.offsets[rows + 1] - texts.offsets[rows]).max())
        part = slice(index * BATCH, (index + 1) * BATCH)
        arrays = collate(texts, rows[part], n_entities=self._generator.config.locals, n_tokens=longest)
        return generate(self._generator, Condition.from_arrays(arrays), context.ids[part], context.config.seed, BATCH)

    @cached_property
    def _conditions(self) -> Callable[[list[str]], Condition]:
        """Texts → conditions, parsed and worded as the subject was trained."""
        from hspcgan.pipeline.concepts import Parser

        clip, locals_ = self.context.clip, self._generator.config.locals
        if self._generator.config.prompts == "fc":
            return lambda texts: conditions_from_texts(texts, clip, {}, None, n_entities=locals_)
        if self.subject.kind == CHECKPOINT and self.subject.path is not None:
            settings = text_settings(self.subject.path)
            parse, templates = settings.parse, settings.templates
        else:
            manifest = self.context.manifest
            parse = manifest.section("parse", ParseConfig)
            templates = manifest.section("encode", EncodeConfig).templates.model_dump()
        parser = Parser(parse)
        return lambda texts: conditions_from_texts(texts, clip, templates, parser, n_entities=locals_)

    def _key(self, **what: object) -> str:
        """Hash of the weights, the cache's features and what is drawn."""
        manifest, cache = self.context.manifest, self.context.cache
        if self.subject.kind == CHECKPOINT:
            weights = provenance(self.subject)["sha256"]
        else:
            seed = (manifest.raw.get("train") or {}).get("seed", 0)
            weights = [manifest.section("model", ModelConfig).model_dump(mode="json"), seed, self.context.clip.sha256]
        features = {name: cache.info["files"][name]["sha256"] for name in ("features.h5", "captions.parquet")}
        device = torch.device(self.context.clip.device).type
        return content_key(weights=weights, features=features, device=device, batch=BATCH, **what)


def draw(images: Images, title: str) -> None:
    """Draws this process's share of the missing batches; the first process also all others' that are missing then."""
    if not isinstance(images, DrawnImages):
        return
    rank, world = process()
    for first, step in [(rank, world)] + [(0, 1)] * (rank == 0):
        for index in progress_bar(images.missing(first, step), f"{title}: drawing"):
            images.batch(index)


def process() -> tuple[int, int]:
    """Number of this process and how many there are, as torchrun's environment has them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
