"""Measures toy CLIPs on unseen scenes: retrieval compared with an oracle, presence of entities, colours of parts."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.image_views import to_signed
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.draw import draw
from hspcgan.pipeline.toybirds.scene import COLOURS, PARTS, Scene, sample_scenes
from hspcgan.pipeline.toybirds.weights.true_texts import (
    Statement,
    caption_statement,
    descriptions,
    phrases,
    truth_matrix,
    value_bits,
    without_parts,
)

SEED = 7_000_003  # seed of scenes that are not used in training
GALLERY, DRAWS = 100, 10


def bars(clip: FrozenClip, scenes: int = 1000) -> dict[str, float]:
    """Returns the measurements of a toy CLIP, each between 0 and 1.

    `recall` and `oracle`: text → image recall@1 among 100 unseen scenes, mean of ten draws, for the CLIP and for an
    oracle that chooses at random among the pictures of which the caption is true. `presence/<word>` and
    `colour/<part>`: balanced accuracy; a thing counts as present if the similarity exceeds the threshold that is best
    on training scenes.
    """
    unseen = [scene for scene in sample_scenes(4 * scenes, SEED) if scene.split == "test"][:scenes]
    return {**_retrieval(clip, unseen), **_presence(clip, unseen), **_colours(clip, unseen)}


def image_features(clip: FrozenClip, scenes: Sequence[Scene]) -> Tensor:
    """Returns the image features [S, d] of the scenes' pictures, scaled to unit length."""
    pictures = np.stack([np.asarray(draw(scene, clip.resolution)) for scene in scenes])
    images = torch.from_numpy(to_signed(pictures)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return F.normalize(torch.cat([clip.image_features(part) for part in images.split(250)]), dim=1)


def text_features(clip: FrozenClip, texts: Sequence[str]) -> Tensor:
    """Returns the sentence features [T, d], scaled to unit length."""
    with torch.no_grad():
        return F.normalize(clip.encode_text(clip.tokenize(texts)[0])[0], dim=1)


def _retrieval(clip: FrozenClip, scenes: Sequence[Scene]) -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    features, bits, hits, oracle = image_features(clip, scenes), value_bits(scenes), [], []
    for _ in range(DRAWS):
        rows = rng.choice(len(scenes), GALLERY, replace=False)
        said = [caption_statement(captions(scenes[row])[rng.integers(5)]) for row in rows]
        best = (text_features(clip, [s.text for s in said]) @ features[rows].T).argmax(1).numpy()
        hits.append(np.mean(best == np.arange(GALLERY)))
        oracle.append(np.mean(1 / truth_matrix(said, bits[rows]).sum(1)))
    return {"recall": float(np.mean(hits)), "oracle": float(np.mean(oracle))}


def _presence(clip: FrozenClip, unseen: Sequence[Scene]) -> dict[str, float]:
    rng = np.random.default_rng(SEED + 1)
    known = [scene for scene in sample_scenes(1500, SEED + 1) if scene.split == "train"]
    lacking = [[_leave_out(scene, rng) for scene in group] for group in (known, unseen)]
    asked = [p for p in phrases() if p.text.startswith("a photo of a ")]
    text = text_features(clip, [p.text for p in asked])
    scores = [(text @ image_features(clip, group).T).numpy() for group in lacking]
    held = [truth_matrix(asked, value_bits(group)) for group in lacking]
    found = {}
    for i, statement in enumerate(asked):
        steps = np.quantile(scores[0][i], np.linspace(0.01, 0.99, 99))
        threshold = max(steps, key=lambda t: _balanced(scores[0][i] > t, held[0][i]))
        word = statement.text.split()[-1]
        found[f"presence/{word}"] = _balanced(scores[1][i] > threshold, held[1][i])
    return found


def _leave_out(scene: Scene, rng: np.random.Generator) -> Scene:
    return without_parts(scene, [part for part in PARTS if rng.random() < (0.1 if part == "body" else 0.3)])


def _balanced(said: np.ndarray, held: np.ndarray) -> float:
    return float((said[held].mean() + (~said[~held]).mean()) / 2)


def _colours(clip: FrozenClip, unseen: Sequence[Scene]) -> dict[str, float]:
    features, bits = image_features(clip, unseen), value_bits(unseen)
    by_part: dict[str, list[Statement]] = {}
    for statement in descriptions():
        by_part.setdefault(next(iter(statement.alternatives[0])), []).append(statement)
    found = {}
    for part, asked in by_part.items():
        held = truth_matrix(asked, bits)  # [colours, S]
        best = (text_features(clip, [s.text for s in asked]) @ features.T).argmax(0).numpy()
        recalls = [np.mean(best[held[c]] == c) for c in range(len(COLOURS)) if held[c].any()]
        found[f"colour/{part}"] = float(np.mean(recalls))
    return found
