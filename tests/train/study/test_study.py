"""`hspcgan study` on a tiny world: seed-major, finished runs skipped, failed ones marked, the page made from JSON."""

import json
import signal
import sys

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.runs import MODEL, TEMPLATES, TRAIN, make_cache
from helpers.web.browser import WIDTHS, axe_violations, needs_chromium, opened, overflow

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train.study import page, runner
from hspcgan.train.study.config import StudyConfig
from hspcgan.train.study.protocol import Cell, open_study

pytestmark = pytest.mark.usefixtures("one_thread")
SCORE = "clip_score/held-out-clip"


@pytest.fixture(scope="module")
def study_manifest(tmp_path_factory, tiny_clip_path, other_clip_path):
    """A study of two rows and two seeds, one step and one evaluation each; row `torn` diverges."""
    root = tmp_path_factory.mktemp("study")
    cache = make_cache(root / "cache", tiny_clip_path, test=8)
    encode = {"clip": str(tiny_clip_path), "templates": TEMPLATES}
    common = {"cache": str(cache), "parse": {"annotator": "spacy"}, "encode": encode, "model": MODEL}
    train = TRAIN | {"steps": 2, "log_every": 1}
    rows = {"plain": train, "torn": train | {"lr_generator": 1e30, "lr_discriminator": 1e30}}
    for row, settings in rows.items():
        (root / f"{row}.yaml").write_text(yaml.safe_dump(common | {"train": settings}))
    scorers = {"held-out": str(other_clip_path)}
    claims = [
        {"text": "plain is better", "kind": "better", "row": "plain", "than": ["torn"], "figures": [SCORE]},
        {"text": "torn fails", "kind": "fails", "rows": ["torn"], "figures": [SCORE]},
    ]
    study = {"rows": {row: str(root / f"{row}.yaml") for row in rows}, "seeds": [0, 1], "evaluations": 1,
             "shown": [SCORE], "claims": claims}  # fmt: skip
    evaluate = {"scorers": scorers, "metrics": ["clip_score"], "samples": 4, "device": "cpu"}
    path = root / "study.yaml"
    path.write_text(yaml.safe_dump(common | {"run": str(root / "out"), "evaluate": evaluate, "study": study}))
    return path


def test_a_study_runs_resumes_judges_and_makes_its_page_again(study_manifest):
    root = study_manifest.parent
    dry = hspcgan("study", study_manifest, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert not (root / "out").exists()

    first = hspcgan("study", study_manifest, "--limit", 3)
    assert first.exit_code == 0, first.output
    assert "3 runs finished" in first.output
    results = {path.stem: json.loads(path.read_text()) for path in (root / "out" / "results").iterdir()}
    assert results.keys() == {"plain-seed0", "torn-seed0", "plain-seed1"}  # whole seeds first
    assert results["plain-seed0"]["status"] == "done"
    assert [line["step"] for line in results["plain-seed0"]["validation"]] == [2]
    assert any(name.startswith(SCORE) for name in results["plain-seed0"]["final"])
    assert results["torn-seed0"]["status"] == "diverged"
    assert "loss is" in results["torn-seed0"]["error"]

    second = hspcgan("study", study_manifest)
    assert "1 run finished" in second.output
    assert "2 of 4 seeds" not in second.output
    written = (root / "out" / "report" / "index.html").read_text()
    assert "<strong>undecided</strong>: torn fails" in written  # 2 of 2 seeds: p = 1/4
    for run in (root / "out", study_manifest):
        report = hspcgan("report", run, "--out", root / "report.html")
        assert report.exit_code == 0, report.output
        assert (root / "report.html").read_text() == written
    beside = hspcgan("report", root / "out", "--beside", root / "out" / "runs" / "plain-seed0")
    assert (beside.exit_code, "is a study" in beside.output) == (2, True)
    again = hspcgan(
        "study", study_manifest, "--results", root / "out" / "report" / "study.json", "--out", root / "again"
    )
    assert again.exit_code == 0, again.output
    for path in (root / "out" / "report").iterdir():
        assert (root / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_study_continues_from_the_results_of_another_machine(study_manifest, tmp_path):
    assert hspcgan("study", study_manifest).exit_code == 0  # finished before, if the whole file runs
    made = study_manifest.parent / "out" / "report" / "study.json"
    one_run = json.loads(made.read_text())
    one_run["results"] = [result for result in one_run["results"] if (result["row"], result["seed"]) == ("plain", 0)]
    (tmp_path / "study.json").write_text(json.dumps(one_run))
    elsewhere = ("study", study_manifest, "-o", f"run={tmp_path / 'here'}", "--finished", tmp_path / "study.json")
    assert "--finished has no effect" in hspcgan(*elsewhere, "--results", made).output

    told = hspcgan(*elsewhere, "--limit", 1)
    assert told.exit_code == 0, told.output
    assert "1 result from" in told.output
    files = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "here" / "results").iterdir()}
    assert files.keys() == {"plain-seed0", "torn-seed0"}
    assert files["plain-seed0"] == one_run["results"][0]
    assert files["plain-seed0"]["precision"] in ("bf16", "fp32")
    assert not (tmp_path / "here" / "runs" / "plain-seed0").exists()

    one_run["results"][0]["protocol"] = "0" * 64
    (tmp_path / "study.json").write_text(json.dumps(one_run))
    refused = hspcgan("study", study_manifest, "-o", f"run={tmp_path / 'no'}", "--finished", tmp_path / "study.json")
    assert (refused.exit_code, "was made with protocol" in refused.output) == (1, True)
    assert not (tmp_path / "no").exists()


def test_a_page_without_results_has_no_empty_charts(study_manifest, tmp_path):
    written = page.write_report(open_study(load_manifest(str(study_manifest))), [], tmp_path)
    assert [path for path in written if path.suffix == ".svg"] == []
    assert "<h2>Charts" not in (tmp_path / "index.html").read_text()


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_has_no_accessibility_faults_and_fits_its_window(study_manifest, chromium, tmp_path, width):
    page.write_report(open_study(load_manifest(str(study_manifest))), [], tmp_path)
    with opened(chromium, (tmp_path / "index.html").as_uri(), width=width) as shown:
        assert axe_violations(shown) == []
        assert overflow(shown) == 0


def test_results_of_another_protocol_are_rejected(study_manifest, tmp_path):
    result = {"row": "plain", "seed": 0, "protocol": "0" * 64, "status": "done", "batch_size": 2}
    result |= {"validation": [], "final": {}, "untrained": {}}
    (tmp_path / "study.json").write_text(json.dumps({"results": [result]}))
    refused = hspcgan("study", study_manifest, "--results", tmp_path / "study.json", "--out", tmp_path / "page")
    assert refused.exit_code == 1
    assert "plain seed 0 was made with protocol 000000000000" in refused.output


def test_a_manifest_without_study_and_uneven_evaluations_are_rejected(study_manifest):
    none = hspcgan("study", "toybirds", "--dry-run")
    assert (none.exit_code, "has no section `study`" in none.output) == (3, True)
    uneven = hspcgan("study", study_manifest, "-o", "study.evaluations=3", "--dry-run")
    assert "2 steps, which is not a multiple of study.evaluations (3)" in uneven.output


def test_the_shipped_protocol_is_seed_major_and_counts_equal_images():
    study = open_study(load_manifest("paper/toybirds-study"))
    assert study.cells[:2] == [Cell("base_32", 0), Cell("base_32_summed", 0)]
    assert [cell.seed for cell in study.cells] == sorted(cell.seed for cell in study.cells)
    trained = {row: found.raw["train"] for row, found in study.rows.items()}
    assert {train["steps"] * train["batch_size"] for train in trained.values()} == {12800}
    assert {train["penalty_norm"] for row, train in trained.items() if row.startswith(("base", "max"))} == {
        "joint", "summed"
    }  # fmt: skip
    assert len({found.raw["run"] for found in study.rows.values()}) == len(study.rows)


def test_the_protocols_hash_follows_settings_but_not_folders():
    study = open_study(load_manifest("paper/toybirds-study"))
    moved = open_study(load_manifest("paper/toybirds-study", ["run=elsewhere", "cache=there"]))
    other = open_study(load_manifest("paper/toybirds-study", ["evaluate.samples=500"]))
    assert moved.hash == study.hash != other.hash


def test_a_row_without_batch_size_has_the_default_in_its_protocol(study_manifest, tmp_path):
    row = yaml.safe_load((study_manifest.parent / "plain.yaml").read_text())
    hashes = set()
    for name, batch in (("absent", {}), ("stated", {"batch_size": 32})):
        train = {key: value for key, value in row["train"].items() if key != "batch_size"}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(row | {"train": train | batch}))
        overrides = [f"study.rows={{plain: {tmp_path / name}.yaml}}", "study.claims=[]"]
        opened = open_study(load_manifest(str(study_manifest), overrides))
        assert opened.rows["plain"].raw["train"]["batch_size"] == 32
        hashes.add(json.dumps(opened.rows["plain"].raw["train"], sort_keys=True))
        listed = hspcgan("study", study_manifest, "--dry-run", *(part for one in overrides for part in ("-o", one)))
        assert "plain: 2 steps of 32 images" in listed.output
    assert len(hashes) == 1


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "scipy"])
def test_a_package_that_the_page_needs_is_missed_before_the_first_run(study_manifest, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    missed = hspcgan("study", study_manifest, "--dry-run")
    assert missed.exit_code == 3
    assert f"{package} is not installed; pip install -e '.[" in missed.output


def test_overrides_of_sections_that_rows_have_of_their_own_are_rejected(study_manifest):
    ignored = ["train.steps=4", "-o", "model.image_size=64"]
    refused = hspcgan("study", study_manifest, "--dry-run", "-o", *ignored)
    assert refused.exit_code == 2
    assert "train.steps, model.image_size" in refused.output
    assert "each row has its own value" in refused.output


@pytest.mark.parametrize("option", ["--finished", "--results"])
def test_a_dry_run_also_reads_the_results_of_another_machine(study_manifest, tmp_path, option):
    (tmp_path / "study.json").write_text("hello")
    told = hspcgan("study", study_manifest, "--dry-run", option, tmp_path / "study.json")
    assert (told.exit_code, "study.json is not valid JSON" in told.output) == (3, True)


@pytest.mark.parametrize("row", ["../out", "a/b", ".", "..", "a b", "", "a\n", "a" * 51])
def test_names_of_rows_that_are_no_file_names_are_rejected(row):
    with pytest.raises(ValueError, match="cannot be used as file names"):
        StudyConfig.model_validate({"rows": {"base-1.0+x_2": "a", row: "b"}, "shown": [SCORE]})


def test_a_row_is_not_compared_with_itself():
    claim = {"kind": "better", "text": "x", "row": "a", "than": ["b", "a"], "figures": [SCORE]}
    with pytest.raises(ValueError, match="the claim 'x' names a row twice; compare it with other rows"):
        StudyConfig.model_validate({"rows": {"a": "a", "b": "b"}, "shown": [SCORE], "claims": [claim]})


def test_control_characters_of_a_rows_manifest_do_not_reach_the_terminal(study_manifest, tmp_path):
    path = tmp_path / "plain\x1b[31m.yaml"
    path.write_text((study_manifest.parent / "plain.yaml").read_text())
    rows = json.dumps({"plain": str(path)})
    listed = hspcgan("study", study_manifest, "--dry-run", "-o", f"study.rows={rows}", "-o", "study.claims=[]")
    assert listed.exit_code == 0, listed.output
    assert "plain\\x1b[31m.yaml" in listed.output
    assert "\x1b" not in listed.output


def test_a_process_that_starts_while_a_signal_arrives_is_stopped_too(tmp_path, monkeypatch):
    class Late(set):
        def add(self, process):
            signal.raise_signal(signal.SIGTERM)
            super().add(process)

    monkeypatch.setattr(runner, "MAIN", "import time; time.sleep(30)")
    with runner._Children() as children:
        children.processes = Late()
        assert children.call(tmp_path / "log", 1) == -signal.SIGTERM
    assert children.stopped == ["SIGTERM"]
