"""The Ray engine: the same bytes as local, on a Ray of two processes."""

import functools
from pathlib import Path

import helpers
import pytest
import ray
from helpers.datasets import folder_dataset, manifest
from helpers.files import file_bytes
from helpers.mappers import make_double

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages import engines, ingest
from hspcgan.pipeline.stages.prepare import prepare


@pytest.fixture(scope="module", autouse=True)
def two_processes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(next(iter(helpers.__path__))).parent))  # workers import helpers.mappers
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_results_come_in_order_and_a_mappers_error_is_its_own():
    make = functools.partial(make_double, 5)
    results = engines.run(make, iter([[i, i + 1] for i in range(9)]), processes=2, engine="ray")
    assert [result for result, _ in results] == [[2 * i + 5, 2 * i + 7] for i in range(9)]
    with pytest.raises(ValueError, match=r"^minus one$"):
        list(engines.run(make, [[0], [-1]], processes=2, engine="ray"))


def test_a_cache_made_on_ray_has_the_bytes_of_a_local_one(tmp_path, tiny_clip_path, monkeypatch):
    monkeypatch.setattr(ingest, "SHARD_IMAGES", 2)
    data = folder_dataset(tmp_path / "data", 6)
    for engine in engines.ENGINES:
        path = manifest(tmp_path / f"{engine}.yaml", data, tiny_clip_path, views=["whole-flipped"])
        two = [f"{stage}.processes=2" for stage in ("data", "parse", "encode")] if engine == "ray" else []
        prepare(load_manifest(str(path), two), engine=engine)
    assert file_bytes(tmp_path / "ray.cache") == file_bytes(tmp_path / "local.cache")
