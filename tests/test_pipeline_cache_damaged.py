"""A cache under construction of which a kill or a power cut left damaged files: what they spoil is made again."""

from pathlib import Path

import pytest
from cache_world import INFO, INPUTS, World, file_bytes, make_cache, run_stages

from hspcgan.pipeline.cache.writer import PartialCache


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


@pytest.fixture(scope="module")
def path(tmp_path_factory, world) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", world)


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
def test_a_stage_whose_plan_a_power_cut_damaged_is_begun_anew(path, tmp_path, world, left, capsys):
    target = tmp_path / "cache"
    with PartialCache(target) as partial:
        run_stages(partial, world)
        (partial.folder("parse") / "plan.json").write_bytes(left)
        with pytest.raises(ValueError, match="not complete: parse; run `hspcgan prepare MANIFEST`"):
            partial.finish(INFO)
        with pytest.raises(ValueError, match="needs the parse stage"):
            partial.begin("encode", INPUTS["encode"])
        steps: list[str] = []
        run_stages(partial, world, step=steps.append)
        assert steps == [f"parse {i}" for i in range(4)] + [f"encode {i}" for i in range(3)]
        assert "parse: its plan.json is missing or damaged, discarding it and later stages" in capsys.readouterr().err
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
