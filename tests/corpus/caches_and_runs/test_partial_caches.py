"""Unfinished caches with damaged files: the shard is made again, or one message names it and the fix."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.caches import INPUTS, TEMPLATES, World, run_stages
from helpers.corpus import JSONS, bounded, put

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.reader import ShardStore
from hspcgan.pipeline.stages.text_order import write_order


@pytest.fixture
def store(tmp_path) -> ShardStore:
    """An unfinished cache whose stages ingest and parse are complete."""
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, World(), upto="parse")
    found = ShardStore(tmp_path / "cache")
    assert found.is_complete("ingest")
    assert found.is_complete("parse")
    return found


@pytest.mark.parametrize("content", [*JSONS.values(), "fifo", "device", "folder"], ids=[*JSONS, "fifo", "device", "f"])
@pytest.mark.parametrize("name", ["plan.json", "complete.json", "000000/stats.json"])
def test_a_damaged_json_file_of_a_stage_means_that_it_is_not_complete(store, name, content):
    put(store.folder("ingest") / name, content)
    with bounded():
        assert not store.is_complete("ingest")


@pytest.mark.parametrize("stage", ["ingest", "parse"])
def test_of_a_link_to_the_folder_of_a_stage_only_the_link_is_removed(store, tmp_path, stage):
    (tmp_path / "own" / "000000").mkdir(parents=True)
    shutil.rmtree(store.folder(stage))
    store.folder(stage).symlink_to(tmp_path / "own")
    with PartialCache(tmp_path / "cache") as partial:
        partial.begin("ingest", INPUTS["ingest"] | {"seed": 1})
        run_stages(partial, World())
    assert not store.folder(stage).is_symlink()
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["000000"]


@pytest.mark.parametrize("stats", [[], "x", {}, {"rows_in": None}, {"rows_in": "x"}, {"rows_in": True}, {"rows_in": 1.5},
                                   {"rows_in": 4, "samples": []}, {"rows_in": 4, "notes": []},
                                   {"rows_in": 4, "notes": {"fallback": "x"}}])  # fmt: skip
def test_a_shard_whose_statistics_cannot_be_added_up_is_made_again(store, stats):
    marker = store.folder("ingest") / "000000" / "stats.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "stats": stats}))
    assert not store.has("ingest", 0)
    assert store.has("ingest", 2)


def table(change):
    """The first shard's captions with another content, and a marker that has their size."""

    def damage(shard: Path) -> None:
        path = shard / "captions.parquet"
        pq.write_table(change(pq.ParquetFile(path).read()), path)

    return damage


def text_column(make):
    return table(lambda found: found.set_column(2, "text", make(len(found))))


def flipped(shard: Path) -> None:
    path = shard / "captions.parquet"
    content = bytearray(path.read_bytes())
    content[-300:-200] = bytes(100)  # in the footer
    path.write_bytes(content)


def image(array: np.ndarray):
    return lambda shard: np.save(shard / "image.npy", array)


DAMAGES = {
    "zeros": lambda shard: (shard / "captions.parquet").write_bytes(bytes(3000)), "flipped": flipped, "columns": table(lambda found: found.select(["key"])),
    "nulls": text_column(lambda n: pa.nulls(n, pa.string())), "large": text_column(lambda n: pa.array(["a"] * n, pa.large_string())), "numbers": text_column(lambda n: pa.array([1] * n)),
    "scalar": image(np.array(3, np.uint8)), "floats": image(np.zeros((4, 3, 8, 8), np.float32)), "objects": lambda shard: np.save(shard / "image.npy", np.array([print]), allow_pickle=True),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_contents_of_a_shard_are_one_message(store, tmp_path, name):
    shard = store.folder("ingest") / "000000"
    DAMAGES[name](shard)
    sizes = {path.name: path.stat().st_size for path in shard.iterdir() if path.name != "stats.json"}
    marker = json.loads((shard / "stats.json").read_text())
    (shard / "stats.json").write_text(json.dumps({**marker, "sizes": sizes}))
    (tmp_path / "order").mkdir()
    told = r"ingest/000000 is damaged \(.*\); remove this folder and run the same command again"

    def read() -> None:
        """Reads the texts through DuckDB, as the encode stage does, then all of the shard."""
        write_order(store.unique_texts(TEMPLATES), lambda part: np.ones(len(part), np.int32), tmp_path / "order", 4)
        store.read("ingest", 0)

    with bounded(), pytest.raises(UserError, match=told):
        read()


def test_an_error_of_the_system_is_not_told_as_damage(store, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(pq, "ParquetFile", fails)
    with pytest.raises(OSError, match="Input/output error"):
        store.read("ingest", 0)
