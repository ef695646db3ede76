"""A cache, a run of two steps, its manifest and a checkpoint; tests copy what they damage."""

from pathlib import Path

import pytest
import torch
from helpers.cli import hspcgan
from helpers.runs import make_cache, write_manifest
from helpers.scored_runs import write_checkpoint


@pytest.fixture(scope="session")
def world(tmp_path_factory, tiny_clip_path) -> Path:
    """The folder of cache/, manifest.yaml, run/ and checkpoint/."""
    root = tmp_path_factory.mktemp("corpus")
    make_cache(root / "cache", tiny_clip_path)
    manifest = write_manifest(root, root / "cache", tiny_clip_path, steps=2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = hspcgan("train", manifest)
    torch.set_num_threads(threads)
    assert result.exit_code == 0, result.output
    write_checkpoint(root / "checkpoint", tiny_clip_path)
    return root
