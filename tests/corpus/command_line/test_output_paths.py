"""Output paths that are odd or that already mean something: ~, names that are not UTF-8, an input, a cache."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.corpus import COMMANDS, assert_told, placed
from helpers.datasets import write
from helpers.files import file_bytes
from helpers.run_folders import write_run
from helpers.runs import write_manifest

from hspcgan.pipeline.manifest import load_manifest

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The home folder, another folder than the current one."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.mark.parametrize("name", [*COMMANDS, "manifests"])
def test_a_tilde_is_the_home_folder_and_never_a_new_folder_of_that_name(world, home, tiny_clip_path, name):
    command = COMMANDS.get(name, ("manifests", "toybirds", "--out", "{out}/m.yaml"))
    result = hspcgan(*placed(command, world=world, out="~", clip=tiny_clip_path))
    assert result.exit_code == 0, result.output
    assert os.listdir() == []
    assert os.listdir(home)


@pytest.mark.parametrize("name", ["export", "page", "pack", "sample", "report"])
def test_a_url_is_no_output_path(world, home, tiny_clip_path, name):
    told = hspcgan(*placed(COMMANDS[name], world=world, out="https://me:secret@host", clip=tiny_clip_path))
    assert_told(told, "https://me:***@host", "is a URL, expected a local path; only `hspcgan copy`", codes={2})
    assert os.listdir() == []


def test_an_empty_output_path_is_not_the_current_folder(home):
    told = hspcgan("sample", "a bird", "--out", "", "--dry-run")
    assert_told(told, "Invalid value for '--out': the path is empty", codes={2})


@pytest.mark.parametrize("command", [
    ("prepare", "", "--dry-run"), ("train", "", "--dry-run"), ("validate", ""), ("stats", ""), ("inspect", ""), ("export", "", "out"), ("copy", "", "out"), ("report", ""),
    ("sample", "a bird", "--checkpoint", ""), ("models", "pack", "", "out"), ("graphs", "", ""), ("parse", "--jsonl", "", "out"),
    ("sample", "a bird", "--clip", ""), ("evaluate", "toybirds", "--images", "", "--dry-run"), ("prepare", "folder", "-o", "data.path=''", "--dry-run"),
])  # fmt: skip
def test_an_empty_input_path_is_not_the_current_folder(world, home, monkeypatch, command):
    for name in ("cache", "run"):
        monkeypatch.chdir(world / name)
        assert_told(hspcgan(*command), *(["empty"] if "--dry-run" in command and "sample" not in command else []))


def test_a_tilde_in_a_list_of_caches_and_in_the_name_of_a_checkpoint(world, home, tiny_clip_path):
    write(home / "m.yaml", yaml.safe_dump({"cache": ["~/a", "b"]}))
    assert load_manifest(str(home / "m.yaml")).caches == (home / "a", Path("b"))
    (home / "run").symlink_to(world / "run")
    result = hspcgan("sample", "a bird", "--checkpoint=~/run", "--clip", tiny_clip_path, "--out", home / "samples")
    assert result.exit_code == 0, result.output
    told = hspcgan("sample", "a bird", "--checkpoint=~nobody-has-this-name/run")
    assert_told(told, "no checkpoint '~nobody-has-this-name/run'", codes={3})


@pytest.mark.parametrize("name", ["export", "page", "pack", "sample"])
def test_a_folder_whose_name_is_not_utf_8(world, tmp_path, tiny_clip_path, name):
    out = tmp_path / os.fsdecode(b"\xff")
    result = hspcgan(*placed(COMMANDS[name], world=world, out=out, clip=tiny_clip_path))
    assert result.exit_code == 0, result.output
    assert file_bytes(out)


def test_captions_are_not_parsed_into_the_root_folder_or_a_cache(world, tmp_path):
    lines = write(tmp_path / "in.jsonl", '{"caption": "a red bird"}\n')
    assert_told(hspcgan("parse", "--jsonl", lines, "/"), "/ is a folder; give a file for OUT", codes={3})
    told = hspcgan("parse", "--jsonl", lines, world / "cache" / "cache.json")
    assert_told(told, f"is inside the cache {world / 'cache'}", codes={3})


def test_an_input_is_not_overwritten_by_an_output(tmp_path, tiny_clip_path):
    result = write_run(tmp_path / "run") / "evaluation" / "trained.json"
    (tmp_path / "link.md").symlink_to(result)
    path = write_manifest(tmp_path, tmp_path / "no-cache", tiny_clip_path)
    before = file_bytes(tmp_path)
    new = tmp_path / "new.xml"
    for command in (("table", result, "--out", result), ("table", result, "--out", tmp_path / "link.md"), ("evaluate", path, "--junit", path),
                    ("evaluate", path, "--markdown", path), ("evaluate", path, "--junit", new, "--markdown", new)):  # fmt: skip
        told = hspcgan(*command)
        assert_told(told, "would be overwritten, since this command also reads or writes it", codes={3})
    assert file_bytes(tmp_path) == before


def test_a_report_replaces_no_other_file_of_its_run(tmp_path):
    run = write_run(tmp_path / "run")
    page = run / "my" / "page.html"
    page.parent.mkdir()
    for path in (run / "log.jsonl", run / "manifest.yaml"):
        before = path.read_bytes()
        assert_told(hspcgan("report", run, "--out", path), f"{path.name}, but no report of hspcgan in it", codes={3})
        assert path.read_bytes() == before
    for _ in range(2):
        assert hspcgan("report", run, "--out", page).exit_code == 0


def test_a_checkpoint_is_not_packed_over_itself(world, tmp_path, tiny_clip_path):
    before = file_bytes(world / "checkpoint")
    (tmp_path / "link").symlink_to(world / "checkpoint")
    for out in (world / "checkpoint", tmp_path / "link"):
        told = hspcgan("models", "pack", world / "checkpoint", out, "--clip", tiny_clip_path)
        assert_told(told, "is CHECKPOINT itself, whose float32 weights would be lost; give another OUT", codes={2})
    assert file_bytes(world / "checkpoint") == before


def test_only_a_packed_checkpoint_is_replaced_by_another(world, tmp_path, tiny_clip_path):
    def pack(out):
        return hspcgan("models", "pack", world / "checkpoint", out, "--clip", tiny_clip_path)

    assert [pack(tmp_path / "packed").exit_code for _ in range(2)] == [0, 0]
    shutil.copytree(world / "checkpoint", tmp_path / "full")
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / "model.json", '{"my": "own"}')
    for out in (tmp_path / "full", tmp_path / "mine"):
        before = file_bytes(out)
        assert_told(pack(out), f"{out} contains model.json", "or give another OUT", codes={3})
        assert file_bytes(out) == before
