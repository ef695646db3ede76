"""Building a run: caches that do not fit and invalid settings are rejected before any step."""

import re
import sys

import pytest
import torch
from helpers.cli import hspcgan
from helpers.runs import make_cache, write_manifest

from hspcgan.evaluate.checkpoints import text_settings
from hspcgan.model.checkpoint import read_card
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train import loop
from hspcgan.train.config import TrainConfig
from hspcgan.train.distributed import start
from hspcgan.train.plan import missing
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import build_run, with_precision

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("parse.annotator=stanza", "was made with parse.annotator 'spacy', but tiny with 'stanza'"),
        (
            "encode.templates.entity=a {}",
            "was made with encode.templates.entity 'a photo of a {}', but tiny with 'a {}'",
        ),
    ],
)
def test_a_cache_with_other_text_settings_is_rejected(tmp_path, cache_path, tiny_clip_path, override, said):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path)
    with pytest.raises(ValueError, match=re.escape(said)):
        build_run(load_manifest(str(path), [override]), start("cpu"))
    galip = ["model.kind=galip", "model.prompts=fc", "model.gate=append"]  # reads sentences alone
    build_run(load_manifest(str(path), [override, *galip]), start("cpu"))


def test_the_card_states_how_the_caches_captions_were_parsed(make_run):
    run = make_run(steps=1)
    loop.train(run)
    texts = read_card(checkpoints.latest(run.folder))["extra"]["texts"]
    assert texts["parse"] == {"annotator": "spacy", "model": "", "spacy_model": "", "batch_size": 256}
    assert text_settings(checkpoints.latest(run.folder)).parse.annotator == "spacy"


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path, cache_path, tiny_clip_path):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path)
    result = hspcgan("train", path, "--dry-run", "--override", "train.batch_size=5")
    assert result.exit_code == 0, result.output
    assert "6 of 5 images" in result.output
    assert "13 training images, 26 captions" in result.output
    assert "only 3 test images, but `hspcgan evaluate` needs 4" in result.output
    assert "parameters: G" in result.output
    assert not (tmp_path / "run").exists()


def test_a_dry_run_states_the_step_to_resume_at_or_why_it_cannot(tmp_path, make_run):
    def dry(*overrides):
        options = [option for override in overrides for option in ("-o", override)]
        return hspcgan("train", tmp_path / "a" / "manifest.yaml", "--dry-run", *options)

    run = make_run(steps=2)
    assert dry().output.splitlines()[-1] == f"run folder: {run.folder}"
    loop.train(run)
    (run.folder / "checkpoints" / "latest").unlink()  # a real run writes it again
    before = sorted(run.folder.rglob("*"))
    assert "resumes at step 2 of 6" in dry("train.steps=6").output
    assert "already complete: 2 steps" in dry().output
    refused = dry("train.seed=1")
    assert (refused.exit_code, "train.seed: 0 then, 1 now" in refused.output) == (3, True)
    assert sorted(run.folder.rglob("*")) == before


def test_bad_input_is_a_clear_error(tmp_path, cache_path, tiny_clip_path, other_clip_path):
    def output(path, *arguments) -> str:
        result = hspcgan("train", path, "--dry-run", *arguments)
        assert result.exit_code in (2, 3), result.output
        return result.output

    path = write_manifest(tmp_path, cache_path, tiny_clip_path)
    assert "batchsize" in output(path, "--override", "train.batchsize=5")
    assert "model.image_size is 64" in output(path, "--override", "model.image_size=64")
    assert "sha256" in output(write_manifest(tmp_path, cache_path, other_clip_path))


def test_a_missing_wandb_is_reported_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as where it is not installed
    loaded = load_manifest(str(write_manifest(tmp_path, tmp_path / "cache", tmp_path / "clip.pt", wandb="birds")))
    with pytest.raises(ValueError, match=r"train.wandb is set, .* not installed; run `pip install wandb`"):
        build_run(loaded, start("cpu"))
    assert [line.split()[0] for line in missing(loaded)] == ["no", "no", "train.wandb"]


def test_a_cache_without_token_features_fits_models_that_read_the_sentence_alone(tmp_path, tiny_clip_path):
    cache = make_cache(tmp_path / "cache", tiny_clip_path, keep_tokens=False)
    path = write_manifest(tmp_path, cache, tiny_clip_path)
    said = r"no token features .*the model of tiny needs them; .*model\.context: sentence, or encode\.tokens: true"
    with pytest.raises(ValueError, match=said):
        build_run(load_manifest(str(path), ["model.context=tokens"]), start("cpu"))
    for fitting in (["model.context=sentence"], ["model.kind=galip", "model.prompts=fc", "model.gate=append"]):
        build_run(load_manifest(str(path), fitting), start("cpu"))


@pytest.mark.parametrize(
    ("capability", "asked", "expected", "warned"),
    [
        ("AVX512", "auto", "bf16", False),
        ("AVX2", "auto", "fp32", False),
        ("AVX2", "fp32", "fp32", False),
        ("AVX512", "bf16", "bf16", False),
        ("AVX2", "bf16", "bf16", True),
    ],
)
def test_auto_precision_is_bf16_only_where_the_cpu_computes_it(
    monkeypatch, caplog, capability, asked, expected, warned
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    config = TrainConfig(steps=1, precision=asked)
    assert with_precision(config, torch.device("cpu")).precision == expected
    assert ("emulates bf16" in caplog.text) == warned


def test_a_run_with_auto_precision_records_the_precision_it_used(make_run, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert make_run(precision="auto").fixed_settings()["train.precision"] == "bf16"
