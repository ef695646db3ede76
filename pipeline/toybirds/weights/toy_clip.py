"""Trains the toy CLIPs: OpenAI's architecture on toy birds, saved as a state dict that `clip.model.build_model` loads.

The loss is contrastive as in CLIP (Radford et al. 2021), but since the true texts of each picture are known, every true
pair in the batch is a positive. In addition to captions, the CLIP learns to choose the correct colour of eleven in
short descriptions, and to classify phrases in the three prompt templates as true or false. Some pictures lack parts:
otherwise "a photo of a beak" and "a photo of a belly" would be true of all pictures and get equal vectors.

Three methods reduce training from hours to minutes. A linear layer, used only in training, predicts the part and colour
in each patch from an intermediate block. The matrices of the blocks are trained by Muon (Jordan et al. 2024). The
position embeddings of the image encoder are initialised with sines and cosines (Vaswani et al. 2017), as in Beyer et
al. 2022.

The first convolution is a fixed cosine transform, so that no pattern is lost in it. With random weights, a third of all
patterns in a patch would have no influence on CLIP's features; a discriminator on these could not remove such patterns
from generated birds.
"""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hspcgan.model.clip.file import openai_clip
from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import atomic_file
from hspcgan.model.image_views import to_signed
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import COLOURS, sample_scenes
from hspcgan.pipeline.toybirds.weights.clip_losses import locating_loss, matching_loss
from hspcgan.pipeline.toybirds.weights.training_data import LOCATED, TrainingBatch, TrainingScenes, training_batches
from hspcgan.pipeline.toybirds.weights.true_texts import descriptions, phrases

log = logging.getLogger("hspcgan.pipeline")

if TYPE_CHECKING:
    from clip.model import CLIP, VisionTransformer


@dataclass(frozen=True)
class Recipe:
    """Sizes and training settings of a toy CLIP."""

    seed: int
    vision_width: int
    vision_layers: int
    text_width: int = 64
    embed_dim: int = 64
    text_layers: int = 6
    patch: int = 8
    resolution: int = 56
    scenes: int = 16000
    steps: int = 3000
    batch: int = 128
    rate: float = 1e-3
    muon_rate: float = 0.02


RECIPES = {
    "toy-clip": Recipe(seed=11, vision_width=128, vision_layers=12),
    "toy-scorer": Recipe(seed=29, vision_width=192, vision_layers=4),
}


def build(recipe: Recipe) -> "CLIP":
    torch.manual_seed(recipe.seed)
    model = openai_clip().model.CLIP(
        recipe.embed_dim, recipe.resolution, recipe.vision_layers, recipe.vision_width, recipe.patch,
        77, 49408, recipe.text_width, recipe.text_width // 64, recipe.text_layers,
    )  # fmt: skip
    visual = model.visual
    visual.positional_embedding.data[1:] = _positions(recipe.resolution // recipe.patch, recipe.vision_width)
    visual.conv1.weight.data = _cosines(recipe.patch, recipe.vision_width)
    return model


def _cosines(patch: int, width: int) -> Tensor:
    """Returns the patch embedding [width, 3, patch, patch]: a discrete cosine transform, as in JPEG.

    It contains all frequencies of the brightness, and the lowest frequencies of the colours up to `width`. Amplitudes
    grow with the frequency, since those of drawn patches fall; all features then have similar variance.
    """
    place = torch.arange(patch)
    waves = torch.cos(math.pi * (place + 0.5) * place[:, None] / patch) * math.sqrt(2 / patch)  # [frequency, pixel]
    waves[0] /= math.sqrt(2)
    mixes = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    mixes = mixes / mixes.norm(dim=1, keepdim=True) * torch.tensor([[1.0], [2.0], [3.0]])
    order = (place[:, None] + place).flatten()  # the sum of both frequencies
    basis = torch.einsum("oc,uy,vx->uvocyx", mixes, waves, waves).flatten(0, 1)  # [patch², 3, 3, patch, patch]
    basis = basis * ((1 + order) / patch)[:, None, None, None, None]
    lowest = order.argsort(stable=True)
    colours = basis[lowest, 1:].flatten(0, 1)[: width - patch**2]
    return torch.cat([basis[:, 0], colours])


def _positions(grid: int, width: int) -> Tensor:
    """Returns position embeddings [grid², width]: sines and cosines of row and column, of wavelengths ≥ 4 patches."""
    rates = 1.5 / 100 ** torch.linspace(0, 1, width // 4 + 1)[:-1]
    row, column = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [place.flatten()[:, None] * rates for place in (row, column)]
    return 0.5 * torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def train(recipe: Recipe) -> "CLIP":
    """Trains a toy CLIP and returns it in float32; uses the forward pass of FrozenClip, with gradients."""
    pictures = TrainingScenes(recipe.scenes, recipe.seed, recipe.resolution, recipe.patch)
    model = build(recipe)
    tower = FrozenClip(model, "in training", sha256="").requires_grad_(True)
    offset = torch.zeros(len(phrases()), requires_grad=True)  # cosine at which a phrase is as likely true as false
    locator = nn.Linear(recipe.vision_width, len(LOCATED) * (1 + len(COLOURS)))
    optimizers = _optimizers(model, [offset, *locator.parameters()], recipe)
    stream = training_batches(pictures, recipe.batch, recipe.seed + 1)
    for step in tqdm(range(recipe.steps), "toy CLIP", disable=None):
        for optimizer, rate in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * min((step + 1) / 50, 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))
        loss = _loss(tower, offset, locator, next(stream))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 50 == 0:
            log.info(f"step {step} loss {loss.item():.4f} scale {model.logit_scale.exp().item():.1f}")
    model.requires_grad_(False).cpu()
    scale_down_residuals(model.visual)
    return model


def scale_down_residuals(visual: "VisionTransformer", factor: float = 0.25) -> None:
    """Scales down the residual stream of the image encoder; image features do not change, since layer norms follow.

    After training with Muon, its values are several times larger than in OpenAI's CLIP, and discriminators use them
    without normalisation.
    """
    parts = [visual.ln_pre, *(layer for b in visual.transformer.resblocks for layer in (b.attn.out_proj, b.mlp.c_proj))]
    for part in parts:
        part.weight.data *= factor
        part.bias.data *= factor


def _loss(tower: FrozenClip, offset: Tensor, locator: nn.Linear, lesson: TrainingBatch) -> Tensor:
    images = torch.from_numpy(to_signed(lesson.images.numpy()))
    with torch.autocast("cpu", torch.bfloat16):
        (patches,), seen = tower.image_taps(images, blocks=(2 * tower.layers // 3,))
        read = tower.encode_text(tower.tokenize(lesson.texts)[0])[0]
        guesses = locator(patches.permute(0, 2, 3, 1))
    scale = tower.network.logit_scale
    matched = matching_loss(seen.float(), read.float(), lesson.held, lesson.captions, scale, offset)
    return matched + locating_loss(guesses.float(), lesson.places, lesson.colours)


def _optimizers(model: "CLIP", others: list[Tensor], recipe: Recipe) -> list[tuple[torch.optim.Optimizer, float]]:
    """Returns (optimizer, peak learning rate): Muon for matrices of the blocks, AdamW for the rest.

    The patch embedding is not trained.
    """
    if not hasattr(torch.optim, "Muon"):
        raise UserError(
            f"training toy CLIPs needs torch.optim.Muon from torch 2.9 or later, but torch {torch.__version__} is "
            "installed; run `pip install --upgrade torch`"
        )
    blocks = [p for name, p in model.named_parameters() if "resblocks" in name and p.ndim == 2]
    known = {id(p) for p in (*blocks, model.visual.conv1.weight)}
    rest = [*(p for p in model.parameters() if id(p) not in known), *others]
    muon = torch.optim.Muon(blocks, lr=recipe.muon_rate, weight_decay=0.05)
    adam = torch.optim.AdamW(rest, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    return [(muon, recipe.muon_rate), (adam, recipe.rate)]


def vocabulary() -> list[str]:
    """Returns all words in toy captions, phrases and descriptions, sorted."""
    texts = [s.text for s in (*phrases(), *descriptions())]
    texts += [c.text for scene in sample_scenes(2000, 0) for c in captions(scene)]
    texts += ["have", "of"]  # lemmas that occur only in relation phrases
    return sorted({word for text in texts for word in text.replace(",", " ").split()})


def save(model: "CLIP", path: Path) -> None:
    """Saves the state dict in half precision and the vocabulary; embeddings of tokens outside it are set to zero."""
    words = vocabulary()
    used = openai_clip().tokenize([*words, ",", "."]).unique()
    state = {name: tensor.detach().cpu().half() for name, tensor in model.state_dict().items()}
    embedding = torch.zeros_like(state["token_embedding.weight"])
    embedding[used] = state["token_embedding.weight"][used]
    state["token_embedding.weight"] = embedding
    path.with_suffix(".json").write_text(json.dumps({"vocabulary": words}, indent=1) + "\n")
    with atomic_file(path) as work:
        torch.save(state, work)
