"""Imports state files of the original GALIP code into networks that give the same images and scores.

A file contains `{"model": {"netG": …, "netD": …, "netC": …}}`; tensor names may begin with `module.`, and other keys
(optimizers, epoch) are ignored. The frozen CLIP inside netG is compared with the given CLIP, not imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from hspcgan.model.clip.file import read_saved, require_state_dict
from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import first_lines, shortened, validate_as
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.model.networks.discriminator import Discriminator, Head
from hspcgan.model.networks.generator import Generator

State = Mapping[str, Tensor]
Join = Callable[[list[Tensor]], Tensor]
NETWORKS = ("netG", "netD", "netC")
FROZEN = "mapping.CLIP_ViT."
LONGEST = 200  # characters of a list of names in a message
HALF_ROUNDING = 1e-3  # relative; OpenAI's loader rounds CLIP's matrices to float16, as does ours with `rounded`
LAYOUT = (("adapter_blocks", "mapping.FBlocks", 4), ("global_prompts", "prompts in mapping.fc_prompt", 8))
"""Sizes that are fixed in the original code: our key, the original name, the value."""

# Our prefix → prefix in the original code; the first match is used.
RENAMED = {
    "netG": (("adapter.blocks.", "mapping.FBlocks."), ("adapter.prompts.fc.", "mapping.fc_prompt."),
             ("adapter.", "mapping."), ("blocks.", "GBlocks.")),
    "netD": (("blocks.", "DBlocks."),),
    "netC": (("first.", "joint_conv.0."), ("last.", "joint_conv.2.")),
}  # fmt: skip
# Our modulation joins four MLPs of the original code into one tensor, in this order.
MLPS = ("affine0.fc_gamma", "affine0.fc_beta", "affine1.fc_gamma", "affine1.fc_beta")
FUSED: dict[str, tuple[str, Join]] = {
    "first.weight": ("linear1.weight", torch.cat),
    "first.bias": ("linear1.bias", torch.cat),
    "second": ("linear2.weight", torch.stack),
    "offset": ("linear2.bias", torch.stack),
}
UNUSED = re.compile(r"DBlocks\.\d+\.conv_s\.")  # shortcuts that the original code never applies


def import_galip(
    path: str | Path, clip: FrozenClip, image_size: int = 224
) -> tuple[Generator, Discriminator, Head, ModelConfig]:
    """Returns networks in eval mode with the weights of a state file, and the configuration inferred from the file.

    `image_size`, the height and width in pixels, cannot be inferred. Raises UserError if the file is not a GALIP state,
    if tensors are missing, unknown or have wrong shapes, or if the CLIP in the file differs from `clip`.
    """
    path = Path(path)
    states = _read(path)
    _require_same_clip(path, states["netG"], clip)
    config = _configuration(path, states, clip, image_size)
    networks = build(config, clip)
    for (name, state), network in zip(states.items(), networks, strict=True):
        _fill(f"{path}, {name}", RENAMED[name], state, network)
    return *networks, config


def clip_of(path: str | Path, clip_path: Path, allow_unverified: bool = False) -> FrozenClip:
    """Loads CLIP from `clip_path`, with or without rounding to float16, so that it equals the CLIP in the state file.

    If neither version is equal, returns the rounded one.
    """
    inside = _clip_weights(_read(Path(path))["netG"])
    rounded = load_clip(clip_path, allow_unverified)
    for clip in (rounded, load_clip(clip_path, allow_unverified, rounded=False)):
        tower = clip.network.visual.state_dict()
        if all(key in tower and torch.equal(value, tower[key]) for key, value in inside.items()):
            return clip
    return rounded


def _clip_weights(generator: State) -> State:
    """Returns the weights of the CLIP image encoder that the generator contains, with CLIP's tensor names."""
    return {key.removeprefix(FROZEN): value.float() for key, value in generator.items() if key.startswith(FROZEN)}


def _read(path: Path) -> dict[str, State]:
    if not path.exists():
        raise UserError(f"no GALIP state file at {path}; give the .pth file of a GALIP release")
    content = read_saved(path, "tensors")
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not all(isinstance(model.get(name), dict) for name in NETWORKS):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise UserError(
            f'{path} is not a GALIP state: expected {{"model": {{"netG", "netD", "netC"}}}}, got '
            f"{shortened(str(found), LONGEST)}"
        )
    for name in NETWORKS:
        require_state_dict(model[name], f"{name} in {path}")
        if other := [key for key, value in model[name].items() if not value.is_floating_point()]:
            raise UserError(
                f"{name} in {path} has {shortened(other[0])}, a {model[name][other[0]].dtype}, expected floats"
            )
    return {name: {key.removeprefix("module."): value for key, value in model[name].items()} for name in NETWORKS}


def _configuration(path: Path, states: Mapping[str, State], clip: FrozenClip, image_size: int) -> ModelConfig:
    """Infers the configuration from tensor shapes; `_fill` checks everything else."""
    g, d, c = (states[name] for name in NETWORKS)
    try:
        blocks = [g[f"GBlocks.{i}.c1.weight"].shape for i in range(_count_blocks(g, "GBlocks"))]  # each (out, in, 3, 3)
        sizes = {
            "noise_dim": g["fc_code.weight"].shape[1],
            "code_width": g["fc_code.weight"].shape[0] // clip.grid**2,
            "middle_width": g["mapping.FBlocks.0.conv1.weight"].shape[0],
            "adapter_blocks": _count_blocks(g, "mapping.FBlocks"),
            "global_prompts": g["mapping.fc_prompt.weight"].shape[0] // clip.width,
            "channels": (blocks[0][1], *(shape[0] for shape in blocks)),
            "discriminator_width": d["main.conv_r.0.weight"].shape[0],
            "head_width": c["joint_conv.0.weight"].shape[0],
        }
        for name, key, wanted in LAYOUT:
            if sizes[name] != wanted:
                raise UserError(f"{path} does not match GALIP's layout: expected {wanted} {key}, got {sizes[name]}")
    except KeyError as error:
        raise UserError(f"{path} is not a GALIP state: {error.args[0]} is missing") from error
    except IndexError as error:
        raise UserError(
            f"{path} is not a GALIP state: GBlocks.0.c1.weight is missing, or a weight is not a matrix"
        ) from error
    values = {"kind": "galip", "clip_input": "galip", "image_size": image_size, **sizes}
    return validate_as(ModelConfig, values, f"{path} is not a GALIP state: its tensors have impossible sizes")


def _count_blocks(state: State, prefix: str) -> int:
    """Returns the number of blocks whose tensor names begin with a prefix."""
    return len({key[len(prefix) + 1 :].partition(".")[0] for key in state if key.startswith(f"{prefix}.")})


def _fill(where: str, renamed: Sequence[tuple[str, str]], state: State, network: nn.Module) -> None:
    """Loads the original tensors of `state` into one of our networks.

    Raises UserError if a tensor is missing, unknown or has the wrong shape.
    """
    own = network.state_dict()
    sources = {key: _original_names(key, renamed) for key in own}
    wanted = {name for names, _ in sources.values() for name in names}
    present = {key for key in state if not key.startswith(FROZEN) and not UNUSED.match(key)}
    if wanted != present:
        lines = [f"missing {name}" for name in sorted(wanted - present)]
        lines += [f"unknown {shortened(name)}" for name in sorted(present - wanted)]
        raise UserError("\n  ".join([f"{where} does not match GALIP's layout:", *first_lines(lines)]))
    filled = {}
    for key, (names, join) in sources.items():
        parts = [state[name].float() for name in names]
        expected = own[key].shape
        filled[key] = join(parts) if len({part.shape for part in parts}) == 1 else torch.empty(0)
        if filled[key].shape != expected:
            shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in zip(names, parts, strict=True))
            raise UserError(f"{where}: cannot make {key} with the shape {tuple(expected)} from {shapes}")
    network.load_state_dict(filled)
    network.eval()


def _original_names(key: str, renamed: Sequence[tuple[str, str]]) -> tuple[list[str], Join]:
    """Returns the names of the original tensors that make up our tensor `key`, and the function that joins them."""
    name = next((theirs + key.removeprefix(ours) for ours, theirs in renamed if key.startswith(ours)), key)
    fuse = re.fullmatch(r"(.+\.fuse\d)\.(.+)", name)
    if fuse is None:
        return [name], lambda tensors: tensors[0]
    tail, join = FUSED[fuse[2]]
    return [f"{fuse[1]}.{mlp}.{tail}" for mlp in MLPS], join


def _require_same_clip(path: Path, generator: State, clip: FrozenClip) -> None:
    """Raises UserError if the frozen image encoder in the generator differs from the image encoder of `clip`."""
    ours = clip.network.visual.state_dict()
    theirs = _clip_weights(generator)
    unknown = sorted(theirs.keys() - ours.keys())
    if unknown:
        raise UserError(f"netG in {path} has unknown tensors of CLIP: {shortened(', '.join(unknown), LONGEST)}")
    missing = sorted(key for key in ours.keys() - theirs.keys() if not key.startswith(("ln_post", "proj")))
    if theirs and missing:
        raise UserError(f"netG in {path} lacks tensors of CLIP: {shortened(', '.join(missing), LONGEST)}")
    for key, value in theirs.items():
        same_shape = value.shape == ours[key].shape
        if not same_shape or not torch.allclose(value, ours[key].float(), rtol=HALF_ROUNDING, atol=1e-6):
            raise UserError(
                f"{path} was not trained with {clip.name} (sha256 {clip.sha256}): {FROZEN}{key} differs; "
                f"give the CLIP that it was trained with (--clip)"
            )
