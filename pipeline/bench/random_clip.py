"""Creates a CLIP with random weights, and a cache made with it, for benchmarks of models."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hspcgan.model.clip.openai_package import network_module
from hspcgan.pipeline.bench.config import BenchConfig
from hspcgan.pipeline.manifest import Manifest
from hspcgan.pipeline.stages.prepare import prepare


def random_clip(path: Path, bench: BenchConfig, embed_dim: int | None = None) -> Path:
    """Writes a CLIP file with random weights and the sizes in the manifest; returns its path.

    `embed_dim`: width of the features; by default the width of the text tower, as in ViT-B/32.
    """
    import torch

    torch.manual_seed(0)
    network = network_module().CLIP(
        embed_dim=embed_dim or bench.clip_width, image_resolution=bench.resolution,
        vision_layers=12, vision_width=bench.image_width, vision_patch_size=bench.patch,
        context_length=77, vocab_size=49408, transformer_width=bench.clip_width,
        transformer_heads=bench.clip_width // 64, transformer_layers=bench.clip_layers,
    )  # fmt: skip
    torch.save(network.state_dict(), path)
    return path


@contextmanager
def temporary_cache(manifest: Manifest, bench: BenchConfig) -> Iterator[Manifest]:
    """Builds a cache with a random CLIP in a temporary folder, and yields the manifest with their paths."""
    with tempfile.TemporaryDirectory(prefix="hspcgan-bench-", dir=bench.folder) as name:
        folder = Path(name)
        encode = (manifest.raw.get("encode") or {}) | {"clip": str(random_clip(folder / "random.pt", bench))}
        places = {"cache": str(folder / "cache"), "run": str(folder / "run"), "encode": encode}
        made = replace(manifest, raw=manifest.raw | places)
        prepare(made)
        yield made
