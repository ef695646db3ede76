"""A cache, a run of two steps, its manifest and a checkpoint; tests copy what they damage."""

import subprocess
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


@pytest.fixture
def disk(tmp_path):
    """A small disk: `disk(kilobytes)` gives its folder, `disk("ro")` makes it read-only. Skips where none is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(size: int | str) -> Path:
        options = f"size={size}k" if isinstance(size, int) else "remount,ro"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("this system allows no tmpfs")
        return folder

    yield make
    subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)
