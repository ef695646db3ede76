"""Training data of the toy CLIPs: pictures, captions and phrases, their truth values, and where things are visible."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.draw import draw
from hspcgan.pipeline.toybirds.scene import ABSENT, COLOURS, PARTS, Scene, sample_scenes
from hspcgan.pipeline.toybirds.weights.true_texts import (
    caption_statement,
    descriptions,
    phrases,
    truth_matrix,
    value_bits,
    without_parts,
)

LOCATED = (
    "belly",
    "wing",
    "crown",
    "beak",
    "collar",
    "flower",
    "second",
)  # things whose location is predicted per patch


class TrainingScenes:
    """Training scenes, some with parts removed: uint8 pictures [S, 3, H, W], captions and their truth values.

    These are the scenes of the train split among `count` sampled scenes.

    `places` [S, P, g, g] is the share of each patch in which each thing in LOCATED is visible; `colours` [S, P] is the
    index of its colour in COLOURS.
    """

    def __init__(self, count: int, seed: int, size: int, patch: int) -> None:
        rng = np.random.default_rng(seed)
        whole = [scene for scene in sample_scenes(count, seed * 1000) if scene.split == "train"]
        self.captions = [[caption_statement(caption) for caption in captions(scene)] for scene in whole]
        scenes = [without_parts(scene, _sample_missing_parts(rng)) for scene in whole]
        self.images = torch.stack([_tensor(draw(s, size)) for s in tqdm(scenes, "drawing", disable=None)])
        drawn = zip(tqdm(scenes, "locating", disable=None), self.images, strict=True)
        self.places = torch.stack([_places(scene, image, patch) for scene, image in drawn])
        self.colours = torch.tensor([[_colour(getattr(scene, name)) for name in LOCATED] for scene in scenes])
        self.bits = value_bits(scenes)
        self.own = [
            np.flatnonzero(truth_matrix(said, self.bits[i : i + 1])[:, 0]) for i, said in enumerate(self.captions)
        ]


def _sample_missing_parts(rng: np.random.Generator) -> list[str]:
    if rng.random() < 0.5:
        return []
    return [part for part in PARTS if rng.random() < (0.06 if part == "body" else 0.25)]


def _tensor(image: object) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _colour(name: str) -> int:
    return 0 if name == ABSENT else COLOURS.index(name)


def _places(scene: Scene, image: Tensor, patch: int) -> Tensor:
    """Returns the share of each patch that each thing covers, [P, g, g]: the pixels that change without the thing."""
    size = image.shape[1]
    shares = torch.zeros(len(LOCATED), size // patch, size // patch)
    for row, name in zip(shares, LOCATED, strict=True):
        if getattr(scene, name) != ABSENT:
            change = (_tensor(draw(without_parts(scene, [name]), size)).int() - image.int()).abs().sum(0) > 24
            row.copy_(change.float().unfold(0, patch, patch).unfold(1, patch, patch).mean((2, 3)))
    return shares


@dataclass(frozen=True)
class TrainingBatch:
    """A batch of images uint8 [B, 3, H, W] and of texts: captions (`captions` is their number), descriptions, phrases.

    `held` [T, B] is whether a text is true of an image. `places` [B, P, g, g] and `colours` [B, P] are as in
    TrainingScenes.
    """

    images: Tensor
    texts: list[str]
    held: Tensor
    captions: int
    places: Tensor
    colours: Tensor


def training_batches(data: TrainingScenes, batch: int, seed: int) -> Iterator[TrainingBatch]:
    """Yields an endless sequence of batches; each has one true caption for every picture that has at least one."""
    rng = np.random.default_rng(seed)
    fixed = [*descriptions(), *phrases()]
    while True:
        order = rng.permutation(len(data.images))
        for start in range(0, len(order) - batch + 1, batch):
            rows = order[start : start + batch]
            said = [data.captions[row][rng.choice(data.own[row])] for row in rows if len(data.own[row])]
            held = torch.from_numpy(truth_matrix([*said, *fixed], data.bits[rows]))
            texts = [statement.text for statement in (*said, *fixed)]
            yield TrainingBatch(data.images[rows], texts, held, len(said), data.places[rows], data.colours[rows])
