"""Studies whose files are damaged, of another kind or copied: one message with the fix, before a run starts."""

import json
import os
import re
import warnings
from pathlib import Path

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, put
from helpers.files import file_bytes
from helpers.runs import MODEL, TRAIN
from helpers.scored_runs import write_checkpoint

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train.process.run_lock import locked
from hspcgan.train.study import result_files, runner
from hspcgan.train.study.protocol import Cell, open_study

SCORE = "clip_score/held-out-clip"


@pytest.fixture
def study(tmp_path) -> Path:
    """The manifest of a study of one row and two seeds, in which every run has a result."""
    row = {"model": MODEL, "train": TRAIN | {"steps": 2}}
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(row))
    config = {"rows": {"plain": str(tmp_path / "plain.yaml")}, "seeds": [0, 1], "evaluations": 1, "shown": [SCORE]}
    path = tmp_path / "study.yaml"
    places = {"run": str(tmp_path / "out"), "cache": str(tmp_path / "cache")}
    path.write_text(yaml.safe_dump(places | {"evaluate": {"metrics": ["clip_score"]}, "study": config}))
    opened = open_study(load_manifest(str(path)))
    opened.manifest.save(tmp_path / "out" / "manifest.yaml")
    figure = {"value": 0.25, "low": 0.2, "high": 0.3, "better": "higher", "n": 4}
    (tmp_path / "out" / "results").mkdir()
    for cell in opened.cells:
        result = {"row": cell.row, "seed": cell.seed, "status": "done", "protocol": opened.hash, "batch_size": 4,
                  "validation": [{"step": 2, "figures": {SCORE: 0.25}}], "final": {SCORE: figure}, "untrained": {}}  # fmt: skip
        opened.result_file(cell).write_text(json.dumps(result))
    return path


@pytest.mark.parametrize(
    "content", ["fifo", "device", "folder", b"", b'{"row": "plain"', b"\xff", b'["\\ud800"]', b"[" * 100_000]
)
def test_a_result_that_cannot_be_read_is_an_error_before_its_run_is_repeated(study, content):
    put(study.parent / "out" / "results" / "plain-seed1.json", content)
    with bounded():
        for command in (("study", study), ("report", study.parent / "out")):
            assert_told(hspcgan(*command), "plain-seed1.json", "remove this file to repeat the run", codes={3})


def set_in_result(study, path, value):
    """Sets a value in the result of the first run."""
    file = study.parent / "out" / "results" / "plain-seed0.json"
    content = json.loads(file.read_text())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("path", [("batch_size",), ("validation", 0, "step")])
@pytest.mark.parametrize("value", [0, -4, 10**30, 10**400, True])
def test_counts_out_of_range_in_a_result(study, path, value):
    set_in_result(study, path, value)
    assert_told(hspcgan("report", study.parent / "out"), "plain-seed0.json is damaged; remove this file", codes={3})


def test_a_result_under_the_name_of_another_run_is_not_taken_for_it(study):
    results = study.parent / "out" / "results"
    (results / "plain-seed1.json").write_text((results / "plain-seed0.json").read_text())
    told = "plain-seed1.json contains the result of plain seed 0; remove this file to repeat the run"
    for command in (("study", study), ("report", study.parent / "out")):
        assert_told(hspcgan(*command), told, codes={3})


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({}, "occurs more than once"),
        ({"seed": 7}, "does not belong to this study"),
        ({"row": "x"}, "does not belong to this study"),
    ],
)
def test_results_of_a_page_that_are_repeated_or_of_no_run(study, change, flaw):
    result = json.loads((study.parent / "out" / "results" / "plain-seed0.json").read_text())
    (study.parent / "study.json").write_text(json.dumps({"results": [result, result | change]}))
    told = hspcgan("study", study, "--results", study.parent / "study.json", "--out", study.parent / "page")
    assert_told(told, flaw, codes={3})
    assert not (study.parent / "page").exists()


def test_the_report_of_a_copied_study_has_the_results_of_the_copy(study):
    copied = study.parent / "copied"
    (study.parent / "out").rename(copied)
    assert hspcgan("report", copied).exit_code == 0
    assert "2 done" in (copied / "report.html").read_text()


def test_a_manifest_in_a_folder_that_is_no_study_is_not_overwritten(study):
    text = "# my comments\n" + study.read_text()
    (study.parent / "manifest.yaml").write_text(text)
    told = hspcgan("study", study.parent / "manifest.yaml", "-o", f"run={study.parent}", "--limit", 0)
    assert_told(told, "not from an earlier run and would be overwritten", codes={3})
    assert (study.parent / "manifest.yaml").read_text() == text


def test_a_pipe_instead_of_the_output_of_a_run(study):
    opened = open_study(load_manifest(str(study)))
    put(study.parent / "study.log", "fifo")
    with (
        bounded(),
        runner._Children() as children,
        pytest.raises(UserError, match=r"study\.log is a pipe, expected a reg"),
    ):
        children.call(study.parent / "study.log", 1, "--version")
    folder = opened.run_folder(Cell("plain", 0))
    folder.mkdir(parents=True)
    put(folder / "evaluations.jsonl", "fifo")
    with bounded(), pytest.raises(UserError, match="expected a regular file"):
        result_files.write_result(opened, Cell("plain", 0), 1, 1.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"final_metrics": ["nothing"]}, "study.final_metrics has unknown metrics nothing; known: "),
        ({"shown": [SCORE, "fid/held-out-clip"]}, "uses fid/held-out-clip, but computes only clip_score"),
        ({"margins": {"zzz": 1.0}}, "uses zzz, but computes only clip_score"),
        ({"margins": {SCORE: -1.0}}, f"study.margins is negative for {SCORE}"),
        ({"published": {"plain": "nowhere"}}, "no manifest 'nowhere'"),
        ({"claims": [{"kind": "reaches", "text": "a", "row": "plain", "at_least": {"kid": 1.0}}]}, "uses kid, but"),
    ],
)
def test_keys_that_fit_no_result_are_an_error_before_the_first_run(study, change, told):
    sections = yaml.safe_load(study.read_text())
    sections["study"] |= change
    study.write_text(yaml.safe_dump(sections))
    assert_told(hspcgan("study", study, "-o", f"run={study.parent / 'new'}"), told, codes={2, 3})
    assert not (study.parent / "new").exists()


@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("nan"), 10**400, True, "0.3"])
@pytest.mark.parametrize(
    "path", [("final", SCORE, "value"), ("final", SCORE, "low"), ("validation", 0, "figures", SCORE)]
)
def test_values_that_nothing_can_be_computed_with_are_one_error(study, path, value):
    set_in_result(study, path, value)
    for command in (("study", study, "--limit", 0), ("report", study.parent / "out")):
        told = hspcgan(*command)
        assert_told(told, "plain-seed0.json is damaged; remove this file to repeat the run:\n  ", codes={3})
        assert len(told.output) < 1000


def test_exchanged_limits_of_an_interval(study):
    set_in_result(study, ("final", SCORE, "low"), 0.5)
    assert_told(
        hspcgan("report", study.parent / "out"), "plain-seed0.json is damaged", "low 0.5 is above high 0.3", codes={3}
    )


@pytest.mark.parametrize("value", [1e99, -1e99, 1e-300])
def test_odd_values_are_shown_without_warnings_of_libraries(study, value):
    for file in (study.parent / "out" / "results").iterdir():
        content = json.loads(file.read_text())
        sign = -1 if file.stem.endswith("1") else 1
        content["final"][SCORE] |= {"value": sign * value, "low": -abs(value), "high": abs(value)}
        content["validation"][0]["figures"][SCORE] = sign * value
        file.write_text(json.dumps(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = hspcgan("study", study, "--limit", 0)
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.output
    rows = (study.parent / "out" / "report" / "rows.md").read_text()
    assert not re.search(r"\d{20}", rows)


STUDY_FILES = {
    "manifest.yaml": "name: mine",
    "manifests/plain-seed0.yaml": "name: mine",
    "report/index.html": "my page",
}


@pytest.mark.parametrize("name", STUDY_FILES)
def test_a_users_file_in_the_folder_of_a_new_study_is_not_overwritten(study, name):
    own = study.parent / "new" / name
    own.parent.mkdir(parents=True)
    own.write_text(STUDY_FILES[name])
    told = hspcgan("study", study, "-o", f"run={study.parent / 'new'}", "--limit", 0)
    assert_told(told, f"contains {name}, but no file `lock` of hspcgan", "give another `run:` folder", codes={3})
    assert file_bytes(study.parent / "new") == {name: STUDY_FILES[name].encode()}


def test_a_users_page_in_the_folder_of_out_is_not_overwritten(study, tmp_path):
    own = tmp_path / "site" / "index.html"
    own.parent.mkdir()
    own.write_text("my page")
    told = hspcgan("study", study, "--limit", 0, "--out", own.parent)
    assert_told(
        told,
        f"{own.parent} contains index.html, but no study.json of a study, so these files are not from",
        "give another --out",
        codes={3},
    )
    assert file_bytes(own.parent) == {"index.html": b"my page"}
    for _ in range(2):
        assert hspcgan("study", study, "--limit", 0, "--out", tmp_path / "page").exit_code == 0


@pytest.mark.parametrize("name", ["manifests", "runs", "results", "report"])
def test_the_name_of_a_folder_of_a_study_is_taken(study, name):
    taken = study.parent / "new" / name
    taken.parent.mkdir()
    taken.write_text("mine")
    told = hspcgan("study", study, "-o", f"run={study.parent / 'new'}", "--limit", 0)
    assert_told(told, f"{taken} is a file, expected a folder; move it away and run the command again", codes={3})
    assert os.listdir(taken.parent) == [name]


@pytest.mark.parametrize("name", ["manifests", "runs", "results", "report"])
def test_the_name_of_a_folder_of_a_finished_study_is_taken(study, name):
    taken = study.parent / "out" / name
    if taken.exists():
        taken.rename(study.parent / "moved")
    taken.symlink_to(name)
    for command in (("study", study, "--limit", 0), ("report", study.parent / "out")):
        told = hspcgan(*command)
        assert_told(told, f"{taken} is a link that points back to itself, expected a folder; move it away", codes={3})


def test_a_second_study_in_the_same_folder_is_an_error(study):
    with locked(study.parent / "out"):
        told = hspcgan("study", study, "--limit", 0)
    assert_told(told, f"process {os.getpid()} on ", f"in {study.parent / 'out'}; wait for it, stop it, or", codes={3})


def test_a_checkpoint_without_settings_of_training_gets_a_result(study, tiny_clip_path):
    opened = open_study(load_manifest(str(study)))
    folder = opened.run_folder(opened.cells[0]) / "checkpoints" / "step-000002"
    write_checkpoint(folder, tiny_clip_path)
    (folder / "state.pt").touch()
    path = result_files.write_result(opened, opened.cells[0], 2, 1.0)
    found = result_files.read_result(path)
    assert (found["status"], found["precision"], found["parameters"].keys()) == (
        "failed", "", {"generator", "discriminator", "head"})  # fmt: skip
