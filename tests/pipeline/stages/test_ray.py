"""The Ray engine: the same bytes as local, on a Ray of two processes, which read and write the shards themselves."""

import functools
import pickle
from pathlib import Path

import helpers
import pytest
import ray
from helpers.datasets import folder_dataset, manifest
from helpers.files import file_bytes
from helpers.processes.mappers import make_double

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages import executors, ingest, run_stage
from hspcgan.pipeline.stages.prepare import prepare

STAGES = ("data", "parse", "encode")


@pytest.fixture(scope="module", autouse=True)
def two_processes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(next(iter(helpers.__path__))).parent))  # workers import `mappers`
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_results_come_in_order_and_a_mappers_error_is_its_own():
    work = functools.partial(executors.map_one, functools.partial(make_double, 5))
    tasks = ((i, [i, i + 1], [i - 1, 0]) for i in range(9))
    results = executors.run_on_ray(work, tasks, processes=2)
    assert [result for result, _ in results] == [[2 * i + 5, 2 * i + 7] for i in range(9)]
    with pytest.raises(ValueError, match=r"^minus one$"):
        list(executors.run_on_ray(work, [(0, [0], ()), (1, [-1], ())], processes=2))


def test_a_cache_made_on_ray_has_the_bytes_of_a_local_one_and_none_pass_through_the_driver(
    tmp_path, tiny_clip_path, monkeypatch
):
    monkeypatch.setattr(ingest, "SHARD_IMAGES", 2)
    data, sizes, waited = folder_dataset(tmp_path / "data", 6), [], []
    on_ray = executors.run_on_ray

    def measured(work, tasks, processes):
        def arguments():
            for number, argument, before in tasks:
                sizes.append(len(pickle.dumps(argument)))
                waited.extend(before)
                yield number, argument, before

        for result in on_ray(work, arguments(), processes):
            sizes.append(len(pickle.dumps(result)))
            yield result

    monkeypatch.setattr(executors, "run_on_ray", measured)
    for engine in executors.ENGINES:
        path = manifest(tmp_path / f"{engine}.yaml", data, tiny_clip_path, views=["whole-flipped"])
        two = [f"{stage}.processes=2" for stage in STAGES] if engine == "ray" else []
        prepare(load_manifest(str(path), two), engine=engine)
    assert file_bytes(tmp_path / "ray.cache") == file_bytes(tmp_path / "local.cache")
    assert waited  # a caption that was parsed in an earlier shard
    assert len(sizes) > 2 * 3 * 3
    assert max(sizes) < 1500  # two images of 56 px have 18,816 bytes


def test_a_machine_without_the_storage_is_named_instead_of_rejecting_its_images(tmp_path):
    task = run_stage._ShardTask(tmp_path, "ingest", list, make_double, list, (tmp_path / "absent",))
    with pytest.raises(UserError, match=r"absent does not exist on the machine .*mount it at the same path"):
        task((0, []))


def test_the_reader_of_a_source_reads_its_entries_without_the_listing():
    source = open_source(DataConfig.model_validate({"source": "toybirds", "scenes": 3, "image_size": 56}))
    entries = source.entries()
    reader = pickle.loads(pickle.dumps(ingest.reader(source, "toybirds")))
    for entry in entries:
        one, other = source.read(entry), reader.read(entry)
        assert one.captions == other.captions
        assert one.image.tobytes() == other.image.tobytes()
