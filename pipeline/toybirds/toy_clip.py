"""Trains the toy CLIPs: OpenAI's architecture on toy birds, saved as a state dict that `clip.model.build_model` loads.

A contrastive loss as in CLIP (Radford et al. 2021), but since it is known which texts are true of which pictures, every
true pair in the batch counts as positive. Beside whole captions, short descriptions must name the right one of eleven
colours, and single phrases in the three prompt templates must be told true from false, on pictures some of which lack
parts: without that, "a photo of a beak" and "a photo of a belly" would be true of all pictures alike and come out as
the same vector.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from hspcgan.model.clip import FrozenClip
from hspcgan.model.clip_file import openai_clip
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.draw import draw
from hspcgan.pipeline.toybirds.scene import COLOURS, PARTS, sample_scenes
from hspcgan.pipeline.toybirds.truth import descriptions, phrases, spoken, truth, value_bits, without

if TYPE_CHECKING:
    from clip.model import CLIP


@dataclass(frozen=True)
class Recipe:
    """Sizes and training of one toy CLIP."""

    seed: int
    vision_width: int
    vision_layers: int
    text_width: int = 64
    embed_dim: int = 64
    text_layers: int = 6
    patch: int = 8
    resolution: int = 56
    scenes: int = 16000
    steps: int = 1300
    batch: int = 192
    rate: float = 1e-3


RECIPES = {
    "toy-clip": Recipe(seed=11, vision_width=128, vision_layers=12),
    "toy-scorer": Recipe(seed=29, vision_width=192, vision_layers=4, steps=500),
}


def build(recipe: Recipe) -> "CLIP":
    torch.manual_seed(recipe.seed)
    return openai_clip().model.CLIP(
        recipe.embed_dim, recipe.resolution, recipe.vision_layers, recipe.vision_width, recipe.patch,
        77, 49408, recipe.text_width, recipe.text_width // 64, recipe.text_layers,
    )  # fmt: skip


class Pictures:
    """Training scenes with their pictures uint8 [S, 3, H, W], captions and truth; every other one lacks some parts."""

    def __init__(self, recipe: Recipe) -> None:
        rng = np.random.default_rng(recipe.seed)
        whole = [scene for scene in sample_scenes(recipe.scenes, recipe.seed * 1000) if scene.split == "train"]
        self.captions = [[spoken(caption) for caption in captions(scene)] for scene in whole]
        scenes = [without(scene, _lacking(rng)) for scene in tqdm(whole, "drawing", disable=None)]
        self.images = torch.stack([_tensor(draw(scene, recipe.resolution)) for scene in scenes])
        self.bits = value_bits(scenes)
        self.own = [np.flatnonzero(truth(said, self.bits[i : i + 1])[:, 0]) for i, said in enumerate(self.captions)]


def _lacking(rng: np.random.Generator) -> list[str]:
    if rng.random() < 0.5:
        return []
    return [part for part in PARTS if rng.random() < (0.06 if part == "body" else 0.25)]


def _tensor(image: object) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@dataclass(frozen=True)
class Lesson:
    """A batch: images uint8 [B, 3, H, W]; texts, first captions, then descriptions, then phrases; truth [T, B]."""

    images: Tensor
    texts: list[str]
    held: Tensor
    captions: int


def lessons(data: Pictures, recipe: Recipe) -> Iterator[Lesson]:
    """Batches, endlessly; each picture that any of its captions fits brings one."""
    rng = np.random.default_rng(recipe.seed + 1)
    fixed = [*descriptions(), *phrases()]
    while True:
        order = rng.permutation(len(data.images))
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            rows = order[start : start + recipe.batch]
            said = [data.captions[row][rng.choice(data.own[row])] for row in rows if len(data.own[row])]
            held = torch.from_numpy(truth([*said, *fixed], data.bits[rows]))
            yield Lesson(data.images[rows], [t.text for t in (*said, *fixed)], held, len(said))


def loss_of(seen: Tensor, read: Tensor, held: Tensor, captions: int, scale: Tensor, offset: Tensor) -> Tensor:
    """Captions retrieved both ways, colours named, phrases told true from false; seen [B, d], read [T, d]."""
    cosine = F.normalize(read, dim=1) @ F.normalize(seen, dim=1).T  # [T, B]
    logits = scale.exp() * cosine
    colours = slice(captions, captions + len(descriptions()))
    loss = retrieval_loss(logits[:captions], held[:captions])
    loss = loss + naming_loss(logits[colours], held[colours])
    phrase, true = 10 * cosine[colours.stop :] - offset[:, None], held[colours.stop :].float()
    return loss + F.binary_cross_entropy_with_logits(phrase, true)


def retrieval_loss(logits: Tensor, held: Tensor) -> Tensor:
    """−log of the probability that all true partners have together, captions → pictures and back; [T, B]."""
    total = torch.zeros(())
    for scores, true in ((logits, held), (logits.T, held.T)):
        some = true.any(1)
        right = scores[some].masked_fill(~true[some], -torch.inf)
        total = total + (scores[some].logsumexp(1) - right.logsumexp(1)).mean() / 2
    return total


def naming_loss(logits: Tensor, held: Tensor) -> Tensor:
    """Cross-entropy over the eleven colours of each part, where the picture has the part; rows in order of colours."""
    scores, true = (x.unflatten(0, (len(COLOURS), -1)).permute(1, 2, 0).flatten(0, 1) for x in (logits, held))
    there = true.any(1)
    return F.cross_entropy(scores[there], true[there].int().argmax(1))


def train(recipe: Recipe, device: str = "cpu") -> "CLIP":
    """A trained toy CLIP in float32; its passes are those of FrozenClip, here with gradients."""
    data, model = Pictures(recipe), build(recipe)
    tower = FrozenClip(model, "in training", sha256="").requires_grad_(True).to(device)
    offset = torch.zeros(len(phrases()), requires_grad=True, device=device)  # how similar a true phrase's picture is
    optimizer = _optimizer(model, offset, recipe)
    stream = lessons(data, recipe)
    for step in tqdm(range(recipe.steps), "toy CLIP", disable=None):
        lesson = next(stream)
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min((step + 1) / 100, 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            seen = tower.image_features(lesson.images.to(device).float() / 127.5 - 1)
            read = tower.encode_text(tower.tokenize(lesson.texts)[0].to(device))[0]
        loss = loss_of(seen.float(), read.float(), lesson.held.to(device), lesson.captions, model.logit_scale, offset)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            tqdm.write(f"step {step} loss {loss.item():.4f} scale {model.logit_scale.exp().item():.1f}")
    return model.requires_grad_(False).cpu()


def _optimizer(model: "CLIP", offset: Tensor, recipe: Recipe) -> torch.optim.Optimizer:
    embedding = model.token_embedding.weight
    decayed = [p for p in model.parameters() if p.ndim >= 2 and p is not embedding]
    others = [*(p for p in model.parameters() if p.ndim < 2 or p is embedding), offset]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True)


def vocabulary() -> list[str]:
    """Every word that toy texts are made of, sorted."""
    texts = [s.text for s in (*phrases(), *descriptions())]
    texts += [c.text for scene in sample_scenes(2000, 0) for c in captions(scene)]
    texts += ["have", "of"]  # lemmas that appear in relation phrases alone
    return sorted({word for text in texts for word in text.replace(",", " ").split()})


def save(model: "CLIP", path: Path) -> None:
    """Half-precision state dict beside its vocabulary; embeddings of tokens outside the toy world are zero."""
    words = vocabulary()
    used = openai_clip().tokenize([*words, ",", "."]).unique()
    state = {name: tensor.detach().cpu().half() for name, tensor in model.state_dict().items()}
    embedding = torch.zeros_like(state["token_embedding.weight"])
    embedding[used] = state["token_embedding.weight"][used]
    state["token_embedding.weight"] = embedding
    torch.save(state, path)
    path.with_suffix(".json").write_text(json.dumps({"vocabulary": words}, indent=1) + "\n")
