"""Every command that writes, on a read-only disk, and locks that other processes hold."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.corpus import COMMANDS, assert_told, bounded, placed
from helpers.datasets import folder_dataset, manifest
from helpers.runs import MODEL, TRAIN
from helpers.scored_runs import write_manifest

from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.train.process.run_lock import locked

pytestmark = pytest.mark.usefixtures("one_thread")

WRITERS = COMMANDS | {
    "manifests": ("manifests", "toybirds", "--out", "{out}/m.yaml"), "prepare": ("prepare", "{data}", "-o", "cache={out}/new"), "run": ("train", "{world}/manifest.yaml", "-o", "run={out}/new/run"), "parse": ("parse", "--jsonl", "{data}.jsonl", "{out}/parsed.jsonl"),
    "evaluate": ("evaluate", "{scored}", "--checkpoint", "{world}/checkpoint", "-o", "run={out}/run"), "junit": ("evaluate", "{scored}", "--checkpoint", "{world}/checkpoint", "--junit", "{out}/j.xml"), "update": ("evaluate", "{out}/scored.yaml", "--checkpoint", "{world}/checkpoint", "--update"),
    "reference": ("reference", "{scored}", "--out", "{out}/r.safetensors"), "interpolate": ("interpolate", "a bird", "a cat", "--checkpoint", "{world}/checkpoint", "--clip", "{clip}", "--out", "{out}/i"), "table": ("table", "--published", "cub", "--out", "{out}/t.md"),
    "study": ("study", "{study}", "-o", "run={out}/study"), "study page": ("study", "{study}", "--limit", "0", "--out", "{out}/page"), "galip": ("models", "import-galip", "{clip}", "{out}/galip", "--clip", "{clip}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_clip_path, other_clip_path) -> dict[str, Path]:
    """The manifests that WRITERS use: `data` for `prepare`, `scored` for `evaluate`, and `study`."""
    root = tmp_path_factory.mktemp("inputs")
    folder_dataset(root / "birds", 2)
    data = manifest(root / "data", root / "birds", tiny_clip_path)
    (root / "data.jsonl").write_text('{"caption": "a bird"}\n')
    scored = write_manifest(root, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    (root / "plain.yaml").write_text(yaml.safe_dump({"model": MODEL, "train": TRAIN | {"steps": 2}}))
    study = {"rows": {"plain": str(root / "plain.yaml")}, "seeds": [0, 1], "evaluations": 1, "shown": ["clip_score"]}
    sections = {"run": str(root / "out"), "cache": str(root / "cache"), "evaluate": {"metrics": ["clip_score"]}}
    (root / "study.yaml").write_text(yaml.safe_dump(sections | {"study": study}))
    return {"data": data, "scored": scored, "study": root / "study.yaml"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_command_that_writes_to_a_read_only_disk_says_so_before_the_work(world, disk, tiny_clip_path, inputs, name):
    folder = disk(60_000)
    subprocess.run(["cp", "-r", world / "cache", folder], check=True)
    subprocess.run(["cp", inputs["scored"], folder / "scored.yaml"], check=True)
    disk("ro")
    before = sorted(folder.rglob("*"))
    with bounded():
        told = hspcgan(*placed(WRITERS[name], world=world, out=folder, clip=tiny_clip_path, **inputs))
    assert_told(told, str(folder), codes={2, 3})
    assert "Errno" not in told.output
    assert any(fix in told.output for fix in ("give another", "give a path", "name another folder")), told.output
    assert not any(done in told.output for done in ("scoring with", "step 1/", "generating:", "wrote "))
    assert sorted(folder.rglob("*")) == before


def test_a_checkpoint_and_its_cache_on_a_read_only_disk_are_read(world, disk, tmp_path, tiny_clip_path, inputs):
    folder = disk(60_000)
    subprocess.run(["cp", "-r", inputs["scored"].parent / "cache", world / "checkpoint", folder], check=True)
    disk("ro")
    keys = ("-o", f"run={tmp_path}/run", "-o", f"cache={folder}/cache")
    for command in (("evaluate", inputs["scored"], "--checkpoint", folder / "checkpoint", *keys), ("export", folder / "cache", tmp_path / "export"),
                    ("models", "pack", folder / "checkpoint", tmp_path / "packed", "--clip", tiny_clip_path), ("copy", folder / "cache", tmp_path / "copy")):  # fmt: skip
        result = hspcgan(*command)
        assert result.exit_code == 0, (command, result.output)


HOLD_HDF5 = "import h5py, sys; files = [h5py.File(path, sys.argv[1], locking=True) for path in sys.argv[2:]]; print('held', flush=True); sys.stdin.read()"


@contextmanager
def opened_elsewhere(cache: Path, mode: str) -> Iterator[None]:
    """Another process has the HDF5 files of a cache open, with HDF5's own locks."""
    holder = [sys.executable, "-c", HOLD_HDF5, mode, *map(str, cache.glob("*.h5"))]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate()


def test_a_cache_that_another_process_has_open_with_locks_is_read_and_replaced(world, tmp_path, tiny_clip_path, inputs):
    cache = Path(shutil.copytree(inputs["scored"].parent / "cache", tmp_path / "cache"))
    keys = ("-o", f"run={tmp_path}/run", "-o", f"cache={cache}")
    with opened_elsewhere(cache, "r"):
        for command in (("stats", cache), ("inspect", cache), ("export", cache, tmp_path / "export"), ("copy", cache, tmp_path / "copy"),
                        ("evaluate", inputs["scored"], "--checkpoint", world / "checkpoint", *keys), ("train", inputs["scored"], *keys, "-o", "train.steps=1"),
                        ("copy", tmp_path / "copy", cache, "--replace")):  # fmt: skip
            result = hspcgan(*command)
            assert result.exit_code == 0, (command, result.output)


def test_a_cache_that_another_process_has_open_for_writing_is_not_told_as_damaged(world, tmp_path):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    keys = ("-o", f"run={tmp_path}/run", "-o", f"cache={cache}")
    with opened_elsewhere(cache, "r+"):
        for command in (
            ("stats", cache),
            ("export", cache, tmp_path / "export"),
            ("train", world / "manifest.yaml", *keys),
        ):
            told = hspcgan(*command)
            assert_told(
                told,
                ".h5 is open for writing in another program",
                "close the program, or",
                f"h5clear -s {cache}",
                codes={3},
            )
            assert "rebuild" not in told.output
    assert hspcgan("stats", cache).exit_code == 0


HELD = ("train", "{world}/manifest.yaml", "-o", "run={out}/run"), ("study", "{study}", "-o", "run={out}/run")


@pytest.mark.parametrize("command", HELD)
def test_a_run_that_another_process_holds_is_named(world, tmp_path, inputs, command):
    with locked(tmp_path / "run"):
        told = hspcgan(*placed(command, world=world, out=tmp_path, **inputs))
    assert_told(told, f"process {os.getpid()} on ", f"{tmp_path / 'run'}; wait for it, stop it, or give", codes={3})


@pytest.mark.parametrize("command", ["prepare", "ingest", "copy"])
def test_a_cache_that_another_process_makes_is_named(world, tmp_path, inputs, command):
    with PartialCache(tmp_path / "new"):
        places = (
            (world / "cache", tmp_path / "new")
            if command == "copy"
            else (inputs["data"], "-o", f"cache={tmp_path}/new")
        )
        told = hspcgan(command, *places)
    assert_told(told, f"another process is using {tmp_path / 'new'}.partial; wait for the process", codes={3})
