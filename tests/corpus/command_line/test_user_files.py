"""Files of a user, links and pipes at the names that a run folder uses: reported, never overwritten or ignored."""

import os
import resource
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, put
from helpers.datasets import write
from helpers.scored_runs import write_checkpoint, write_manifest

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(world: Path, run: Path, *options: str):
    """The result of training to three steps in this folder."""
    places = ("-o", f"run={run}", "-o", f"cache={world / 'cache'}")
    return hspcgan("train", world / "manifest.yaml", *places, "-o", "train.steps=3", *options)


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "device"])
@pytest.mark.parametrize("name", ["manifest.yaml", "log.jsonl"])
def test_a_report_does_not_ignore_what_is_not_a_regular_file(world, tmp_path, name, kind):
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    if kind == "loop":
        (run / name).unlink()
        (run / name).symlink_to(name)
    else:
        put(run / name, kind)
    (run / "evaluation").mkdir(exist_ok=True)
    with bounded():
        assert_told(hspcgan("report", run, "--out", tmp_path / "page.html"), name, codes={3})
    assert not (tmp_path / "page.html").exists()
    if name == "manifest.yaml":
        told = hspcgan("train", run, "--dry-run")
        assert_told(told, "is a folder whose manifest.yaml is not a regular file", codes={2})


def test_a_manifest_in_a_folder_that_is_no_run_is_not_overwritten(world, tmp_path):
    """`run: .` in a manifest.yaml, which the resolved manifest of the run would replace."""
    sections = yaml.safe_load((world / "manifest.yaml").read_text())
    text = "# my comments\n" + yaml.safe_dump({**sections, "run": str(tmp_path)})
    (tmp_path / "manifest.yaml").write_text(text)
    for options in ((), ("--dry-run",)):
        told = hspcgan("train", tmp_path / "manifest.yaml", *options)
        assert_told(
            told,
            "manifest.yaml, but no file `lock` of hspcgan, so these files are not from an earlier run and would be",
            codes={3},
        )
    assert (tmp_path / "manifest.yaml").read_text() == text
    assert os.listdir(tmp_path) == ["manifest.yaml"]


def test_a_file_named_lock_is_not_overwritten(world, tmp_path):
    (tmp_path / "lock").write_text("of my door\n")
    assert_told(trained(world, tmp_path), "lock is not the lock of a run: it begins with 'of my door", codes={3})
    assert (tmp_path / "lock").read_text() == "of my door\n"


def test_links_and_files_among_the_checkpoints_do_not_end_a_run(world, tmp_path):
    run, own = tmp_path / "run", tmp_path / "own"
    own.mkdir()
    (own / "mine").write_text("mine")
    (run / "checkpoints").mkdir(parents=True)
    (run / "lock").write_text("process 1 on an old machine")
    names = ("step-000001", ".step-000001.partial", "..step-000001.partial")
    for name in names:
        (run / "checkpoints" / name).symlink_to(own)
    for name in ("step-000000/notes.txt", "step-000000/model.json", "step-000003/notes.txt"):
        write(run / "checkpoints" / name, "{}")
    for name in ("step-000002", ".mystep-1.partial"):
        (run / "checkpoints" / name).write_text("mine")
    result = trained(world, run, "-o", "train.keep=1")
    assert result.exit_code == 0, result.output
    assert (own / "mine").read_text() == "mine"
    left = {path.name for path in (run / "checkpoints").iterdir()}
    assert left == {"step-000000", "step-000002", ".mystep-1.partial", "step-000003", "latest"}
    assert [path.name for path in (run / "checkpoints" / "step-000000").iterdir()] == ["notes.txt"]
    saved = {path.name for path in (run / "checkpoints" / "step-000003").iterdir()}
    assert saved == {"model.json", "model.safetensors", "notes.txt", "state.pt"}


def test_a_checkpoint_on_another_disk_is_saved_again_there_beside_the_files_of_a_user(world, tmp_path):
    run, disk = tmp_path / "run", tmp_path / "disk"
    write(disk / "notes" / "mine", "mine")
    os.mkfifo(disk / "pipe")
    (run / "checkpoints").mkdir(parents=True)
    (run / "lock").write_text("process 1 on an old machine")
    (run / "checkpoints" / "step-000003").symlink_to(disk)
    with bounded():
        result = trained(world, run)
    assert result.exit_code == 0, result.output
    names = {str(path.relative_to(disk)) for path in disk.rglob("*")}
    assert names >= {"model.json", "model.safetensors", "notes", "notes/mine", "pipe", "state.pt"}


def test_a_damaged_history_is_kept_by_an_evaluation(tmp_path, tiny_clip_path, other_clip_path):
    manifest = write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    history = tmp_path / "run" / "evaluation" / "history.jsonl"
    history.parent.mkdir(parents=True)
    history.write_bytes(b"\xff\xfe\n")
    result = hspcgan("evaluate", manifest, "--checkpoint", checkpoint)
    assert result.exit_code == 0, result.output
    assert history.read_bytes().startswith(b'\xff\xfe\n{"date"')


def test_an_evaluation_does_not_replace_files_of_the_user(tmp_path, tiny_clip_path, other_clip_path):
    manifest = write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    folder = tmp_path / "run" / "evaluation"
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text("my notes")
    for options in (("--dry-run",), ()):
        told = hspcgan("evaluate", manifest, "--checkpoint", checkpoint, "--label", "mine", *options)
        assert_told(told, "contains mine.json, but no kept or history.jsonl", codes={3})
    assert (folder / "mine.json").read_text() == "my notes"
    for _ in range(2):  # the second evaluation replaces the results of the first
        result = hspcgan("evaluate", manifest, "--checkpoint", checkpoint, "--label", "other")
        assert result.exit_code == 0, result.output


def test_an_evaluation_without_room_leaves_nothing_unfinished(tmp_path, tiny_clip_path, other_clip_path):
    manifest = write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
        result = hspcgan("evaluate", manifest, "--checkpoint", checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_told(result, "raise the limit on the size of files (ulimit -f) and run the same command again", codes={3})
    assert [path for path in (tmp_path / "run").rglob("*") if ".partial" in path.name] == []


def test_a_file_that_a_failing_disk_cannot_read_is_named():
    """Linux cannot read the first byte of a process's memory, which gives the error of a failing disk."""
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no /proc")
    with bounded():
        assert_told(hspcgan("table", memory), "/proc/self/mem: Input/output error; check the disk", codes={3})
