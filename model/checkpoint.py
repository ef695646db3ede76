"""Weights to share: a folder with `model.safetensors` (all trainable networks) and `model.json` (their card).

The card, JSON: `format` 1 · `config`, the ModelConfig · `clip` {name, sha256, embed_dim, path_hint, rounded}:
the path relative to the folder, and `load_clip`'s `rounded` · `weights` {sha256, dtype, parameters per network} ·
`extra`, added by the writer (the trainer: step, cache, text settings, its own settings). Tensors are named
`generator/…`, `discriminator/…`, `head/…`; the frozen CLIP is not among them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder, file_sha256
from hspcgan.model.common.user_files import read_json
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator

FORMAT = 1
WEIGHTS, CARD = "model.safetensors", "model.json"
NEEDED = (
    ("config", "kind"),
    ("clip", "name"),
    ("clip", "sha256"),
    ("weights", "sha256"),
)  # strings in every card


@dataclass(frozen=True)
class Loaded:
    """A checkpoint's networks in float32 on the CPU, in eval mode, with what they were made from.

    `clip` converts pixels as in the networks' training (`ModelConfig.clip_input`).
    """

    generator: Generator
    discriminator: Discriminator
    head: Head
    config: ModelConfig
    clip: FrozenClip
    card: dict[str, Any]


def save_weights(
    path: str | Path,
    generator: Generator,
    discriminator: Discriminator,
    head: Head,
    config: ModelConfig,
    clip: FrozenClip,
    extra: Mapping[str, Any] | None = None,
    half: bool = False,
) -> Path:
    """Writes the folder `path`, completely or not at all; existing weights are replaced.

    `half` stores float16, for shipping. UserError if weights are not finite (in float16), `extra` is not JSON, or the
    folder contains other files.
    """
    path = Path(path)
    try:
        json.dumps(dict(extra or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"not saving {path}: extra must be plain JSON ({error})") from error
    dtype = torch.float16 if half else torch.float32
    networks: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "head": head}
    tensors = {
        f"{name}/{key}": value.detach().to("cpu", dtype).contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    broken = [key for key, value in tensors.items() if not value.isfinite().all()]
    if broken:
        raise UserError(f"not saving {path}: {len(broken)} tensors are not finite in {dtype}, such as {broken[0]}")
    card = {
        "format": FORMAT,
        "config": config.model_dump(mode="json"),
        "clip": {
            "name": clip.name,
            "sha256": clip.sha256,
            "embed_dim": clip.embed_dim,
            "path_hint": clip.path and os.path.relpath(clip.path, path.resolve()),
            "rounded": clip.rounded,
        },
        "weights": {
            "dtype": str(dtype).removeprefix("torch."),
            "parameters": {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        },
        "extra": dict(extra or {}),
    }
    _write_folder(path, tensors, card)
    return path


def load(
    path: str | Path,
    clip: FrozenClip | None = None,
    clip_path: str | Path | None = None,
    allow_unverified: bool = False,
) -> Loaded:
    """Networks of a folder written by `save_weights`, in evaluation mode on the CPU.

    The CLIP is the given one, or the file `clip_path`, or the file that the card names; it must have the card's
    sha256. `allow_unverified` as in `load_clip`: a card alone does not make an archive trusted. UserError if anything
    is missing, damaged or of another kind.
    """
    path = Path(path)
    card = read_card(path)
    try:
        config = ModelConfig.model_validate(card["config"])
    except ValidationError as error:
        raise UserError(f"{path / CARD}: {error}") from error
    seen = card["clip"]
    rounded = seen.get("rounded", True)
    if clip is None:
        clip_file = clip_path if clip_path is not None else hinted_clip(path, card)
        if clip_file is None:
            raise UserError(
                f"the CLIP of {path}, {seen['name']} (sha256 {seen['sha256']}), is not at "
                f"{seen.get('path_hint')} (relative to that folder); give its path by --clip"
            )
        clip = load_clip(clip_file, allow_unverified, rounded)
    elif clip.rounded != rounded and clip.path is not None:
        # The caller opened this file before, so it is trusted.
        clip = load_clip(clip.path, allow_unverified=True, rounded=rounded).to(clip.device)
    if clip.sha256 != seen["sha256"]:
        raise UserError(
            f"{path} was trained with CLIP {seen['name']} (sha256 {seen['sha256']}), "
            f"got {clip.name} (sha256 {clip.sha256}); give the path of the former"
        )
    tensors = _read_tensors(path, card)
    clip = clip.with_input(config.clip_input)
    generator, discriminator, head = build(config, clip)
    for name, network in (("generator", generator), ("discriminator", discriminator), ("head", head)):
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        try:
            network.load_state_dict(own)
        except RuntimeError as error:
            raise UserError(f"{path / WEIGHTS} does not fit its card: {error}") from error
        network.eval()
    return Loaded(generator, discriminator, head, config, clip, card)


def read_card(path: str | Path) -> dict[str, Any]:
    """The card of a checkpoint folder, without its weights. UserError if it is absent, damaged or of another format."""
    file = Path(path) / CARD
    try:
        card = read_json(file)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint in {path}: {CARD} is missing; give the folder that holds it") from error
    except UserError as error:
        raise UserError(f"{error}; the checkpoint is damaged, use another one") from error
    found = card.get("format") if isinstance(card, dict) else None
    if found != FORMAT or found is True:
        raise UserError(f"{file} has format {found}, this version reads {FORMAT}")
    extra = card.get("extra", {})
    hint = card["clip"].get("path_hint") if isinstance(card.get("clip"), dict) else None
    texts = extra.get("texts") if isinstance(extra, dict) else extra
    if not isinstance(texts, dict | None) or not isinstance(hint, str | None):
        raise UserError(f"{file}: extra.texts or clip.path_hint is of another kind; the checkpoint is damaged")
    sections = {key: value for key, value in card.items() if isinstance(value, dict)}
    missing = [f"{section}.{key}" for section, key in NEEDED if not isinstance(sections.get(section, {}).get(key), str)]
    if missing:
        raise UserError(f"{file} lacks {', '.join(missing)}; the checkpoint is damaged, use another one")
    return card


def hinted_clip(path: Path, card: dict[str, Any]) -> Path | None:
    """The CLIP file that a checkpoint's card names, if it exists."""
    hint = card["clip"].get("path_hint")
    return path / hint if hint and (path / hint).is_file() else None


def _write_folder(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    others = sorted({entry.name for entry in path.iterdir()} - {WEIGHTS, CARD}) if path.is_dir() else []
    if others:
        raise UserError(
            f"{path} contains files that are not part of a checkpoint ({', '.join(others[:5])}); name another folder"
        )
    with atomic_folder(path) as work:
        save_file(tensors, work / WEIGHTS)
        card["weights"]["sha256"] = file_sha256(work / WEIGHTS)
        (work / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        shutil.copymode(work / CARD, work / WEIGHTS)  # safetensors' own mode gives other users no access


def _read_tensors(path: Path, card: dict[str, Any]) -> dict[str, Tensor]:
    file = path / WEIGHTS
    if not file.is_file():
        raise UserError(f"{file} is missing; the checkpoint is damaged, use another one")
    expected, got = card["weights"].get("sha256"), file_sha256(file)
    if got != expected:
        raise UserError(f"{file} is damaged: sha256 {got}, expected {expected} by its card; use another checkpoint")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise UserError(f"{file} is not a safetensors file: {error}; use another checkpoint") from error
