"""Two processes equal one: in weights, and bit for bit one that computes their parts."""

import subprocess

import pytest
import torch
from helpers.cli import hspcgan, hspcgan_process
from helpers.runs import assert_equal, make_cache, read, write_manifest
from torch.distributed import TCPStore

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train import loop
from hspcgan.train.distributed import World, start
from hspcgan.train.setup import build_run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"batch_size": 6, "hardest": "worst-pair", "mining": "mis+fake", "ema": 0.0}, 1),
        ({"batch_size": 12, "mining": "mis", "ema": 0.5, "lr_generator": 1e-4, "lr_discriminator": 4e-4}, 3),
    ],
)
def test_two_processes_equal_one(tmp_path, make_run, cache_path, tiny_clip_path, settings, parts):
    """The second pair also computes its rows in parts; negatives come from the other process's rows as well."""
    alone = make_run("alone", steps=2, **settings)
    loop.train(alone)
    path = write_manifest(tmp_path / "pair", cache_path, tiny_clip_path, steps=2, accumulate=parts, **settings)
    processes, outputs = two_processes(path)
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "2 × cpu" in outputs[0][0]
    assert outputs[1][0] == ""
    one, two = read(alone.folder), read(tmp_path / "pair" / "run")
    for network in {"generator", "discriminator", "head", "average"} & one.keys():
        for name, value in one[network].items():
            torch.testing.assert_close(two[network][name], value, rtol=0, atol=1e-5)


def test_two_processes_give_the_bits_of_one_process_with_two_parts(tmp_path, tiny_clip_path):
    """Whatever two processes differ from one by is the rounding of sums over parts, and nothing else."""
    cache = make_cache(tmp_path / "cache", tiny_clip_path, n_tokens=(3, 9, 4, 6, 12))
    settings = {"steps": 4, "batch_size": 8, "mining": "mis", "lr_generator": 1e-4, "lr_discriminator": 4e-4}
    settings |= {"contrast": 0.5, "swap_words": [["caption", "words"], ["bird", "fish"]]}
    path = write_manifest(tmp_path / "alone", cache, tiny_clip_path, accumulate=2, **settings)
    alone = build_run(load_manifest(str(path)), start("cpu"))
    loop.train(alone)
    path = write_manifest(tmp_path / "pair", cache, tiny_clip_path, **settings)
    processes, outputs = two_processes(path)
    assert [process.returncode for process in processes] == [0, 0], outputs
    one, two = read(alone.folder), read(tmp_path / "pair" / "run")
    for network in {"generator", "discriminator", "head", "average"} & one.keys():
        assert_equal(one[network], two[network])


def test_each_of_two_processes_names_its_own_rows_when_a_loss_is_not_finite(tmp_path, cache_path, tiny_clip_path):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path, batch_size=6, lr_discriminator=1e38)
    batches = [build_run(load_manifest(str(path)), World(rank, 2, torch.device("cpu"))).batches for rank in (0, 1)]
    processes, outputs = two_processes(path)
    assert [process.returncode for process in processes] == [1, 1], outputs
    for rank, (_, said) in enumerate(outputs):
        keys = ", ".join(f"bird-{row:03d}" for row in batches[rank].at(0).samples)
        assert "Error: step 1: generator loss is nan" in said
        assert f"Rows of rank {rank} of 2 (if its loss is finite, see the other ranks): {keys}." in said


def test_a_dry_run_of_two_processes_needs_one_and_a_run_needs_torchrun(
    tmp_path, cache_path, tiny_clip_path, monkeypatch
):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    dry = hspcgan("train", path, "--dry-run")
    assert (dry.exit_code, "6 of 4 images on 2 × cpu" in dry.output) == (0, True), dry.output
    bare = hspcgan("train", path)
    assert bare.exit_code == 3
    said = "WORLD_SIZE is 2, but these variables are not set: RANK, MASTER_ADDR, MASTER_PORT; start"
    assert said in bare.output
    monkeypatch.setenv("RANK", "1")
    assert hspcgan("train", path, "--dry-run").output == ""


def two_processes(path) -> tuple[list[subprocess.Popen], list[tuple[str, str]]]:
    """Runs `hspcgan train` in two processes, started as torchrun does; the processes, and (stdout, stderr) of each."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # keeps its port open
    shared = {"WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True"}
    processes = [hspcgan_process("train", path, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in (0, 1)]
    return processes, [process.communicate(timeout=600) for process in processes]
