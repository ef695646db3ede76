"""Finds and opens checkpoints (runs, checkpoint folders, shipped ones); reads their parser and template settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hspcgan.model.checkpoint import CARD, Loaded, checkpoint_at, clip_path_from_card, load, read_card
from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import as_path
from hspcgan.model.common.validation import validate_as
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import load_manifest, shipped_weights, weights_path
from hspcgan.pipeline.stages.encode import EncodeConfig, Templates


def find_checkpoint(name: str | Path) -> Path:
    """Returns the folder of a checkpoint.

    `name` is a checkpoint folder, a run (its latest checkpoint is used), RUN/checkpoints/best, or the name of a shipped
    checkpoint.
    UserError if there is no such checkpoint.
    """
    path = Path(os.path.expanduser(as_path(name, "a checkpoint")))
    if name and (found := checkpoint_at(path)):
        return found
    if name and path.is_dir():
        raise UserError(
            f"{path} is neither a checkpoint ({CARD} is missing) nor a run with a checkpoint in checkpoints/; "
            "`hspcgan train` creates one"
        )
    try:
        found = weights_path(str(name))
    except ValueError as error:
        raise UserError(
            f"no checkpoint {str(name)!r}: give a run folder from `hspcgan train`, a checkpoint folder, or the "
            "shipped toy-hspcgan"
        ) from error
    if not (found / CARD).is_file():
        raise UserError(
            f"{found} is not a checkpoint: expected a folder with {CARD} and the weights of the networks, such as "
            "RUN/checkpoints/step-… from `hspcgan train`, or toy-hspcgan"
        )
    return found


def open_checkpoint(
    name: str | Path, clip: FrozenClip | None = None, clip_path: str | None = None, allow_unverified: bool = False
) -> Loaded:
    """Opens the networks of a checkpoint.

    The CLIP is `clip` or the file `clip_path` (a path or the name of shipped weights), if one of them is given;
    otherwise the file that the checkpoint's card names or, if it is missing, the shipped CLIP of the same name. Raises
    UserError as `load` does.
    """
    path = find_checkpoint(name)
    clip_file = _found_clip(path) if clip_path is None else weights_path(clip_path)
    return load(path, clip, clip_file, allow_unverified)


def _found_clip(checkpoint: Path) -> Path | None:
    card = read_card(checkpoint)
    return clip_path_from_card(checkpoint, card) or shipped_weights().get(card["clip"]["name"])


@dataclass(frozen=True)
class TextSettings:
    """The parser and template settings that a checkpoint was trained with."""

    parse: ParseConfig
    templates: dict[str, str]  # by kind of phrase


def text_settings(checkpoint: Path) -> TextSettings:
    """Reads the parser and template settings from a checkpoint's card (`extra.texts`), or from its run's manifest.

    UserError if neither has them, since the same captions give different images with other settings.
    """
    texts = read_card(checkpoint).get("extra", {}).get("texts") or {}
    if texts.get("parse") and texts.get("templates"):
        where = f"{checkpoint / CARD}, extra.texts"
        templates = validate_as(Templates, texts["templates"], where)
        return TextSettings(validate_as(ParseConfig, texts["parse"], where), templates.model_dump())
    resolved = checkpoint.resolve().parent.parent / "manifest.yaml"
    if not resolved.is_file():
        raise UserError(
            f"{checkpoint / CARD} has no extra.texts (parser and template settings), and {resolved} is missing; move "
            "the checkpoint back to its run folder"
        )
    manifest = load_manifest(str(resolved))
    templates = manifest.section("encode", EncodeConfig).templates
    return TextSettings(manifest.section("parse", ParseConfig), templates.model_dump())
