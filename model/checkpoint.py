"""Saves and loads shareable checkpoints: folders with `model.safetensors` (weights) and `model.json` (the card).

The card is JSON: `format` 1 · `config`, the ModelConfig · `clip` {name, sha256, embed_dim, path_hint, rounded}, with
`path_hint` relative to the folder and `rounded` as in `load_clip` · `weights` {sha256, dtype, parameters per network} ·
`extra`, data of the caller (of the trainer: step, cache, text settings, training settings). The weights are those of
the trainable networks, with tensors named `generator/…`, `discriminator/…`, `head/…`; CLIP is not included.
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
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hspcgan.model.card_fields import Card
from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_folder, file_sha256
from hspcgan.model.common.printable import format_count
from hspcgan.model.common.user_files import MAX_JSON, as_path, no_file, read_json, read_pointer, require_characters
from hspcgan.model.common.validation import first_lines, quoted, shortened, validate_as
from hspcgan.model.config import ModelConfig
from hspcgan.model.meta_device import meta_networks
from hspcgan.model.networks.build import build
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator
from hspcgan.model.networks.uninitialized import Uninitialized

FORMAT = 1
WEIGHTS, CARD = "model.safetensors", "model.json"
NETWORKS = ("generator", "discriminator", "head")


@dataclass(frozen=True)
class Loaded:
    """A loaded checkpoint: networks in eval mode (float32, on the CPU), their configuration, CLIP, and the card.

    `clip` converts pixels as in training (`ModelConfig.clip_input`).
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
    """Saves networks as a checkpoint in the folder `path`, atomically; replaces a checkpoint that is already there.

    `half` stores the weights in float16, for distribution. UserError if weights are not finite (in float16 with
    `half`), `extra` is not JSON, or the folder contains other files.
    """
    path = Path(path)
    try:
        json.dumps(dict(extra or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot save {path}: extra must contain only JSON values ({error})") from error
    dtype = torch.float16 if half else torch.float32
    networks: dict[str, nn.Module] = dict(zip(NETWORKS, (generator, discriminator, head), strict=True))
    tensors = {
        f"{name}/{key}": value.detach().to("cpu", dtype).contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    broken = [key for key, value in tensors.items() if not value.isfinite().all()]
    if broken:
        raise UserError(
            f"cannot save {path}: {format_count(len(broken), 'tensor')} with values that are not finite in "
            f"{dtype}, such as {broken[0]}"
        )
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
    """Loads a checkpoint folder that `save_weights` wrote.

    Uses `clip` if it is given; otherwise loads CLIP from `clip_path` or, without it, from the path in the card. The
    sha256 of the CLIP must equal the sha256 in the card. `allow_unverified` is passed to `load_clip`. Raises UserError
    if a file is missing or damaged, or if its content has the wrong type.
    """
    path = as_path(path, "a checkpoint")
    card = read_card(path)
    config = validate_as(ModelConfig, card["config"], f"{path / CARD}: config is invalid; use another checkpoint")
    seen = card["clip"]
    rounded = seen.get("rounded", True)
    if clip is None:
        clip_file = clip_path if clip_path is not None else clip_path_from_card(path, card)
        if clip_file is None:
            raise UserError(
                f"{path} needs CLIP {seen['name']} (sha256 {seen['sha256']}), which is not found at "
                f"{seen.get('path_hint')} (relative to the checkpoint folder); give its path with --clip"
            )
        clip = load_clip(clip_file, allow_unverified, rounded)
    elif clip.rounded != rounded and clip.path is not None:
        # The caller has already opened this file, so it is trusted.
        clip = load_clip(clip.path, allow_unverified=True, rounded=rounded).to(clip.device)
    if clip.sha256 != seen["sha256"]:
        raise UserError(
            f"{path} was trained with CLIP {seen['name']} (sha256 {seen['sha256']}), got {clip.name} (sha256 "
            f"{clip.sha256}); give the path of {seen['name']}"
        )
    tensors = _read_tensors(path, card)
    clip = clip.with_input(config.clip_input)
    try:
        shapes = meta_networks(config, clip)
    except UserError as error:
        raise UserError(f"{path / CARD}: {error}; correct the file, or use another checkpoint") from error
    own = [{key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
           for name in NETWORKS]  # fmt: skip
    for name, found, network in zip(NETWORKS, own, shapes, strict=True):  # before a wrong size can take all memory
        _require_same_tensors(found, network.state_dict(), name, path)
    with Uninitialized():
        generator, discriminator, head = build(config, clip)
    for found, network in zip(own, (generator, discriminator, head), strict=True):
        network.load_state_dict(found)
        network.eval()
    return Loaded(generator, discriminator, head, config, clip, card)


def read_card(path: str | Path) -> dict[str, Any]:
    """Returns the card (the content of `model.json`) of a checkpoint folder, without loading the weights.

    Raises UserError if the card is missing or damaged, or has an unsupported format.
    """
    file = Path(path) / CARD
    try:
        card = read_json(file, MAX_JSON)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint in {path}: {CARD} is missing; give the folder that contains it") from error
    except UserError as error:
        raise UserError(f"{error}; the checkpoint is damaged, so use another checkpoint") from error
    if not isinstance(card, dict):
        raise UserError(f"{file} is damaged: expected keys, as in {{key: value}}; use another checkpoint")
    found = card.get("format")
    if found != FORMAT or found is True:
        raise UserError(
            f"{file} has format {quoted(found)}, but this version of hspcgan reads format {FORMAT}; use the version of "
            "hspcgan that wrote it"
        )
    require_characters(card, file)
    validate_as(Card, card, f"{file} is damaged; use another checkpoint")
    try:
        json.dumps(card, allow_nan=False)
    except ValueError as error:
        raise UserError(f"{file} is damaged: it contains NaN or Infinity; use another checkpoint") from error
    return card


def checkpoint_at(path: Path) -> Path | None:
    """Returns the checkpoint folder that a path means, or None: the folder, a run's latest, or that of `best`."""
    if (path / CARD).is_file():
        return path
    pointer = path if path.name in ("latest", "best") else path / "checkpoints" / "latest"
    return read_pointer(pointer, CARD) if pointer.is_file() else None


def _require_same_tensors(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor], network: str, path: Path) -> None:
    """Raises UserError if the tensors of a network do not have the names, shapes and types that its config requires."""
    lines = [f"{network}/{key} is missing" for key in wanted.keys() - got.keys()]
    lines += [f"{network}/{key} is unknown" for key in got.keys() - wanted.keys()]
    lines += [
        f"{network}/{key} has shape {list(got[key].shape)}, expected {list(wanted[key].shape)}"
        for key in wanted.keys() & got.keys()
        if got[key].shape != wanted[key].shape
    ]
    lines += [  # PyTorch would convert integers and complex numbers to floats without a message
        f"{network}/{key} is {got[key].dtype}, expected {wanted[key].dtype}"
        for key in wanted.keys() & got.keys()
        if got[key].is_floating_point() != wanted[key].is_floating_point()
    ]
    if lines:
        raise UserError(
            f"{path / WEIGHTS} does not match the sizes in {CARD}; use another checkpoint:\n  "
            + "\n  ".join(first_lines([shortened(line, 200) for line in sorted(lines)], most=5))
        )


def clip_path_from_card(path: Path, card: dict[str, Any]) -> Path | None:
    """Returns the path of the CLIP file that the card of a checkpoint names, or None if that file does not exist."""
    hint = card["clip"].get("path_hint")
    return path / hint if hint and (path / hint).is_file() else None


def _write_folder(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    others = sorted({entry.name for entry in path.iterdir()} - {WEIGHTS, CARD}) if path.is_dir() else []
    if others:
        raise UserError(
            f"{path} contains files that are not part of a checkpoint ({', '.join(others[:5])}); give another folder"
        )
    with atomic_folder(path) as work:
        save_file(tensors, work / WEIGHTS)
        card["weights"]["sha256"] = file_sha256(work / WEIGHTS)
        (work / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        shutil.copymode(work / CARD, work / WEIGHTS)  # safetensors creates files that other users cannot read


def _read_tensors(path: Path, card: dict[str, Any]) -> dict[str, Tensor]:
    file = path / WEIGHTS
    if not file.is_file():
        problem = f"is {no_file(file)}" if os.path.lexists(file) else "is missing"
        raise UserError(f"{file} {problem}; the checkpoint is damaged, so use another checkpoint")
    expected = card["weights"].get("sha256")
    try:
        with safe_open(file, "pt"):  # compares the file's size with its header before a huge file would be hashed
            got = file_sha256(file)
        if got != expected:
            raise UserError(
                f"{file} is damaged: sha256 {got}, expected {expected} (from {CARD}); use another checkpoint"
            )
        return load_file(file)
    except SafetensorError as error:
        raise UserError(f"{file} is not a safetensors file: {error}; use another checkpoint") from error
