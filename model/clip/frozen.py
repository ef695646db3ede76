"""The frozen CLIP of OpenAI: computes text features, image features and taps, and runs the image encoder with prompts.

Legend: B batch, L text positions, d embedding width, D image-tower width, g patches per side, P prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hspcgan.model.clip.block import key_mask, normalized, run_block
from hspcgan.model.clip.file import mismatch, read_clip_file
from hspcgan.model.clip.openai_package import network_module, tokenizer
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import as_path
from hspcgan.model.common.validation import require_list
from hspcgan.model.config import ClipShape
from hspcgan.model.networks.uninitialized import Uninitialized

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

Gate = Callable[[int, Tensor, Tensor], Tensor]


class FrozenClip(nn.Module):
    """OpenAI's CLIP with a vision transformer as image encoder, in float32; its weights get no gradients.

    `name` is OpenAI's name for published weights, otherwise the stem of the file; `sha256` is that of the file.
    `clip_input` is explained in ModelConfig, `rounded` in load_clip.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        network: Any,
        name: str,
        sha256: str,
        path: Path | None = None,
        clip_input: str = "exact",
        rounded: bool = True,
    ):
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.name, self.sha256, self.path, self.clip_input = name, sha256, path, clip_input
        self.rounded = rounded
        visual: Any = network.visual
        self.patch: int = visual.conv1.kernel_size[0]
        self.context_length: int = network.context_length
        self.shape = ClipShape(
            embed_dim=visual.proj.shape[1],
            width=visual.proj.shape[0],
            grid=visual.input_resolution // self.patch,
            layers=len(visual.transformer.resblocks),
            resolution=visual.input_resolution,
        )
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD)[:, None, None], persistent=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenClip:
        """Returns a copy that shares the memory of the weights until the copy is cast or moved to another device."""
        weights = {id(p): nn.Parameter(p.data, requires_grad=False) for p in self.network.parameters()}
        network = deepcopy(self.network, memo | weights)
        copy = FrozenClip(network, self.name, self.sha256, self.path, self.clip_input, self.rounded)
        return copy.to(self.pixel_mean)

    @property
    def embed_dim(self) -> int:
        return self.shape.embed_dim

    @property
    def width(self) -> int:
        return self.shape.width

    @property
    def grid(self) -> int:
        return self.shape.grid

    @property
    def layers(self) -> int:
        return self.shape.layers

    @property
    def resolution(self) -> int:
        return self.shape.resolution

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def with_input(self, clip_input: str) -> FrozenClip:
        """Returns a CLIP with the same weights and the given input preprocessing (`ModelConfig.clip_input`)."""
        if clip_input == self.clip_input:
            return self
        return FrozenClip(self.network, self.name, self.sha256, self.path, clip_input, self.rounded)

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Returns the tokens of strings, int64 [B, L], padded to the longest, and whether each was truncated, bool [B].

        A truncated string keeps its beginning and the end-of-text token, as with `clip.tokenize(truncate=True)`.
        """
        require_list(texts, "strings")
        openai = tokenizer()
        begin, end = openai.encoder["<|startoftext|>"], openai.encoder["<|endoftext|>"]
        rows = [[begin, *openai.encode(text), end] for text in texts]
        truncated = torch.tensor([len(row) > self.context_length for row in rows], dtype=torch.bool)
        rows = [row if len(row) <= self.context_length else [*row[: self.context_length - 1], end] for row in rows]
        ids = torch.zeros(len(rows), max(map(len, rows), default=2), dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        return ids, truncated

    def encode_text(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Returns sentence features [B, d] and token features [B, L, d] for tokens [B, L]; they are not normalised.

        Token features are `ln_final(x) @ text_projection`; the sentence feature is the row of the end-of-text token. L
        may be less than the context length: attention is causal, so padding after the end has no influence.
        """
        clip, length = self.network, tokens.shape[1]
        if length > self.context_length:
            raise ValueError(f"tokens of length {length} exceed CLIP's context length of {self.context_length}")
        x = clip.token_embedding(tokens) + clip.positional_embedding[:length]  # [B, L, W]
        for block in clip.transformer.resblocks:
            x = run_block(block, x, causal=True)
        features = normalized(clip.ln_final, x) @ clip.text_projection  # [B, L, d]
        rows = torch.arange(len(tokens), device=tokens.device)
        return features[rows, tokens.argmax(dim=-1)], features

    def image_features(self, images: Tensor) -> Tensor:
        """Returns the image features [B, d], not normalised, of images NCHW in [-1, 1] of any size."""
        return self.image_taps(images, blocks=())[1]

    def image_taps(self, images: Tensor, blocks: Sequence[int] = (1, 4, 8)) -> tuple[list[Tensor], Tensor]:
        """Returns taps (the patch features [B, D, g, g] after each of `blocks`) and image features [B, d].

        Blocks are counted from 0. Images are NCHW float in [-1, 1], of any size. Image features are not normalised.
        """
        taps, x = self._image_pass(images, blocks, self.layers)
        visual = self.network.visual
        return taps, normalized(visual.ln_post, x[:, 0]) @ visual.proj

    def taps_only(self, images: Tensor, blocks: Sequence[int] = (1, 4, 8)) -> list[Tensor]:
        """Returns only the taps of `image_taps`; the blocks after the last tap are not computed."""
        return self._image_pass(images, blocks, max(blocks) + 1)[0]

    def prompted(
        self,
        bridge: Tensor,
        prompts: Tensor,
        active: Tensor | None,
        blocks: Sequence[int],
        gate: Gate | None,
    ) -> Tensor:
        """Passes bridge features [B, D, g, g] through the image encoder with prompts; returns patches [B, D, g, g].

        `bridge` has the shape of the patch embeddings. `prompts` is [B, P, D]; prompt i enters the block `blocks[i]`.
        `gate(i, cls, prompt) -> [B, 1]` returns the share of the prompt when it is mixed into the class token [B, D]
        before the block. Without a gate, the prompt is an extra token in that block and is dropped after it (GALIP).
        `active` [B, P] is bool (False for an empty slot, which is ignored) or a float in [0, 1], the weight of a slot;
        if it is None, all slots are active.
        """
        slots = {block: i for i, block in enumerate(blocks)}
        x = self._embed(bridge)  # [B, 1 + g², D]
        for number, block in enumerate(self.network.visual.transformer.resblocks):
            i = slots.get(number)
            if i is None:
                x = run_block(block, x)
                continue
            real = None if active is None else active[:, i, None]  # [B, 1]
            if gate is None:
                x = run_block(block, torch.cat([x, prompts[:, i, None]], dim=1), key_mask(x, real))[:, :-1]
            else:
                cls, prompt = x[:, 0], prompts[:, i]  # [B, D]
                share = gate(i, cls, prompt)  # [B, 1]
                if real is not None:
                    share = share * real
                cls = (1 - share) * cls + share * prompt
                x = run_block(block, torch.cat([cls[:, None], x[:, 1:]], dim=1))
        return self._to_grid(x)

    def _image_pass(self, images: Tensor, blocks: Sequence[int], stop: int) -> tuple[list[Tensor], Tensor]:
        x = self._embed(self.network.visual.conv1(self._pixels(images)))
        kept = {}
        for number, block in enumerate(self.network.visual.transformer.resblocks[:stop]):
            x = run_block(block, x)
            if number in blocks:
                kept[number] = self._to_grid(x)
        return [kept[number] for number in blocks], x

    def _pixels(self, images: Tensor) -> Tensor:
        """Resizes images NCHW in [-1, 1] to CLIP's resolution and normalises them as in CLIP's training."""
        size = (self.resolution, self.resolution)
        if self.clip_input == "galip":  # GALIP's code maps [-1, 1] to [0, 1] twice, which gives [0.5, 1]
            return ((F.interpolate(images, size=size) + 3) / 4 - self.pixel_mean) / self.pixel_std
        if images.shape[-2:] != size:
            images = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        return ((images + 1) / 2 - self.pixel_mean) / self.pixel_std

    def _embed(self, patches: Tensor) -> Tensor:
        visual = self.network.visual
        x = patches.flatten(2).transpose(1, 2)  # [B, g², D]
        cls = visual.class_embedding.expand(len(x), 1, -1)  # [B, 1, D]
        return normalized(visual.ln_pre, torch.cat([cls, x], dim=1) + visual.positional_embedding)

    def _to_grid(self, x: Tensor) -> Tensor:
        return x[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))


def load_clip(path: str | Path, allow_unverified: bool = False, rounded: bool = True) -> FrozenClip:
    """Loads CLIP from a state dict (`torch.save`) or an OpenAI TorchScript archive, in float32 on the CPU.

    An archive can contain code, so it is opened only if its sha256 is in OpenAI's list or `allow_unverified` is set.
    `rounded`: matrices are rounded to float16, as in OpenAI's loader. UserError for other files, other networks and
    CLIPs with a ResNet.
    """
    path = as_path(path, "a CLIP")
    state, sha256, name = read_clip_file(path, allow_unverified)
    try:
        with Uninitialized():
            network = network_module().build_model(state).float()
        if not rounded:
            network.load_state_dict(state)
    except (RuntimeError, LookupError, ValueError, ArithmeticError, AttributeError, TypeError, AssertionError) as error:
        # OpenAI's code checks nothing, so a damaged file causes any of these
        raise UserError(
            f"{path} does not match OpenAI's CLIP: {mismatch(error)}; the file is damaged or is another network, so "
            "download it again, or give another file"
        ) from error
    # After the conversion, since numbers that float64 or float32 can hold may be infinite in float16.
    if broken := [name for name, value in network.state_dict().items() if not value.isfinite().all()]:
        raise UserError(f"{path} is damaged: {broken[0]} has values that are NaN or infinite; download the file again")
    return FrozenClip(network, name, sha256, path.resolve(), rounded=rounded)


def pick_device(wanted: str, key: str) -> torch.device:
    """Returns the torch device for the setting "auto" (the GPU if there is one), "cpu" or "cuda".

    Raises UserError, with the setting's name `key`, for other settings, and for "cuda" if torch finds no GPU.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise UserError(f"{key} is {wanted!r}; expected auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{key} is cuda, but torch finds no GPU; use auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
