"""A cache under construction of which a kill or a power cut left damaged files: what they spoil is made again."""

import errno

import numpy as np
import pytest
from helpers import caches
from helpers.caches import INFO, INPUTS, run_stages
from helpers.files import file_bytes

from hspcgan.pipeline.cache.partial.partial_cache import PartialCache


def test_a_half_written_shard_is_done_again(tmp_path, world):
    target = tmp_path / "cache"
    with PartialCache(target) as partial:
        run_stages(partial, world, "ingest")
        table = partial.folder("ingest") / "000002" / "samples.parquet"
        table.write_bytes(table.read_bytes()[:-1])
        assert [partial.has("ingest", i) for i in range(4)] == [True, True, False, True]
        assert partial.shards("ingest") == [0, 1, 3]
        assert not partial.is_complete("ingest")
        with pytest.raises(ValueError, match="needs the ingest stage"):
            partial.begin("parse", INPUTS["parse"])
        steps: list[str] = []
        run_stages(partial, world, "ingest", steps.append)
        assert steps == ["ingest 2"]
        assert partial.is_complete("ingest")


@pytest.mark.parametrize("left", [b"", b"\0" * 60, b'{"sizes": {', b"[]", b"{}", b'{"sizes": 3, "stats": {}}', b"\xff"])
def test_a_shard_whose_marker_a_power_cut_damaged_is_done_again(path, tmp_path, world, left):
    target = tmp_path / "cache"
    with PartialCache(target) as partial:
        run_stages(partial, world, "ingest")
        (partial.folder("ingest") / "000001" / "stats.json").write_bytes(left)
    with PartialCache(target) as partial:
        assert partial.shards("ingest") == [0, 2, 3]
        steps: list[str] = []
        run_stages(partial, world, "ingest", steps.append)
        assert steps == ["ingest 1"]
        run_stages(partial, world)
        partial.finish(INFO)
    assert file_bytes(target) == file_bytes(path)


@pytest.mark.parametrize("left", [b"", b'{"inputs": {', b"[]", b"{}", b"\xff"])
def test_a_stage_whose_plan_a_power_cut_damaged_is_begun_anew(path, tmp_path, world, left, caplog):
    target = tmp_path / "cache"
    with PartialCache(target) as partial:
        run_stages(partial, world)
        (partial.folder("parse") / "plan.json").write_bytes(left)
        with pytest.raises(ValueError, match="stages not complete: parse; run `hspcgan prepare MANIFEST`"):
            partial.finish(INFO)
        with pytest.raises(ValueError, match="needs the parse stage"):
            partial.begin("encode", INPUTS["encode"])
        steps: list[str] = []
        run_stages(partial, world, step=steps.append)
        assert steps == [f"parse {i}" for i in range(4)] + [f"encode {i}" for i in range(3)]
        assert "parse: its plan.json is missing or damaged; discarding this and later stages" in caplog.text
        partial.finish(INFO)
    assert file_bytes(target) == file_bytes(path)


@pytest.mark.parametrize("left", [b"", b'{"sha', b"[]", b"{}", b"\xff"])
def test_a_stage_whose_mark_of_completeness_a_power_cut_damaged_keeps_its_shards(tmp_path, world, left):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "ingest")
        (partial.folder("ingest") / "complete.json").write_bytes(left)
        assert not partial.is_complete("ingest")
        steps: list[str] = []
        run_stages(partial, world, "ingest", steps.append)
        assert steps == []
        assert partial.is_complete("ingest")


def test_a_disk_that_is_full_leaves_nothing_of_a_shard_and_says_so(tmp_path, world, monkeypatch):
    save = np.save

    def partly(path, array, **options):
        save(path, array[:1], **options)
        raise OSError("12042240 requested and 6250368 written")  # as numpy, without an errno

    with PartialCache(tmp_path / "cache") as partial:
        partial.begin("ingest", INPUTS["ingest"])
        before = file_bytes(partial.path)
        with monkeypatch.context() as patch:
            patch.setattr(np, "save", partly)
            with pytest.raises(OSError, match=r"No space left on device \(12042240 requested") as full:
                partial.write("ingest", 0, *caches.ingest_shard(world, 0))
            patch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
            with pytest.raises(OSError, match="broken") as broken:
                partial.write("ingest", 0, *caches.ingest_shard(world, 0))
        assert (full.value.errno, broken.value.errno) == (errno.ENOSPC, errno.EIO)
        assert file_bytes(partial.path) == before
        partial.write("ingest", 0, *caches.ingest_shard(world, 0))
        assert partial.has("ingest", 0)


def test_what_killed_processes_left_unfinished_goes_when_the_next_one_starts(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "parse")
        before = file_bytes(partial.path)
    for left in (
        "ingest/.000007.123.partial/image.npy",
        "parse/.000000.99.partial/concepts.parquet",
        "final/x",
        "copy/x",
    ):
        path = partial.path / left
        path.parent.mkdir()
        path.touch()
    with PartialCache(tmp_path / "cache") as partial:
        assert file_bytes(partial.path) == before
