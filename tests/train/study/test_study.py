"""`hspcgan study` on a tiny world: seed-major, finished runs skipped, failed ones marked, the page made from JSON."""

import json

import pytest
import yaml
from helpers.cli import hspcgan
from helpers.runs import MODEL, TEMPLATES, TRAIN, make_cache

from hspcgan.pipeline.manifest import load_manifest
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
    assert "3 runs made" in first.output
    results = {path.stem: json.loads(path.read_text()) for path in (root / "out" / "results").iterdir()}
    assert results.keys() == {"plain-seed0", "torn-seed0", "plain-seed1"}  # whole seeds first
    assert results["plain-seed0"]["status"] == "done"
    assert [line["step"] for line in results["plain-seed0"]["validation"]] == [2]
    assert any(name.startswith(SCORE) for name in results["plain-seed0"]["final"])
    assert results["torn-seed0"]["status"] == "diverged"
    assert "loss is" in results["torn-seed0"]["error"]

    second = hspcgan("study", study_manifest)
    assert "1 runs made" in second.output
    assert "2 of 4 seeds" not in second.output
    page = (root / "out" / "report" / "index.html").read_text()
    assert "<strong>undecided</strong>: torn fails" in page  # 2 of 2 seeds: p = 1/4
    again = hspcgan(
        "study", study_manifest, "--results", root / "out" / "report" / "study.json", "--out", root / "again"
    )
    assert again.exit_code == 0, again.output
    for path in (root / "out" / "report").iterdir():
        assert (root / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_results_of_another_protocol_are_rejected(study_manifest, tmp_path):
    results = {"results": [{"row": "plain", "seed": 0, "protocol": "0" * 64}]}
    (tmp_path / "study.json").write_text(json.dumps(results))
    refused = hspcgan("study", study_manifest, "--results", tmp_path / "study.json", "--out", tmp_path / "page")
    assert refused.exit_code == 1
    assert "plain seed 0 was made with protocol 000000000000" in refused.output


def test_a_manifest_without_study_and_uneven_evaluations_are_rejected(study_manifest):
    none = hspcgan("study", "toybirds", "--dry-run")
    assert (none.exit_code, "has no section `study`" in none.output) == (3, True)
    uneven = hspcgan("study", study_manifest, "-o", "study.evaluations=3", "--dry-run")
    assert "2 steps, which 3 evaluations do not divide evenly" in uneven.output


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
