"""The committed results of the study on toy birds: its tables and page come from its study.json, by its protocol."""

from pathlib import Path

import pytest
from helpers.cli import hspcgan

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.manifest.files import shipped_folder
from hspcgan.train.study.protocol import open_study
from hspcgan.train.study.results import read_page_results

FOLDER: Path = shipped_folder() / "paper" / "toybirds-study"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    told = hspcgan("study", "paper/toybirds-study", "--results", FOLDER / "study.json", "--out", out)
    assert told.exit_code == 0, told.output
    return out


def test_every_committed_run_followed_the_protocol_and_names_its_commit():
    study, results = open_study(load_manifest("paper/toybirds-study")), read_page_results(FOLDER / "study.json")
    assert results
    assert {result["protocol"] for result in results} == {study.hash}
    assert all(len(result["commit"]) == 40 and result["precision"] in ("bf16", "fp32") for result in results)
    done = [result for result in results if result["status"] == "done"]
    assert {len(result["validation"]) for result in done} == {study.config.evaluations}


@pytest.mark.parametrize("name", ["rows", "claims"])
@pytest.mark.parametrize("suffix", ["md", "csv", "tex"])
def test_the_tables_are_those_of_the_results(rebuilt, name, suffix):
    assert (rebuilt / f"{name}.{suffix}").read_bytes() == (FOLDER / f"{name}.{suffix}").read_bytes()


def test_the_results_and_the_names_of_the_charts_are_the_same(rebuilt):
    assert (rebuilt / "study.json").read_bytes() == (FOLDER / "study.json").read_bytes()
    assert {path.name for path in rebuilt.iterdir()} == {path.name for path in FOLDER.iterdir()}
