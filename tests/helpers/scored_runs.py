"""A manifest, a cache and scorers small enough for the evaluation's tests."""

from pathlib import Path

import torch
import yaml
from helpers import runs

from hspcgan.model.checkpoint import save_weights
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build


def write_manifest(folder: Path, clip: Path, scorer: Path, **evaluate: object) -> Path:
    """A manifest over a cache of 3 training and 10 test images; keyword arguments go into its evaluate section."""
    cache = folder / "cache"
    if not cache.exists():
        runs.make_cache(cache, clip, train=3, test=10)
    path = runs.write_manifest(folder, cache, clip)
    sections = yaml.safe_load(path.read_text())
    settings = {"scorers": {"held-out": str(scorer), "trainer": str(clip)}, "device": "cpu", "samples": 5}
    sections["evaluate"] = {**settings, **evaluate}
    sections["encode"]["templates"] = runs.TEMPLATES
    path.write_text(yaml.safe_dump(sections))
    return path


def write_checkpoint(path: Path, clip_path: Path, seed: int = 0, **extra: object) -> Path:
    """A checkpoint of a freshly initialised small model."""
    clip, config = load_clip(clip_path), ModelConfig(**runs.MODEL)
    torch.manual_seed(seed)
    texts = {"parse": {"annotator": "spacy"}, "templates": runs.TEMPLATES}
    return save_weights(path, *build(config, clip), config, clip, {"step": 7, "texts": texts, **extra})
