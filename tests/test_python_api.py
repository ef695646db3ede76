"""What notebooks import: each room's public names, a cache's tables as pandas frames; imported lazily."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.caches import World, make_cache

from hspcgan.evaluate import EvaluateConfig, compare, draw_texts
from hspcgan.model import ModelConfig, load_checkpoint, load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.pipeline import Cache, ParseConfig, Parser, load_manifest, prepare
from hspcgan.train import TrainConfig, build_run, train

ROOMS = ("hspcgan.pipeline", "hspcgan.model", "hspcgan.train", "hspcgan.evaluate")


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, world) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "cache", world))


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_is_there(room):
    module = importlib.import_module(room)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{room}' has no attribute 'nothing'; public names: "):
        _ = module.nothing


def test_importing_the_rooms_imports_no_library():
    code = f"import sys, {', '.join(ROOMS)}; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert {"torch", "numpy", "pandas", "pyarrow", "spacy", "click"}.isdisjoint(loaded)


def test_importing_the_trainer_and_opening_a_cache_leave_pandas_alone(cache):
    code = "import sys, hspcgan.train.loop; from hspcgan.pipeline import Cache; Cache(sys.argv[1]).captions; "
    done = subprocess.run([sys.executable, "-c", code + "print(*sys.modules)", str(cache.path)], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert "pandas" not in done.stdout.split()


def test_frames_have_a_row_for_each_row_of_their_table(cache, world):
    captions = cache.captions_frame()
    assert isinstance(captions, pd.DataFrame)
    assert captions["text"].tolist() == [row["text"] for row in world.rows]
    assert captions["n_tokens"].dtype.kind == "i"
    samples = [row for rows in world.samples for row in rows]
    assert cache.samples_frame().to_dict("records") == samples
    phrases = cache.phrases_frame()
    assert list(phrases[["kind", "text", "count"]].itertuples(index=False, name=None)) == world.phrases
    rejects = [row for rows in world.rejects for row in rows]
    assert cache.rejects_frame().to_dict("records") == rejects


def test_concepts_in_frames_are_lists_of_dicts(cache, world):
    captions, phrases = cache.captions_frame(), cache.phrases_frame()
    for found, row in zip(captions["entities"], world.rows, strict=True):
        assert [(phrases["text"][e["phrase"]], e["word"]) for e in found] == [
            (e["phrase"], e["word"]) for e in row["entities"]
        ]


def test_arguments_that_are_not_lists_are_reported():
    for texts in ("a red bird", []):
        with pytest.raises(UserError, match="expected a list of captions"):
            draw_texts(texts)
    with pytest.raises(UserError, match="expected a list of overrides"):
        load_manifest("toybirds", "train.steps=3")
    for read in (Parser(ParseConfig()).parse, Parser(ParseConfig()).tuples):
        with pytest.raises(UserError, match="expected a list of captions, got the string 'a red bird'"):
            read("a red bird")
    with pytest.raises(UserError, match="--device is 'tpu'; expected auto, cpu or cuda"):
        draw_texts(["a red bird"], device="tpu")
    assert load_manifest(Path("toybirds")).name == "toybirds"


@pytest.mark.parametrize("seed", [1.5, "x", None, -1, True, 2**63, [1, 2], float("nan")])
def test_a_seed_that_is_no_whole_number_is_reported(seed):
    with pytest.raises(UserError, match=r"^seed is .*, expected a whole number from 0 to 2"):
        draw_texts(["a red bird"], seed=seed)


def test_a_seed_of_numpy_is_a_seed():
    assert (draw_texts(["a red bird"], seed=np.int64(3)) == draw_texts(["a red bird"], seed=3)).all()


@pytest.mark.parametrize("texts", [5, None, {"a red bird": 1}, (text for text in ["a red bird"]), ["a bird", None]])
def test_values_that_are_not_captions_are_reported(texts):
    for read in (Parser(ParseConfig()).parse, Parser(ParseConfig()).tuples, draw_texts):
        with pytest.raises(UserError, match=r"expected a list of captions, (got|but it contains) "):
            read(texts)
    with pytest.raises(UserError, match=r"expected a list of overrides, (got|but it contains) "):
        load_manifest("toybirds", texts)


@pytest.mark.parametrize(("config", "values", "reasons"), [
    (ParseConfig, {"annotator": "spacey", "batch": 3},
     ["annotator: should be 'stanza', 'spacy' or 'factual' (got 'spacey')", "batch: unknown key"]),
    (TrainConfig, {"mining": 3}, ["steps: is missing", "mining: should be 'none', 'mis', 'fake'"]),
    (ModelConfig, {"kind": "galip", "prompts": "local"}, ["the whole value: kind: galip requires prompts: fc"]),
    (EvaluateConfig, {"expect": {"fid": {"min": "a"}}}, ["expect.fid.min: should be a valid number", "(got 'a')"]),
])  # fmt: skip
def test_invalid_settings_are_reported_as_in_a_manifest(config, values, reasons):
    with pytest.raises(UserError) as told:
        config(**values)
    assert str(told.value).startswith(f"{config.__name__}:\n  ")
    assert all(reason in str(told.value) for reason in reasons), str(told.value)
    assert "pydantic" not in str(told.value)


@pytest.mark.parametrize("value", [None, 5, ["a"], {}, b"a", "x" * 9999], ids=lambda value: str(value)[:9])
def test_values_that_are_not_paths_are_reported(value):
    uses = {
        "a cache": Cache, "a manifest": load_manifest, "a checkpoint": load_checkpoint, "a CLIP": load_clip,
        "a result": lambda path: compare(path, path),
    }  # fmt: skip
    for what, use in uses.items():
        with pytest.raises(UserError, match=f"the path of {what}( has a name of 9,999 bytes|, got a value of type)"):
            use(value)
    with pytest.raises(UserError, match=r"the path of a checkpoint"):
        draw_texts(["a red bird"], checkpoint=value)


def test_stages_engines_and_runs_are_checked(tmp_path):
    manifest = load_manifest("toybirds", [f"cache={tmp_path / 'cache'}", f"run={tmp_path / 'run'}"])
    with pytest.raises(UserError, match="'nope' is not a stage; expected ingest, parse, encode, taps"):
        prepare(manifest, "nope")
    with pytest.raises(UserError, match="'nope' is not an engine; expected local or ray"):
        prepare(manifest, engine="nope")
    with pytest.raises(UserError, match="expected a run, got a value of type str; make it with build_run"):
        train("x")
    with pytest.raises(UserError, match="expected a list of captions"):
        draw_texts(np.array("a bird"))
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_manifest_is_not_a_manifest():
    for use in (prepare, lambda name: build_run(name, World(0))):
        with pytest.raises(UserError, match=r"got 'toybirds'; load it first: load_manifest\('toybirds'\)"):
            use("toybirds")
