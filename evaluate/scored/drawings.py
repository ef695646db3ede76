"""The first stage of an evaluation: generates the images of a subject and stores them in batches.

Several processes (`torchrun`) share the work without communication: each generates its share of the batches, and then
the first process generates all batches that are still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch

from hspcgan.evaluate.checkpoints import TextSettings, text_settings
from hspcgan.evaluate.context import EvaluationContext
from hspcgan.evaluate.draw.generate import generate
from hspcgan.evaluate.draw.texts import conditions_from_texts
from hspcgan.evaluate.metrics.colour_swap import swap_colour
from hspcgan.evaluate.scored.images import DrawnImages, FolderImages, Images, RealImages
from hspcgan.evaluate.scored.keys import content_key, drawing_code, scene_code, text_code
from hspcgan.evaluate.scored.scorers import BATCH
from hspcgan.evaluate.scored.subjects import CHECKPOINT, IMAGES, REAL, Subject, open_generator, provenance
from hspcgan.model.common.launcher import launcher_integer
from hspcgan.model.common.progress import progress_bar
from hspcgan.model.condition import Condition
from hspcgan.model.config import ModelConfig
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.concepts import ParseConfig
from hspcgan.pipeline.stages.encode import EncodeConfig

SAME_CAPTION_SEED = 9_000_000  # first seed for scenes that are in no data set
DIVERSE_CAPTIONS, VARIATIONS = 50, 8  # number of captions, and of images per caption (must divide BATCH)


class Drawings:
    """The images of one subject that are scored: one per caption, pairs before and after an edit, and variations.

    The constructor opens the generator, even if all images are already on disk. UserError if its weights are damaged or
    do not match the cache.
    """

    def __init__(self, context: EvaluationContext, subject: Subject):
        self.context, self.subject = context, subject
        if subject.kind not in (REAL, IMAGES):
            opened = open_generator(subject, context.manifest, context.cache, context.clip)
            self._generator = opened.to(context.clip.device)

    @cached_property
    def images(self) -> Images:
        """One image per selected caption. UserError if a folder lacks images."""
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
        """Captions before and after an edit of one colour, and the id that determines the noise of each pair.

        Cycles through the selected captions with different colours until there are `evaluate.edits` pairs.
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
        """Returns images before and after each edit, from the same noise; None for subjects without a generator."""
        if self.subject.kind in (REAL, IMAGES) or not self.edits[0]:
            return None
        before, after, ids = self.edits
        return self._of_texts(before, ids), self._of_texts(after, ids)

    def variations(self) -> Images | None:
        """Returns VARIATIONS images from different noise for each of the first selected captions, grouped by caption.

        For real images of toy birds, returns other scenes that match the caption; None if there are none.
        """
        count = min(DIVERSE_CAPTIONS, len(self.context.ids))
        if self.subject.kind == IMAGES:
            return None
        if self.subject.kind == REAL:
            return same_caption_scenes(self.context, count)
        rows = np.repeat(np.arange(count), VARIATIONS)
        seeds = [self.context.config.seed + i % VARIATIONS for i in range(len(rows))]

        def draw(index: int) -> np.ndarray:
            return self._draw_rows(rows, seeds, index)

        key = self._key(captions=self.context.ids[:count], seeds=seeds)
        return DrawnImages(self.context.kept, key, len(rows), draw)

    def _of_texts(self, texts: Sequence[str], ids: Sequence[str]) -> DrawnImages:
        def draw(index: int) -> np.ndarray:
            rows = slice(index * BATCH, (index + 1) * BATCH)
            condition = self._conditions(list(texts[rows]))
            return generate(self._generator, condition, list(ids[rows]), self.context.config.seed, BATCH)

        settings, read = self._text_settings, {}
        if settings is not None:
            parse = settings.parse.model_dump(include={"annotator", "model", "spacy_model"})
            read = {"parse": parse, "templates": settings.templates, "code": text_code(settings.parse.annotator)}
        key = self._key(texts=list(texts), ids=list(ids), seed=self.context.config.seed, read=read)
        return DrawnImages(self.context.kept, key, len(texts), draw)

    def _draw_captions(self, index: int) -> np.ndarray:
        """Generates the images of batch `index` of the selected captions."""
        count = len(self.context.ids)
        return self._draw_rows(np.arange(count), [self.context.config.seed] * count, index)

    def _draw_rows(self, rows: np.ndarray, seeds: Sequence[int], index: int) -> np.ndarray:
        """Generates the images of batch `index` of these captions; all are padded to the longest selected caption."""
        context, texts, part = self.context, self.context.cache.texts, slice(index * BATCH, (index + 1) * BATCH)
        chosen = context.selection.caption_rows
        longest = int((texts.offsets[chosen + 1] - texts.offsets[chosen]).max())
        arrays = collate(texts, chosen[rows[part]], n_entities=self._generator.config.locals, n_tokens=longest)
        context.cache.require_finite(arrays.values())
        ids = [context.ids[row] for row in rows[part]]
        return generate(self._generator, Condition.from_arrays(arrays), ids, list(seeds[part]), BATCH)

    @cached_property
    def _text_settings(self) -> TextSettings | None:
        """The parser and template settings of the subject; None if its generator reads only the sentence feature."""
        if self._generator.config.prompts == "fc":
            return None
        if self.subject.kind == CHECKPOINT and self.subject.path is not None:
            return text_settings(self.subject.path)
        manifest = self.context.manifest
        templates = manifest.section("encode", EncodeConfig).templates.model_dump()
        return TextSettings(manifest.section("parse", ParseConfig), templates)

    @cached_property
    def _conditions(self) -> Callable[[list[str]], Condition]:
        """A function that converts captions to conditions, with the parser and template settings of the subject."""
        from hspcgan.pipeline.concepts import Parser

        clip, locals_, settings = self.context.clip, self._generator.config.locals, self._text_settings
        if settings is None:
            return lambda texts: conditions_from_texts(texts, clip, {}, None, n_entities=locals_)
        parser = Parser(settings.parse)
        return lambda texts: conditions_from_texts(texts, clip, settings.templates, parser, n_entities=locals_)

    def _key(self, **what: object) -> str:
        """Returns a hash of everything that images depend on: weights, features, code, device and `what`."""
        manifest, cache = self.context.manifest, self.context.cache
        if self.subject.kind == CHECKPOINT:
            weights = provenance(self.subject)["sha256"]
        else:
            seed = (manifest.raw.get("train") or {}).get("seed", 0)
            weights = [manifest.section("model", ModelConfig).model_dump(mode="json"), seed, self.context.clip.sha256]
        features = {name: cache.info["files"][name]["sha256"] for name in ("features.h5", "captions.parquet")}
        device = torch.device(self.context.clip.device).type
        code = drawing_code()
        return content_key(weights=weights, features=features, code=code, device=device, batch=BATCH, **what)


def same_caption_scenes(context: EvaluationContext, count: int) -> Images | None:
    """Returns new toy scenes for each of the first `count` captions, in the cache's image size; None for other data."""
    if (context.manifest.raw.get("data") or {}).get("source") != "toybirds":
        return None
    from hspcgan.pipeline.toybirds.captions import captions
    from hspcgan.pipeline.toybirds.draw import draw as draw_scene
    from hspcgan.pipeline.toybirds.scene import scene_of
    from hspcgan.pipeline.toybirds.scenes_of_caption import scenes_of

    size, seed = context.cache.images.shape[-1], context.config.seed
    ids = context.ids[:count]

    def draw_batch(index: int) -> np.ndarray:
        per_batch = BATCH // VARIATIONS
        images = []
        for caption_id in ids[index * per_batch : (index + 1) * per_batch]:
            key, _, number = caption_id.rpartition("#")
            facts = captions(scene_of(key))[int(number)].facts
            images += [draw_scene(scene, size) for scene in scenes_of(facts, VARIATIONS, SAME_CAPTION_SEED + seed)]
        return np.stack([np.asarray(image) for image in images])

    key = content_key(scenes=ids, size=size, seed=seed, variations=VARIATIONS, code=scene_code())
    return DrawnImages(context.kept, key, len(ids) * VARIATIONS, draw_batch)


def draw(images: Images, title: str) -> None:
    """Generates this process's share of the missing batches; the first process then generates those still missing."""
    if not isinstance(images, DrawnImages):
        return
    rank, world = process()
    for first, step in [(rank, world)] + [(0, 1)] * (rank == 0):
        for index in progress_bar(images.missing(first, step), f"{title}: generating"):
            images.batch(index)


def process() -> tuple[int, int]:
    """Returns the rank of this process and the number of processes, from torchrun's environment variables."""
    size = launcher_integer("WORLD_SIZE", 1, least=1)
    return launcher_integer("RANK", 0, most=size - 1) if size > 1 else 0, size
