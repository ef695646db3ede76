"""GALIP's networks in plain PyTorch, based on its paper and the parameter names in its state files.

No other code of this package is used: every MLP, affine and convolution is a separate module, applied in the original
order. The networks are the reference for imported checkpoints and for the speed of the trainer.

Legend: B batch, C channels, c condition width, D image-tower width, g grid, d text width.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TAPS = (1, 4, 8)


def mlp(condition: int, channels: int) -> nn.Sequential:
    """Builds an MLP of Linear, ReLU and Linear: [B, c] → [B, C]."""
    layers = [
        ("linear1", nn.Linear(condition, channels)),
        ("relu1", nn.ReLU()),
        ("linear2", nn.Linear(channels, channels)),
    ]
    return nn.Sequential(OrderedDict(layers))


class Affine(nn.Module):
    """Computes γ·x + β, where γ and β come from two separate MLPs."""

    def __init__(self, condition: int, channels: int):
        super().__init__()
        self.fc_gamma, self.fc_beta = mlp(condition, channels), mlp(condition, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.fc_gamma(condition)[:, :, None, None] * x + self.fc_beta(condition)[:, :, None, None]


class Fuse(nn.Module):
    """Two affine layers, each followed by LeakyReLU."""

    def __init__(self, condition: int, channels: int):
        super().__init__()
        self.affine0, self.affine1 = Affine(condition, channels), Affine(condition, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = F.leaky_relu(self.affine0(x, condition), 0.2)
        return F.leaky_relu(self.affine1(x, condition), 0.2)


class FBlock(nn.Module):
    """Residual block of the adapter; its resolution is that of CLIP's grid."""

    def __init__(self, condition: int, channels: int, middle: int):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, middle, 3, 1, 1), nn.Conv2d(middle, channels, 3, 1, 1)
        self.fuse1, self.fuse2 = Fuse(condition, middle), Fuse(condition, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.fuse1(self.conv1(x), condition)
        return x + self.fuse2(self.conv2(h), condition)


class GBlock(nn.Module):
    """Residual block of the generator; it upsamples first, then applies all its layers."""

    def __init__(self, condition: int, before: int, after: int, size: int):
        super().__init__()
        self.size = size
        self.c1, self.c2 = nn.Conv2d(before, after, 3, 1, 1), nn.Conv2d(after, after, 3, 1, 1)
        self.fuse1, self.fuse2 = Fuse(condition, before), Fuse(condition, after)
        if before != after:
            self.c_sc = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = F.interpolate(x, size=(self.size, self.size))
        h = self.c1(self.fuse1(x, condition))
        h = self.c2(self.fuse2(h, condition))
        return h + (self.c_sc(x) if hasattr(self, "c_sc") else x)


class ImageTower(nn.Module):
    """CLIP's image encoder as netG contains it: without the last layer norm and without the projection."""

    def __init__(self, visual: Any):
        super().__init__()
        self.conv1, self.ln_pre, self.transformer = visual.conv1, visual.ln_pre, visual.transformer
        self.class_embedding, self.positional_embedding = visual.class_embedding, visual.positional_embedding

    def tokens(self, patches: Tensor) -> Tensor:
        x = patches.flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.repeat(len(x), 1, 1), x], dim=1)
        return self.ln_pre(x + self.positional_embedding).transpose(0, 1)  # [1 + g², B, D]

    def forward(self, bridge: Tensor, prompts: Tensor) -> Tensor:
        x = self.tokens(bridge)
        for number, block in enumerate(self.transformer.resblocks):
            prompted = 1 <= number <= 8
            x = block(torch.cat([x, prompts[None, :, number - 1]]))[:-1] if prompted else block(x)
        return x[1:].permute(1, 2, 0).reshape(bridge.shape)

    def taps_and_class_token(self, images: Tensor, resolution: int) -> tuple[list[Tensor], Tensor]:
        """Returns the patch features after blocks 1, 4 and 8, and the class token after the last block.

        Images are resized with nearest-neighbour sampling and rescaled to [0.5, 1] before normalisation.
        """
        halved = F.interpolate(images * 0.5 + 0.5, size=(resolution, resolution))
        mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, STD))
        pixels = ((halved + 1) * 0.5 - mean) / std
        patches, taps = self.conv1(pixels), []
        x = self.tokens(patches)
        for number, block in enumerate(self.transformer.resblocks):
            x = block(x)
            if number in TAPS:
                taps.append(x[1:].permute(1, 2, 0).reshape(patches.shape))
        return taps, x[0]


class Mapping(nn.Module):
    """The adapter: computes bridge features, passes them through the prompted CLIP, returns generator features."""

    def __init__(self, condition: int, code: int, middle: int, out: int, visual: Any):
        super().__init__()
        self.width = visual.conv1.out_channels
        self.FBlocks = nn.ModuleList(FBlock(condition, code, middle) for _ in range(4))
        self.conv_fuse = nn.Conv2d(code, self.width, 5, 1, 2)
        self.CLIP_ViT = ImageTower(visual)
        self.conv = nn.Conv2d(self.width, out, 5, 1, 2)
        self.fc_prompt = nn.Linear(condition, 8 * self.width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        prompts = self.fc_prompt(condition).view(len(x), 8, self.width)
        for block in self.FBlocks:
            x = block(x, condition)
        bridge = self.conv_fuse(x)
        return self.conv(bridge + 0.1 * self.CLIP_ViT(bridge, prompts))


class NetG(nn.Module):
    """The generator."""

    def __init__(
        self, visual: Any, text: int, noise: int, code: int, middle: int, channels: Sequence[int], sizes: Sequence[int]
    ):
        super().__init__()
        self.fc_code = nn.Linear(noise, code * 49)
        self.mapping = Mapping(noise + text, code, middle, channels[0], visual)
        blocks = zip(channels[:-1], channels[1:], sizes, strict=True)
        self.GBlocks = nn.ModuleList(GBlock(noise + text, *block) for block in blocks)
        self.to_rgb = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(channels[-1], 3, 3, 1, 1))

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:
        condition = torch.cat([noise, sentence], dim=1)
        x = self.mapping(self.fc_code(noise).view(len(noise), -1, 7, 7), condition)
        for block in self.GBlocks:
            x = block(x, condition)
        return self.to_rgb(x)


class DBlock(nn.Module):
    """Residual block of the discriminator."""

    def __init__(self, before: int, after: int, reads_tap: bool):
        super().__init__()
        first, second = (nn.Conv2d(width, after, 3, 1, 1, bias=False) for width in (before, after))
        self.conv_r = nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))
        self.conv_s = nn.Conv2d(before, after, 1)  # exists in every block, applied only if there is no tap
        self.gamma = nn.Parameter(torch.zeros(1))
        if reads_tap:
            self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, tap: Tensor | None = None) -> Tensor:
        residual = self.gamma * self.conv_r(x)
        if tap is None:
            return self.conv_s(x) + residual
        return x + residual + self.beta * tap


class NetD(nn.Module):
    """The discriminator: computes image features from taps."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.DBlocks = nn.ModuleList(DBlock(width, width, True) for _ in range(2))
        self.main = DBlock(width, out, False)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        x = self.DBlocks[0](taps[0], taps[1])
        return self.main(self.DBlocks[1](x, taps[2]))


class NetC(nn.Module):
    """The head: repeats the sentence at each grid position and scores it together with the image features."""

    def __init__(self, image: int, text: int, hidden: int):
        super().__init__()
        first, last = nn.Conv2d(image + text, hidden, 4, bias=False), nn.Conv2d(hidden, 1, 4, bias=False)
        self.joint_conv = nn.Sequential(first, nn.LeakyReLU(0.2), last)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        everywhere = sentence[:, :, None, None].repeat(1, 1, *features.shape[2:])
        return self.joint_conv(torch.cat([features, everywhere], dim=1)).flatten()


def networks(
    visual: Any,
    text: int,
    *,
    noise: int = 100,
    code: int = 64,
    middle: int = 32,
    channels: Sequence[int] = (512, 512, 512, 512, 256, 128, 64),
    sizes: Sequence[int] = (8, 16, 32, 64, 128, 224),
    features: int = 512,
    hidden: int = 128,
    seed: int = 0,
) -> tuple[NetG, NetD, NetC]:
    """Builds netG, netD and netC; netG contains OpenAI's image encoder `visual`.

    All trainable weights are random, including those that normally start at 0 or 1.
    """
    torch.manual_seed(seed)
    g = NetG(visual, text, noise, code, middle, channels, sizes)
    made = g, NetD(visual.conv1.out_channels, features), NetC(features, text, hidden)
    with torch.no_grad():
        for network in made:
            for name, parameter in network.named_parameters():
                if "CLIP_ViT" not in name:
                    fan_in = parameter[0].numel() if parameter.dim() > 1 else 100
                    parameter.add_(torch.randn_like(parameter), alpha=fan_in**-0.5)
    return made
