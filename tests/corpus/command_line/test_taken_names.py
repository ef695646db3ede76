"""Names of our folders and files that are taken by a file, a link or a pipe, or by the user's own files."""

import os
import shutil
from pathlib import Path

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded
from helpers.files import file_bytes
from helpers.scored_runs import write_checkpoint, write_manifest

from hspcgan.train.process import ownership

pytestmark = pytest.mark.usefixtures("one_thread")

FIX = "; move it away and run the command again"
KINDS = {
    "file": "a file",
    "fifo": "a pipe",
    "loop": "a link that points back to itself",
    "nowhere": "a link to nothing",
}


def occupy(path: Path, kind: str) -> None:
    """Replaces what is at a path by a file, a pipe, a folder, or a link to itself or to nothing."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_bytes(b"mine")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if kind == "loop" else "nowhere/at/all")


def train(world: Path, run: Path, *options: str):
    places = ("-o", f"run={run}", "-o", f"cache={world / 'cache'}")
    return hspcgan("train", world / "manifest.yaml", *places, "-o", "train.steps=3", *options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ownership.RUN.folders)
def test_the_name_of_a_folder_of_a_run_is_taken(world, tmp_path, name, kind):
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    occupy(run / name, kind)
    with bounded():
        for options in (("--dry-run",), ()):
            told = train(world, run, *options)
            assert_told(told, f"{run / name} is {KINDS[kind]}, expected a folder{FIX}", codes={3})
    assert "step 1/" not in told.output
    assert not list(run.glob("checkpoints/step-000003"))


FILES = [name for name in ownership.RUN.files if "*" not in name]


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "nowhere"])
@pytest.mark.parametrize("name", FILES)
def test_the_name_of_a_file_of_a_run_is_taken(world, tmp_path, name, kind):
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    occupy(run / name, kind)
    found = {"folder": "a folder"}.get(kind) or KINDS[kind]
    with bounded():
        told = train(world, run)
    assert_told(told, f"{run / name} is {found}, expected a regular file{FIX}", codes={3})
    assert not list(run.glob("checkpoints/step-000003"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["run", "above/run"])
def test_the_folder_of_a_run_is_taken(world, tmp_path, name, kind):
    occupy(tmp_path / name.partition("/")[0], kind)
    with bounded():
        told = train(world, tmp_path / name)
    if kind == "nowhere" and name == "run":
        assert_told(told, codes={3})
    else:
        assert_told(told, f"{tmp_path / name.partition('/')[0]} is {KINDS[kind]}, expected a", FIX, codes={3})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "kept", "kept/images", "kept/features", "kept/scores"])
def test_the_name_of_a_folder_of_an_evaluation_is_taken(tmp_path, tiny_clip_path, other_clip_path, name, kind):
    manifest = write_manifest(tmp_path, tiny_clip_path, other_clip_path, metrics=["clip_score"])
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tiny_clip_path)
    taken = tmp_path / "run" / "evaluation" / name
    occupy(taken, kind)
    with bounded():
        for options in (("--dry-run",), ()):
            told = hspcgan("evaluate", manifest, "--checkpoint", checkpoint, *options)
            assert_told(told, f"{taken} is {KINDS[kind]}, expected a ", FIX, codes={3})
    assert "generating" not in told.output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["evaluation", "grids"])
def test_a_report_names_a_folder_that_is_none(world, tmp_path, name, kind):
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    occupy(run / name, kind)
    told = hspcgan("report", run, "--out", tmp_path / "page.html")
    assert_told(told, f"{run / name} is {KINDS[kind]}, expected a folder{FIX}", codes={3})
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("kind", [*KINDS, "folder"])
def test_the_lock_of_a_run_is_taken(world, tmp_path, kind):
    occupy(tmp_path / "run" / "lock", kind)
    told = train(world, tmp_path / "run")
    assert_told(told, f"{tmp_path / 'run' / 'lock'} is ", codes={3})
    assert "Errno" not in told.output


OWN = {
    "log.jsonl": b"of my house\n", "evaluations.jsonl": b"{}\n", "manifest.yaml": b"name: mine\n", "grids/captions.tsv": b"my table\n",
    "grids/step-000003.png": b"my picture", "checkpoints/latest": b"mine\n", "checkpoints/best": b"mine\n", "checkpoints/step-000003/model.json": b"{}",
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_users_file_in_the_folder_of_a_new_run_is_not_overwritten(world, tmp_path, name):
    own = tmp_path / "run" / name
    own.parent.mkdir(parents=True)
    own.write_bytes(OWN[name])
    before = file_bytes(tmp_path)
    shown = "checkpoints/step-000003" if "step-000003/" in name else name
    for options in (("--dry-run",), ()):
        told = train(world, tmp_path / "run", *options)
        assert_told(told, f"{tmp_path / 'run'} contains {shown}, but no file `lock` of hspcgan, so these files are not from",
                    "move them away, or give another `run:` folder", codes={3})  # fmt: skip
    assert file_bytes(tmp_path) == before


def test_other_files_of_a_user_and_an_interrupted_run_are_no_obstacle(world, tmp_path):
    run = tmp_path / "run"
    for name in ("notes.txt", "grids/mine.png", "evaluation/trained.json", "tensorboard/mine"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"mine")
    before = file_bytes(run)
    result = train(world, run)
    assert result.exit_code == 0, result.output
    assert {name: content for name, content in file_bytes(run).items() if name in before} == before
    (run / "lock").unlink()
    assert train(world, run, "-o", "train.steps=4").exit_code == 0  # its checkpoints show that it is ours
    shutil.rmtree(run / "checkpoints")
    assert train(world, run).exit_code == 0  # its lock shows it


@pytest.mark.parametrize("name", ["ingest", "parse", "encode", "final", "copy"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_name_of_a_work_folder_of_a_cache_is_taken(world, tmp_path, name, kind):
    taken = tmp_path / "copied.partial" / name
    occupy(taken, kind)
    (taken.parent / "lock").write_text("hspcgan\n")
    told = hspcgan("copy", world / "cache", tmp_path / "copied")
    assert_told(told, f"{taken} is {KINDS[kind]}, expected a folder{FIX}", codes={3})


@pytest.mark.parametrize("mine", [b"", b"mine", b"fifo", b"folder"])
def test_a_users_file_with_the_name_of_a_list_of_rejects_stays(tmp_path, mine):
    (tmp_path / "in.jsonl").write_text('{"caption": "a red bird"}\n')
    place = tmp_path / "out.rejects.jsonl"
    if mine in (b"fifo", b"folder"):
        occupy(place, mine.decode())
        reason = f"{place} is a {'pipe' if mine == b'fifo' else 'folder'}, expected a regular file"
    else:
        place.write_bytes(mine)
        reason = f"{tmp_path} contains out.rejects.jsonl, but no rejects of `hspcgan parse` in them"
    with bounded():
        assert_told(hspcgan("parse", "--jsonl", tmp_path / "in.jsonl", tmp_path / "out"), reason, codes={3})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.rejects.jsonl"]


def test_a_users_page_with_the_name_of_the_report_stays_and_a_report_is_replaced(world, tmp_path):
    run = Path(shutil.copytree(world / "run", tmp_path / "run"))
    for _ in range(2):
        assert hspcgan("report", run).exit_code == 0
    (run / "report.html").write_text("mine")
    for options in ((), ("--dry-run",)):
        told = hspcgan("report", run, *options)
        assert_told(told, f"{run} contains report.html, but no report of hspcgan in it", "another --out", codes={3})
    assert (run / "report.html").read_text() == "mine"
