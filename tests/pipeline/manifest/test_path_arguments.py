"""A command that is given a manifest, a cache or a run in place of another one takes it, or says what it is."""

import json
from pathlib import Path

import pytest
from helpers.cli import hspcgan
from helpers.datasets import folder_dataset, manifest


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_clip_path) -> Path:
    """A manifest with a cache."""
    root = tmp_path_factory.mktemp("arguments")
    path = manifest(root / "mine.yaml", folder_dataset(root / "data", 3), tiny_clip_path)
    assert hspcgan("prepare", path).exit_code == 0
    return path


@pytest.mark.parametrize("command", [("stats",), ("validate",), ("inspect",)])
def test_a_manifest_or_a_run_in_place_of_its_cache_is_taken(prepared, tmp_path, command):
    cache = prepared.with_suffix(".cache")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.yaml").write_text(json.dumps({"cache": str(cache)}))
    wanted = hspcgan(*command, cache)
    assert wanted.exit_code == 0
    for given in (prepared, tmp_path / "run"):
        result = hspcgan(*command, given)
        assert (result.exit_code, f"using the cache {cache} of {given}" in result.stderr) == (0, True)
        assert result.stdout == wanted.stdout


def test_a_manifest_whose_cache_is_not_made_says_how_to_make_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ncache: somewhere\n")
    result = hspcgan("inspect", path)
    assert result.exit_code == 3
    assert f"the cache somewhere of {path} does not exist yet; run `hspcgan prepare {path}`" in result.output


def test_a_cache_in_place_of_a_manifest_is_named(prepared, tmp_path):
    for command in ("prepare", "train", "evaluate"):
        result = hspcgan(command, prepared.with_suffix(".cache"))
        assert (result.exit_code, "is a cache; expected a YAML file" in result.output) == (2, True), result.output
    empty = hspcgan("prepare", tmp_path)
    assert (empty.exit_code, "a folder without a cache or a run" in empty.output) == (2, True)


def test_a_run_in_place_of_a_manifest_is_its_manifest(prepared, tmp_path):
    (tmp_path / "manifest.yaml").write_text(prepared.read_text())
    result = hspcgan("prepare", tmp_path)
    assert (result.exit_code, "Nothing to do" in result.stdout) == (0, True), result.output


def test_a_report_takes_a_manifest_and_refuses_a_cache(prepared, tmp_path):
    named = hspcgan("report", prepared)
    assert (named.exit_code, "does not exist yet" in named.output) == (3, True), named.output
    cache = hspcgan("report", prepared.with_suffix(".cache"))
    assert (cache.exit_code, "is a cache" in cache.output) == (2, True)


def test_other_files_and_folders_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    file = hspcgan("stats", tmp_path / "notes.txt")
    assert (file.exit_code, "is a file; expected the folder of a cache" in file.output) == (2, True)
    absent = hspcgan("stats", tmp_path / "nowhere")
    assert (absent.exit_code, "does not exist; `hspcgan prepare MANIFEST` creates it" in absent.output) == (3, True)
