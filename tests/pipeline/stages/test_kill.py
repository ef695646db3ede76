"""`prepare` killed at random moments, out of room, on data that changes: resumed or refused, never mixed."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from helpers.datasets import folder_dataset, manifest, write
from helpers.files import file_bytes
from helpers.processes import kill_server

from hspcgan.model.common.files import NO_ROOM
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.sources.folder import FolderSource
from hspcgan.pipeline.stages import encode, ingest
from hspcgan.pipeline.stages.prepare import prepare

KILLS = 20
RAY_KILLS = int(os.environ.get("HSPCGAN_RAY_KILLS", "3"))  # a new driver and its workers take seconds to start


class Server:
    """A process whose forked children run `prepare` on a manifest."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, kill_server.__file__, str(path), *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # a process with threads of its own cannot be forked safely
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, seconds: float) -> str:
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        return self._line()


@pytest.fixture
def dataset(tmp_path) -> Path:
    return folder_dataset(tmp_path / "data", 6)


@pytest.fixture
def server(tmp_path, dataset, tiny_clip_path) -> Iterator[Server]:
    path = manifest(tmp_path / "small.yaml", dataset, tiny_clip_path, views=["whole", "top-left-flipped"])
    started = Server(path, "local")
    yield started
    started.process.kill()
    started.process.communicate()


def test_a_real_prepare_killed_at_twenty_random_moments_leaves_the_bytes_of_an_uninterrupted_one(server, tmp_path):
    cache = tmp_path / "small.cache"
    assert server.run(600).startswith("done")
    whole = file_bytes(cache)
    shutil.rmtree(cache)
    seconds = float(server.run(600).split()[1])  # the second run: the first one also warms up
    draw, killed, interrupted = random.Random(20), 0, False
    while killed < KILLS or not cache.exists():
        if cache.exists() and not interrupted:
            shutil.rmtree(cache)
        result = server.run(draw.uniform(0, seconds) if killed < KILLS else 600)
        assert result.startswith(("killed", "done"))
        interrupted = result == "killed"
        killed += interrupted
        if cache.exists():
            assert file_bytes(cache) == whole  # also when the kill came between the rename and the clearing up
    assert server.run(600).startswith("done")
    assert file_bytes(cache) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "small.cache", "small.yaml"]


def test_drivers_on_ray_killed_at_random_moments_leave_the_shards_of_an_uninterrupted_run(
    tmp_path, dataset, tiny_clip_path, monkeypatch
):
    """Ray goes on and may still write a shard of a killed driver while the next driver writes the same one."""
    monkeypatch.setattr(ingest, "SHARD_IMAGES", kill_server.SHARDS[0])
    monkeypatch.setattr(encode, "SHARD_TEXTS", kill_server.SHARDS[1])
    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    monkeypatch.setenv("RAY_ADDRESS", context.address_info["address"])
    path = manifest(tmp_path / "small.yaml", dataset, tiny_clip_path)
    server, draw, killed = Server(path, "ray", "ingest"), random.Random(21), 0
    try:
        seconds = float(server.run(600).split()[1])
        while killed < RAY_KILLS:
            shutil.rmtree(tmp_path / "small.cache.partial")
            while (result := server.run(draw.uniform(0, seconds) if killed < RAY_KILLS else 600)) == "killed":
                killed += 1
            assert result.startswith("done")
    finally:
        server.process.kill()
        server.process.communicate()
        ray.shutdown()
    prepare(load_manifest(str(path)))
    finished = file_bytes(tmp_path / "small.cache")
    assert finished == fresh(path)


@pytest.fixture
def path(tmp_path, dataset, tiny_clip_path, monkeypatch) -> Path:
    monkeypatch.setattr(ingest, "SHARD_IMAGES", 2)
    return manifest(tmp_path / "mine.yaml", dataset, tiny_clip_path)


def run(path: Path, *overrides: str, **options: object) -> dict[str, bytes]:
    """The cache's files after `prepare`; those of its shards where it stops before the end."""
    prepare(load_manifest(str(path), overrides), **options)
    return file_bytes(path.with_suffix(".cache"))


def fresh(path: Path, *overrides: str) -> dict[str, bytes]:
    """The bytes of a run that began anew, elsewhere."""
    other = path.with_name("fresh.cache")
    shutil.rmtree(other, ignore_errors=True)
    prepare(load_manifest(str(path), [*overrides, f"cache={other}"]))
    return file_bytes(other)


def test_out_of_room_nothing_is_lost_and_the_next_run_goes_on(path):
    whole = fresh(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (100, 1500, 4000, 12_000):  # the smallest files fail, then larger ones, at last the features
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
            with pytest.raises(OSError, match=r"File too large|file write failed") as failure:
                run(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert failure.value.errno in NO_ROOM
        assert not path.with_suffix(".cache").exists()
    assert run(path) == whole


@pytest.mark.parametrize("upto", ["ingest", "parse"])
@pytest.mark.parametrize("change", ["caption", "image", "template", "clip"])
def test_what_changed_since_an_unfinished_run_is_never_mixed_in(path, dataset, other_clip_path, upto, change):
    run(path, upto=upto)
    overrides = []
    if change == "caption":
        write(dataset / "img003.txt", "a purple bird\n")
    elif change == "image":
        write(dataset / "img003.png", (dataset / "img004.png").read_bytes() + b"longer")
    elif change == "template":
        overrides = ["encode.templates.entity=one {}"]
    else:
        overrides = [f"encode.clip={other_clip_path}"]
    assert run(path, *overrides) == fresh(path, *overrides)


def test_a_single_stage_that_is_refused_for_changed_inputs_discards_nothing(path, dataset):
    run(path, upto="parse")
    before = file_bytes(path.with_suffix(".cache.partial"))
    write(dataset / "img003.txt", "a purple bird\n")
    for stage in ("parse", "encode"):
        with pytest.raises(ValueError, match=rf"{stage} needs a complete ingest stage(?s:.)*hspcgan ingest"):
            run(path, upto=stage, only=True)
    assert file_bytes(path.with_suffix(".cache.partial")) == before


def test_data_that_changes_while_it_is_read_is_noticed(path, dataset, monkeypatch):
    read = FolderSource.read

    def read_and_change(self, entry):
        write(dataset / "img000.txt", "a purple bird\n")
        return read(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "read", read_and_change)
        with pytest.raises(ValueError, match="changed while it was read; run the same command again"):
            run(path)
    assert run(path) == fresh(path)
