"""What is found by name: shipped manifests, each valid in all its sections, and shipped weights."""

import hashlib
import shutil
from pathlib import Path

import pytest
from helpers.cli import hspcgan
from pydantic import BaseModel

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.model.config import ModelConfig
from hspcgan.pipeline import assets
from hspcgan.pipeline.bench.config import BenchConfig
from hspcgan.pipeline.cli.root import main
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.manifest import load_manifest, weights_path
from hspcgan.pipeline.manifest.files import SECTIONS as KEYS_OF_SECTIONS
from hspcgan.pipeline.manifest.files import shipped_manifests
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages.encode import EncodeConfig
from hspcgan.pipeline.stages.taps import TapsConfig
from hspcgan.pipeline.toybirds.weights import build
from hspcgan.train.config import TrainConfig
from hspcgan.train.study.config import StudyConfig

ROOT = Path(__file__).parents[3]
SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataConfig,
    "parse": ParseConfig,
    "encode": EncodeConfig,
    "model": ModelConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "taps": TapsConfig,
    "bench": BenchConfig,
    "study": StudyConfig,
}
SHIPPED = sorted(path.relative_to(ROOT / "manifests").with_suffix("").as_posix()
                 for path in (ROOT / "manifests").rglob("*.yaml"))  # fmt: skip


def test_weights_are_a_path_or_a_shipped_name(tmp_path):
    (tmp_path / "own.pt").write_bytes(b"x")
    assert weights_path(str(tmp_path / "own.pt")) == tmp_path / "own.pt"
    assert weights_path(str(tmp_path)) == tmp_path
    assets = ROOT / "pipeline" / "assets"
    for path in [*assets.glob("*.pt"), *(path for path in assets.glob("toy-*") if path.is_dir())]:
        assert weights_path(path.stem).resolve() == path.resolve()


@pytest.mark.parametrize("name", ["toy-clap", "weights/ViT-B-99.pt", ""])
def test_missing_weights_are_refused_with_the_shipped_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"no weights '{name}'.*shipped .*toy-stanza.*hspcgan doctor"):
        weights_path(name)


def test_all_manifests_of_the_repository_are_shipped():
    assert shipped_manifests() == SHIPPED
    assert "toybirds" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_manifests_load_and_their_sections_are_valid(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_manifest(name)
    said = loaded.raw.keys() & KEYS_OF_SECTIONS
    assert said <= SECTIONS.keys()
    for key in said if name.startswith("bench/") else said | SECTIONS.keys() - {"bench", "study"}:
        loaded.section(key, SECTIONS[key])


@pytest.mark.parametrize("name", ["coco", "cub", "webdataset", "toybirds"])
def test_an_emptied_model_is_the_annotators_own(name):
    emptied = load_manifest(name, ["parse.annotator=spacy", "parse.model="]).section("parse", ParseConfig)
    assert (emptied.annotator, emptied.model) == ("spacy", "")
    if name != "toybirds":
        assert load_manifest(name, ["parse.annotator=spacy"]).section("parse", ParseConfig).model == ""


def test_the_papers_rows_of_coco_are_of_2014_and_score_more_images_than_inception_has_dimensions():
    rows = [name for name in SHIPPED if name.startswith("paper/coco/")]
    assert rows
    training, test = 82_783, 40_504  # images of train2014 and val2014, by their annotations
    for name in rows:
        loaded = load_manifest(name)
        data, train, evaluate = (loaded.section(key, SECTIONS[key]) for key in ("data", "train", "evaluate"))
        assert (data.source, data.path, data.year) == ("coco", Path("data/coco2014"), 2014)
        assert loaded.raw["cache"] == "runs/coco2014/cache"
        assert loaded.raw["run"] not in ("runs/coco/run", "runs/coco2014/run")
        assert round(train.steps * train.batch_size / training) == 155
        assert evaluate.split == "test"
        assert 2048 < (evaluate.samples or test // 2) <= test // 2


def test_verify_names_the_command_that_builds_what_is_wrong(tmp_path, monkeypatch):
    shutil.copytree(assets.assets_folder(), tmp_path / "assets")
    monkeypatch.setattr(assets, "__path__", [str(tmp_path / "assets")])
    (tmp_path / "assets" / "caption-parser" / "weights.safetensors").unlink()
    wrong = hspcgan("assets", "verify")
    assert wrong.exit_code == 1
    assert "`hspcgan assets build caption-parser --factual train.csv`" in wrong.output
    assert "toy-" not in wrong.output
    (tmp_path / "assets" / "toy-clip.json").write_text("{}")
    assert "`hspcgan assets build toy-clip`" in hspcgan("assets", "verify").output


def test_the_lines_of_a_users_own_sums_are_kept(tmp_path):
    mine = b"# my files\n" + b"0" * 64 + b"  thesis.pdf\n" + b"1" * 64 + b"  \xff.bin\n"
    (tmp_path / "SHA256SUMS").write_bytes(mine + b"2" * 64 + b"  toy-clip.pt\n")
    (tmp_path / "toy-clip.pt").write_bytes(b"weights")
    for _ in range(2):
        build.write_sums(tmp_path)
        line = f"{hashlib.sha256(b'weights').hexdigest()}  toy-clip.pt\n".encode()
        assert (tmp_path / "SHA256SUMS").read_bytes() == mine + line


def test_the_second_run_of_the_checkpoint_starts_from_the_packed_weights_of_the_first(tmp_path, monkeypatch):
    calls = []

    def record(words, **_):
        calls.append(words)
        if words[0] == "train":
            checkpoints = load_manifest(words[1]).run / "checkpoints"
            checkpoints.mkdir(parents=True)
            (checkpoints / "latest").write_text("step-1\n")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "main", record)
    build.build_checkpoint("toy-hspcgan", tmp_path / "out")
    first, second = (load_manifest(name) for name in build.CHECKPOINT_RUNS)
    assert [words[:2] for words in calls] == [
        ["prepare", first.name], ["train", first.name], ["models", "pack"],
        ["prepare", second.name], ["train", second.name], ["models", "pack"], ["models", "pack"],
    ]  # fmt: skip
    assert calls[2][2:] == [str(first.run / "checkpoints" / "step-1"), second.section("train", TrainConfig).initial]
    assert calls[6][2:] == [calls[5][3], str(tmp_path / "out" / "toy-hspcgan")]
