"""The cache under construction: what goes in comes out, whatever interrupts it, and nothing half-made is accepted."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cache_world
import numpy as np
import pyarrow as pa
import pytest
from cache_world import INFO, INPUTS, TEMPLATES, World, file_bytes, make_cache, prompt, run_stages

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.shards import write_shard
from hspcgan.pipeline.cache.writer import PartialCache, is_current


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


@pytest.fixture(scope="module")
def path(tmp_path_factory, world) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", world)


@pytest.fixture(scope="module")
def cache(path) -> Cache:
    return Cache(path)


def test_tables_hold_what_the_stages_handed_over(cache, world):
    assert cache.samples.to_pylist() == sum(world.samples, [])
    assert cache.rejects.to_pylist() == sum(world.rejects, [])
    phrases = cache.phrases.to_pylist()
    expected = [
        {"phrase": row, "kind": kind, "text": text, "prompt": prompt(kind, text), "count": count}
        for row, (kind, text, count) in enumerate(world.phrases)
    ]
    assert phrases == expected
    for found, given in zip(cache.captions.to_pylist(), world.rows, strict=True):
        for column in ("entities", "attributes", "relations"):
            found[column] = [item | {"phrase": phrases[item["phrase"]]["text"]} for item in found[column]]
        text = given["text"]
        counted = {"n_tokens": len(cache_world.tokens(text)), "truncated": cache_world.truncated(text)}
        assert found == given | counted


def test_features_and_images_are_those_of_their_rows(cache, world):
    np.testing.assert_array_equal(cache.images, np.concatenate(world.images))
    prompts = [cache_world.sentence(prompt(kind, text)) for kind, text, _ in world.phrases]
    np.testing.assert_array_equal(cache.phrase_text, np.stack(prompts))
    for row, caption in enumerate(world.rows):
        np.testing.assert_array_equal(cache.sentence[row], cache_world.sentence(caption["text"]))
        np.testing.assert_array_equal(cache.tokens(row), cache_world.tokens(caption["text"]))


def test_cache_json_tells_how_the_cache_was_made(cache, world):
    texts = [row["text"] for row in world.rows]
    samples, rejects = len(sum(world.samples, [])), len(sum(world.rejects, []))
    assert cache.info["counts"] == {
        "rows_in": samples + len(texts) + rejects,
        "samples": samples,
        "captions": len(texts),
        "rejects": rejects,
        "phrases": len(world.phrases),
        "tokens": sum(len(cache_world.tokens(text)) for text in texts),
        "empty_graphs": sum(row["entities"] == [] for row in world.rows),
        "truncated": sum(map(cache_world.truncated, texts)),
    }
    told = {"format": 1, "normalised": False, "image_size": cache_world.SIZE, "stages": INPUTS, **INFO}
    assert {key: cache.info[key] for key in told} == told
    assert set(cache.info) == {*told, "counts", "fingerprint"}


def test_the_fingerprint_is_that_of_the_inputs_alone(cache):
    # sha256(sha256(sha256(ingest) + parse) + encode) of the sorted JSON, taken with sha256sum.
    assert cache.info["fingerprint"] == "a05f0aec13c7e403714d426ba60e411072221a21d902e3d918b998de7544354b"


@pytest.mark.parametrize(
    "captions",
    [
        [{}],
        [{"entities": [cache_world.entity("bird")]}, {}],
        [{"attributes": [cache_world.attribute("red")]}],
        [{"relations": [cache_world.relation("on")]}, {"entities": [cache_world.entity("bird")]}],
    ],
    ids=["no phrases at all", "entities alone", "attributes alone", "no attributes"],
)
def test_kinds_without_phrases_and_empty_rejects_are_written_and_read(tmp_path, captions):
    world = World.of(*captions)
    cache = Cache(make_cache(tmp_path / "cache", world))
    assert [(row["kind"], row["text"], row["count"]) for row in cache.phrases.to_pylist()] == world.phrases
    assert cache.phrase_text.shape == (len(world.phrases), cache_world.WIDTH)
    assert len(cache.rejects) == 0
    missing = {"entity", "attribute", "relation"} - {kind for kind, _, _ in world.phrases}
    assert missing
    assert all((cache.phrase_mean[kind] == np.zeros(cache_world.WIDTH, np.float32)).all() for kind in missing)


def test_bytes_do_not_depend_on_the_order_of_work(path, world, tmp_path):
    with PartialCache(tmp_path / "cache") as partial:
        for stage, make in (("ingest", cache_world.ingest_shard), ("parse", cache_world.parse_shard)):
            partial.begin(stage, dict(reversed(INPUTS[stage].items())))
            for i in reversed(range(len(world.samples))):
                write_shard(partial.folder(stage), stage, i, *make(world, i))
            partial.complete(stage, len(world.samples))
        run_stages(partial, world)
        partial.finish(INFO)
    assert file_bytes(tmp_path / "cache") == file_bytes(path)


def worker(path: Path) -> subprocess.Popen:
    script = [sys.executable, cache_world.__file__, str(path)]
    return subprocess.Popen(script, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_and_resumed_the_bytes_are_those_of_an_uninterrupted_run(path, tmp_path):
    draw = random.Random(3)
    target = tmp_path / "cache"
    lines: list[str] = []
    # What a process says before it is killed: a number of lines, or a certain one; and seconds it may go on after that.
    for last, most_sec in ((2, 0.01), (3, 0.01), (4, 0.01), ("finish", 0.01), ("finish", 0.1)):
        with worker(target) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line.strip())
                if last in (len(said), said[-1]):
                    break
            time.sleep(draw.uniform(0, most_sec))
            os.kill(process.pid, signal.SIGKILL)
        assert process.wait() in (-signal.SIGKILL, 0)
        lines += said
    with worker(target) as process:
        assert process.stdout is not None
        assert process.stdout.read().splitlines()[-1] == "done"
    assert file_bytes(target) == file_bytes(path)
    assert not target.with_name("cache.partial").exists()
    steps = [line for line in lines if line not in ("finish", "done")]
    assert len(set(steps)) == 4 + 4 + 3
    assert len(steps) <= len(set(steps)) + 3  # what was finished is not done again: a kill costs one shard at most


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


@pytest.mark.parametrize("changed", schema.STAGES)
def test_changed_inputs_discard_their_stage_and_the_later_ones_and_no_other(tmp_path, world, changed, capsys):
    position = schema.STAGES.index(changed)
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world)
        for stage in schema.STAGES[:position]:
            partial.begin(stage, INPUTS[stage])
        assert capsys.readouterr().err == ""
        partial.begin(changed, INPUTS[changed] | {"seed": 1})
        assert f"{changed}: inputs changed" in capsys.readouterr().err
        assert [partial.is_complete(stage) for stage in schema.STAGES] == [i < position for i in range(3)]
        assert all(partial.shards(stage) == [] for stage in schema.STAGES[position:])


def test_a_stage_made_on_other_inputs_before_it_is_discarded(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world)
        # As if killed while the stages after ingest were being discarded.
        shutil.rmtree(partial.folder("ingest"))
        partial.begin("ingest", INPUTS["ingest"] | {"seed": 1})
        for i in range(4):
            partial.write("ingest", i, *cache_world.ingest_shard(world, i))
        partial.complete("ingest", 4)
        partial.begin("parse", INPUTS["parse"])
        assert partial.shards("parse") == []


def test_is_current_tells_absent_equal_and_different(path, tmp_path):
    assert is_current(tmp_path / "cache", INPUTS) is False
    assert is_current(path, INPUTS) is True
    assert is_current(path, {"ingest": INPUTS["ingest"]}) is True
    other = json.loads(json.dumps(INPUTS))
    other["ingest"]["data"]["seed"] = 7
    other["encode"]["templates"]["entity"] = "{}"
    other["parse"]["batch"] = 3
    del other["parse"]["tools"]
    with pytest.raises(ValueError, match="made from other inputs") as error:
        is_current(path, other)
    told = str(error.value)
    assert "ingest.data.seed: 0 in the cache, 7 asked for" in told
    assert "encode.templates.entity: a photo of a {} in the cache, {} asked for" in told
    assert "parse.batch: nothing in the cache, 3 asked for" in told
    assert "parse.tools: {'spacy': '3.8'} in the cache, nothing asked for" in told
    assert "--rebuild" in told
    assert len(told.splitlines()) == 6
    assert is_current(path, {"ingest": INPUTS["ingest"] | {"data": {"seed": 0, "image_size": cache_world.SIZE}}})


def test_is_current_refuses_a_cache_of_another_format(path, tmp_path):
    shutil.copytree(path, tmp_path / "cache")
    info = json.loads((path / "cache.json").read_text())
    (tmp_path / "cache" / "cache.json").write_text(json.dumps(info | {"format": 0}))
    with pytest.raises(ValueError, match="has format 0"):
        is_current(tmp_path / "cache", INPUTS)


HOLD = """
import sys
from hspcgan.pipeline.cache.writer import PartialCache
with PartialCache(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    holder = [sys.executable, "-c", HOLD, str(tmp_path / "cache")]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="another process is at work"), PartialCache(tmp_path / "cache"):
            pass
        os.kill(process.pid, signal.SIGKILL)
    with PartialCache(tmp_path / "cache") as partial:
        assert partial.path.is_dir()
    with PartialCache(tmp_path / "cache"):
        pass


def test_an_existing_cache_stays_whole_until_its_replacement_is(tmp_path):
    old, new = World(0, sizes=(2,)), World(1, sizes=(3,))
    target = make_cache(tmp_path / "cache", old)
    with pytest.raises(ValueError, match=r"exists already(?s:.)*--rebuild"):
        PartialCache(target)
    before = file_bytes(target)
    with PartialCache(target, replace=True) as partial:
        run_stages(partial, new)
        assert file_bytes(target) == before
        (partial.path / "replaced").mkdir()  # left by a run that was killed while clearing up
        (partial.path / "replaced" / "cache.json").write_text("{}")
        partial.finish(INFO)
    assert Cache(target).samples.to_pylist() == new.samples[0]
    assert not target.with_name("cache.partial").exists()


def test_texts_to_encode_are_unique_sorted_and_apart(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "parse")
        captions, prompts = partial.texts(TEMPLATES)
    assert captions == sorted({row["text"] for row in world.rows})
    assert prompts == sorted({prompt(kind, text) for kind, text, _ in world.phrases} - set(captions))
    assert prompt("entity", "bird") in captions


def test_reading_a_shard_can_be_limited_to_what_is_named(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world, "ingest")
        tables, arrays = partial.read("ingest", 2, only=["captions", "image"])
        assert tables["captions"].to_pylist() == world.captions[2]
        assert set(tables) == {"captions"}
        np.testing.assert_array_equal(arrays["image"], world.images[2])
        assert [stats["rows_in"] for stats in partial.stats("ingest")] == [
            len(world.samples[i]) + len(world.captions[i]) + len(world.rejects[i]) for i in range(4)
        ]
