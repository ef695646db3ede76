"""Opens the checkpoint that generates images from user-supplied captions, for the commands and the Python API."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hspcgan.evaluate.checkpoints import find_checkpoint, open_checkpoint, text_settings
from hspcgan.evaluate.draw.texts import clean_texts, conditions_from_texts, mismatch_warnings
from hspcgan.model.checkpoint import Loaded
from hspcgan.model.clip.frozen import pick_device
from hspcgan.model.condition import Condition

log = logging.getLogger("hspcgan.evaluate")


@dataclass(frozen=True)
class CheckpointChoice:
    """The checkpoint and the device to use; `clip_path` overrides the CLIP path in the checkpoint's card."""

    checkpoint: str
    clip_path: str | None = None
    device: str = "auto"
    allow_unverified: bool = False  # open a TorchScript CLIP that is not from OpenAI


def open_for_texts(choice: CheckpointChoice, texts: Sequence[str]) -> tuple[Loaded, Condition]:
    """Returns the networks on their device and one condition per caption; see `open_in_groups`."""
    loaded, conditions = open_in_groups(choice, texts, sys.maxsize)
    return loaded, next(conditions)


def open_in_groups(choice: CheckpointChoice, texts: Sequence[str], size: int) -> tuple[Loaded, Iterator[Condition]]:
    """Returns the networks on their device, and the conditions of the captions in groups of `size`.

    A group is parsed and encoded when it is requested, so that many captions need little memory. Logs the warnings of
    `mismatch_warnings` for all captions.

    If prompts depend only on the sentence (GALIP), captions are not parsed. UserError for a caption that ingest would
    reject, for example an empty caption, and for weights that are missing or do not match.
    """
    from hspcgan.pipeline.concepts import Parser

    texts = clean_texts(texts)
    device = pick_device(choice.device, "--device")
    folder = find_checkpoint(choice.checkpoint)
    loaded = open_checkpoint(folder, clip_path=choice.clip_path, allow_unverified=choice.allow_unverified)
    parser, templates = None, {}
    if loaded.config.prompts != "fc":
        settings = text_settings(folder)
        parser, templates = Parser(settings.parse), settings.templates
    for line in mismatch_warnings(texts, loaded.clip):
        log.warning(line)
    loaded.generator.to(device)
    groups = (texts[start : start + size] for start in range(0, len(texts), size))
    return loaded, (
        conditions_from_texts(group, loaded.clip, templates, parser, n_entities=loaded.config.locals)
        for group in groups
    )
