"""Manifests: what is unknown or misplaced is named with what was meant, and saving loses nothing."""

import os
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from hspcgan.pipeline.manifest import Manifest, load_manifest
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages.encode import EncodeConfig

TEXT = """\
name: small
cache: c
run: r
data: {source: folder, path: images}
train: {steps: 400, batch_size: 32, schedule: {warmup: 10}}
"""


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    batch_size: int = 8
    schedule: dict[str, int] = {}


def manifest(folder: Path, text: str = TEXT, *overrides: str) -> Manifest:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_manifest(str(path), overrides)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as error:
        manifest(folder, text)
    return str(error.value)


def test_a_manifest_is_its_yaml(tmp_path):
    loaded = manifest(tmp_path)
    assert loaded.raw == yaml.safe_load(TEXT)
    assert (loaded.name, loaded.path) == ("small", tmp_path / "small.yaml")


def test_name_and_folders_have_defaults(tmp_path):
    assert manifest(tmp_path, "train: {}").raw == {
        "train": {}, "name": "small", "cache": "runs/small/cache", "run": "runs/small/run"
    }  # fmt: skip
    assert manifest(tmp_path, "name: other").raw["cache"] == "runs/other/cache"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    text = "cache: ~/c\ndata: {source: table, path: ~/all.csv, images: ~/photos}\n"
    loaded = manifest(tmp_path, text, "run=~/r")
    assert (loaded.raw["cache"], loaded.raw["run"]) == (f"{tmp_path}/c", f"{tmp_path}/r")
    data = loaded.section("data", DataConfig)
    assert (data.path, data.images) == (tmp_path / "all.csv", tmp_path / "photos")


def test_a_path_that_is_no_text_is_refused(tmp_path):
    loaded = manifest(tmp_path, "data: {source: folder, path: 7}\n")
    with pytest.raises(ValueError, match=r"data\.path: .*expected a path as a string \(got 7\)"):
        loaded.section("data", DataConfig)


def test_an_unknown_key_is_refused_with_the_one_that_was_meant(tmp_path):
    told = refusal(tmp_path, TEXT + "trian: {steps: 3}\n")
    assert "unknown key 'trian' (did you mean 'train'?)" in told
    assert "small.yaml" in told
    assert "Known keys: name, description, base, cache, run, data, parse, encode, taps, model, train, evaluate" in told
    assert "did you mean" not in refusal(tmp_path, TEXT + "xyzzy: 1\n")


def test_all_problems_of_the_keys_are_in_one_error(tmp_path):
    told = refusal(tmp_path, "name: 3\nmodle: {}\n7: x\ndata: [a]\ntrain: 5\ncache: null\n")
    for problem in (
        "unknown key 'modle' (did you mean 'model'?)",
        "unknown key 7",
        "data is ['a'], expected keys below it",
        "train is 5, expected keys below it",
        "name is 3, expected one line of text",
        "cache is None, expected one line of text",
    ):
        assert problem in told


def test_all_problems_of_a_section_are_in_one_error_with_what_was_meant(tmp_path):
    loaded = manifest(tmp_path, "train: {stepz: 4, batch_size: many, schedule: {warmup: soon}}")
    with pytest.raises(ValueError, match=r"small\.yaml") as error:
        loaded.section("train", Sizes)
    assert str(error.value).splitlines()[1:] == [
        "  train.steps: is missing",
        "  train.batch_size: should be a valid integer, unable to parse string as an integer (got 'many')",
        "  train.schedule.warmup: should be a valid integer, unable to parse string as an integer (got 'soon')",
        "  train.stepz: unknown key (did you mean 'steps'?); known: steps, batch_size, schedule",
    ]


def test_an_unknown_key_in_a_nested_model_is_refused_with_the_one_that_was_meant(tmp_path):
    loaded = manifest(tmp_path, "encode: {templates: {entitty: a}}")
    with pytest.raises(ValueError, match=r"encode\.templates\.entitty: unknown key \(did you mean 'entity'\?\)"):
        loaded.section("encode", EncodeConfig)


def test_keys_given_twice_are_refused_with_their_lines(tmp_path):
    told = refusal(tmp_path, TEXT + "train: {lr: 1}\nencode: {batch: [{a: 1, a: 2}]}\nnaem: 1\n")
    for problem in ("line 6: train occurs twice", "line 7: a occurs twice", "unknown key 'naem'"):
        assert problem in told


def test_a_section_is_the_typed_model_and_an_empty_one_its_defaults(tmp_path):
    section = manifest(tmp_path).section("train", Sizes)
    assert section == Sizes(steps=400, batch_size=32, schedule={"warmup": 10})
    for text in ("name: small", "encode:", "encode: {}"):
        assert manifest(tmp_path, text).section("encode", EncodeConfig) == EncodeConfig.model_validate({})


def test_a_missing_manifest_is_refused_with_the_shipped_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no manifest 'toybird': .*toybirds.*\(did you mean 'toybirds'\?\)"):
        load_manifest("toybird")
    for name in (str(tmp_path), ""):
        with pytest.raises(ValueError, match=r"no manifest .*shipped manifest .*toybirds"):
            load_manifest(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"train: [1", "is not YAML"),
        (b"train: \xff\xfe\n", "not UTF-8"),
        (b"train: {since: 2024-13-45}\n", "is not YAML: line 1: the value '2024-13-45' is not a valid"),
        (b"train: !!python/object:os.system {}\n", "is not YAML"),
        (b"- a\n- b\n", "contains a list, expected keys such as name, description"),
        (b"", "has no keys, expected keys such as"),
        (b"hello", "contains 'hello', expected keys"),
    ],
)
def test_what_is_no_mapping_in_yaml_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.yaml") as error:
        load_manifest(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize("key", ["cache", "run"])
def test_a_manifest_names_local_folders(key):
    with pytest.raises(ValueError, match=rf"{key} is the URL s3://bucket/x: .*local folder"):
        load_manifest("toybirds", [f"{key}=s3://bucket/x"])


def test_the_fingerprint_is_the_sha256_of_sorted_json(tmp_path):
    # echo -n '{"data": {"path": "images", "source": "folder"}, "parse": null}' | sha256sum
    literal = "cd34f7ed783cd622ba501faf8e02fd363052deeef784fa0392699b90bafe24e8"
    assert manifest(tmp_path).fingerprint("data", "parse") == literal
    reordered = manifest(tmp_path, "train: {steps: 1}\ndata:\n  path: images\n  source: folder\nname: else\n")
    assert reordered.fingerprint("parse", "data") == literal
    assert manifest(tmp_path, TEXT, "data.path=other").fingerprint("data", "parse") != literal
    assert manifest(tmp_path).fingerprint("data") != literal


def test_a_saved_manifest_loads_back_and_its_sections_too(tmp_path):
    loaded = manifest(tmp_path, TEXT, "description=für 'x'", "train.lr=4e-4", "encode.templates.entity=a {}")
    loaded.save(tmp_path / "manifest.yaml")
    again = load_manifest(str(tmp_path / "manifest.yaml"))
    assert again.raw == loaded.raw
    assert list(again.raw) == list(loaded.raw)
    assert again.fingerprint("train", "encode") == loaded.fingerprint("train", "encode")
    assert "für" in (tmp_path / "manifest.yaml").read_text(encoding="utf-8")


def test_saving_replaces_the_whole_file_or_nothing(tmp_path):
    target = tmp_path / "manifest.yaml"
    loaded = manifest(tmp_path)
    loaded.save(target)
    before, inode = target.read_bytes(), target.stat().st_ino
    held = os.open(target, os.O_RDONLY)
    try:
        manifest(tmp_path, TEXT, "train.steps=7").save(target)
        assert os.pread(held, 10**6, 0) == before
    finally:
        os.close(held)
    assert target.stat().st_ino != inode
    assert yaml.safe_load(target.read_text())["train"]["steps"] == 7
    loaded.raw["train"]["steps"] = object()
    with pytest.raises(yaml.YAMLError):
        loaded.save(target)
    assert yaml.safe_load(target.read_text())["train"]["steps"] == 7
