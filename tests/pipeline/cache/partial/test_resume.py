"""A cache under construction: killed and resumed, made from changed inputs, replaced."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import caches
from helpers.caches import INFO, INPUTS, World, make_cache, run_stages
from helpers.files import file_bytes

from hspcgan.pipeline.cache.lock import LOCK, MARK
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.partial.up_to_date import is_current
from hspcgan.pipeline.cache.reader import Cache


def worker(path: Path) -> subprocess.Popen:
    script = [sys.executable, caches.__file__, str(path)]
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
            said += process.stdout.read().splitlines()
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


@pytest.mark.parametrize("changed", INPUTS)
def test_changed_inputs_discard_their_stage_and_the_later_ones_and_no_other(tmp_path, world, changed, caplog):
    stages = list(INPUTS)
    position = stages.index(changed)
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world)
        for stage in stages[:position]:
            partial.begin(stage, INPUTS[stage])
        assert caplog.text == ""
        partial.begin(changed, INPUTS[changed] | {"seed": 1})
        assert f"{changed}: inputs changed" in caplog.text
        assert [partial.is_complete(stage) for stage in stages] == [i < position for i in range(3)]
        assert all(partial.shards(stage) == [] for stage in stages[position:])


def test_a_stage_made_on_other_inputs_before_it_is_discarded(tmp_path, world):
    with PartialCache(tmp_path / "cache") as partial:
        run_stages(partial, world)
        # As if killed while the stages after ingest were being discarded.
        shutil.rmtree(partial.folder("ingest"))
        partial.begin("ingest", INPUTS["ingest"] | {"seed": 1})
        for i in range(4):
            partial.write("ingest", i, *caches.ingest_shard(world, i))
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
    assert "ingest.data.seed: cache has 0, manifest wants 7" in told
    assert "encode.templates.entity: cache has a photo of a {}, manifest wants {}" in told
    assert "parse.batch: cache has nothing, manifest wants 3" in told
    assert "parse.tools: cache has {'spacy': '3.8'}, manifest wants nothing" in told
    assert "--rebuild" in told
    assert len(told.splitlines()) == 6
    assert is_current(path, {"ingest": INPUTS["ingest"] | {"data": {"seed": 0, "image_size": caches.SIZE}}})


def test_is_current_refuses_a_cache_of_another_format(path, tmp_path):
    shutil.copytree(path, tmp_path / "cache")
    info = json.loads((path / "cache.json").read_text())
    (tmp_path / "cache" / "cache.json").write_text(json.dumps(info | {"format": 0}))
    with pytest.raises(ValueError, match="has format 0"):
        is_current(tmp_path / "cache", INPUTS)


def test_what_a_run_killed_after_its_cache_was_complete_left_is_cleared_away(tmp_path, world):
    target, spent = tmp_path / "cache", tmp_path / ".cache.spent"
    (spent / "ingest").mkdir(parents=True)
    (spent / LOCK).write_text(MARK)
    make_cache(target, world)
    assert not spent.exists()
    (spent / "ingest").mkdir(parents=True)
    (spent / LOCK).write_text(MARK)
    assert is_current(target, INPUTS)
    assert sorted(tmp_path.iterdir()) == [target]


def test_an_existing_cache_stays_whole_until_its_replacement_is(tmp_path):
    old, new = World(0, sizes=(2,)), World(1, sizes=(3,))
    target = make_cache(tmp_path / "cache", old)
    with pytest.raises(ValueError, match=r"already exists(?s:.)*--rebuild"):
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


def test_a_module_that_changed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(INPUTS["ingest"], "code", {"hspcgan.pipeline.sources.coco": "a" * 64})
    path = make_cache(tmp_path / "cache", World(0))
    monkeypatch.setitem(INPUTS["ingest"], "code", {"hspcgan.pipeline.sources.coco": "b" * 64})
    named = f"ingest.code.hspcgan.pipeline.sources.coco: cache has {'a' * 12}, this version of hspcgan wants {'b' * 12}"
    with pytest.raises(ValueError, match=re.escape(named)):
        is_current(path, INPUTS)
