"""Manifests that start from another one: what is inherited, from where, and what is refused."""

from pathlib import Path

import pytest

from hspcgan.pipeline.manifest import load_manifest

BASE = """\
name: below
description: the base
run: runs/of/base
data: {source: folder, path: images}
model: {taps: [1, 4], channels: [8, 8]}
train: {steps: 400, schedule: {warmup: 10, cool: 1}}
"""


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as error:
        load_manifest(str(path), overrides)
    return str(error.value)


def test_own_keys_go_over_the_bases_one_by_one(tmp_path):
    write(tmp_path, below=BASE, row="base: below.yaml\nmodel: {taps: [2]}\ntrain: {schedule: {warmup: 5}, seed: 1}\n")
    loaded = load_manifest(str(tmp_path / "row.yaml"), ["train.steps=7"])
    assert loaded.raw == {
        "name": "row",
        "cache": "runs/below/cache",
        "run": "runs/row/run",
        "data": {"source": "folder", "path": "images"},
        "model": {"taps": [2], "channels": [8, 8]},
        "train": {"steps": 7, "schedule": {"warmup": 5, "cool": 1}, "seed": 1},
    }
    assert (loaded.name, loaded.path) == ("row", tmp_path / "row.yaml")


def test_a_chain_of_bases_shares_the_cache_of_the_first(tmp_path):
    write(tmp_path, below="train: {steps: 1, seed: 2}\n", middle="base: below.yaml\ntrain: {steps: 3}\n",
          top="base: middle.yaml\nrun: elsewhere\n")  # fmt: skip
    raw = load_manifest(str(tmp_path / "top.yaml")).raw
    assert raw == {"name": "top", "cache": "runs/below/cache", "run": "elsewhere", "train": {"steps": 3, "seed": 2}}


def test_a_base_lies_beside_the_file_wherever_the_command_runs_or_is_shipped(tmp_path, monkeypatch):
    write(tmp_path / "deep", below="train: {steps: 1}", row="base: below.yaml", other="base: toybirds")
    write(tmp_path / "here", below="train: {steps: 2}")
    monkeypatch.chdir(tmp_path / "here")
    assert load_manifest(str(tmp_path / "deep" / "row.yaml")).raw["train"] == {"steps": 1}
    assert load_manifest(str(tmp_path / "deep" / "other.yaml")).raw["cache"] == "runs/toybirds/cache"
    write(tmp_path / "away", row="base: below.yaml")
    assert "no manifest 'below.yaml'" in refusal(tmp_path / "away" / "row.yaml")


def test_a_tilde_is_the_home_folder_in_every_path_of_a_manifest(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, below="parse: {model: ~/parser}\nevaluate: {inception: ~/w, checkpoints: {a: ~/run}}")
    path = tmp_path / "m.yaml"
    path.write_text("name: ~x\nbase: ~/below.yaml\ncache: [~/a, b]\nstudy: {rows: {a: ~/a.yaml}}\n")
    raw = load_manifest(str(path), ["bench.file=~/captions.txt"]).raw
    assert raw["parse"] == {"model": f"{tmp_path}/parser"}
    assert raw["evaluate"] == {"inception": f"{tmp_path}/w", "checkpoints": {"a": f"{tmp_path}/run"}}
    assert (raw["name"], raw["cache"]) == ("~x", [f"{tmp_path}/a", "b"])
    assert raw["study"]["rows"] == {"a": f"{tmp_path}/a.yaml"}
    assert raw["bench"]["file"] == f"{tmp_path}/captions.txt"


def test_a_resolved_manifest_is_saved_without_its_base(tmp_path):
    write(tmp_path, below=BASE, row="base: below.yaml\n")
    loaded = load_manifest(str(tmp_path / "row.yaml"))
    loaded.save(tmp_path / "saved.yaml")
    assert load_manifest(str(tmp_path / "saved.yaml")).raw == loaded.raw


def test_circles_and_wrong_bases_are_refused(tmp_path):
    write(tmp_path, a="base: b.yaml", b="base: ../" + tmp_path.name + "/a.yaml", c="base: 3", d="base: c.yaml")
    assert "is circular" in refusal(tmp_path / "a.yaml")
    assert "base is 3, expected one line of text" in refusal(tmp_path / "c.yaml")
    assert "c.yaml:" in refusal(tmp_path / "d.yaml")


def test_a_fault_in_the_base_is_told_of_the_base(tmp_path):
    write(tmp_path, below="trian: {}\ntrain: {a: 1, a: 2}\n", row="base: below.yaml\n")
    told = refusal(tmp_path / "row.yaml")
    assert told.startswith(str(tmp_path / "below.yaml"))
    assert "unknown key 'trian'" in told
    assert "a occurs twice" in told


def test_base_is_no_override(tmp_path):
    write(tmp_path, row="train: {}")
    assert "base cannot be set by an override" in refusal(tmp_path / "row.yaml", "base=toybirds")
