"""The checkpoints that the page offers: those found, by name, and nothing else."""

import shutil

import pytest
from helpers.runs import MODEL

from hspcgan.evaluate.playground.checkpoints import Checkpoints
from hspcgan.evaluate.playground.page_state import State
from hspcgan.model.checkpoint import save_weights
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build
from hspcgan.pipeline.manifest import shipped_weights


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """runs/birds/run with a copy of the shipped checkpoint, and runs/other without one."""
    monkeypatch.chdir(tmp_path)
    checkpoints = tmp_path / "runs" / "birds" / "run" / "checkpoints"
    shutil.copytree(shipped_weights()["toy-hspcgan"], checkpoints / "step-5")
    (checkpoints / "latest").write_text("step-5")
    (tmp_path / "runs" / "other" / "checkpoints").mkdir(parents=True)
    return tmp_path / "runs"


def test_the_shipped_one_and_those_of_runs_are_found(runs):
    assert Checkpoints().names() == ["toy-hspcgan", "runs/birds/run"]
    assert Checkpoints("runs/birds/run").names() == ["runs/birds/run", "toy-hspcgan"]


def test_a_chosen_one_that_is_not_there_is_an_error_at_once(runs):
    with pytest.raises(UserError, match="runs/other is neither a checkpoint"):
        Checkpoints("runs/other")


def test_an_open_one_is_kept_until_two_others_are_opened(runs):
    checkpoints = Checkpoints()
    assert checkpoints.opened("runs/birds/run") is None
    studio = checkpoints.open("runs/birds/run")
    assert checkpoints.opened("runs/birds/run") is checkpoints.open("runs/birds/run") is studio
    assert studio.scorer.name == "toy-scorer"
    run = runs / "birds" / "run" / "checkpoints"
    for before, after in (("step-5", "step-6"), ("step-6", "step-7")):  # training goes on
        (run / before).rename(run / after)
        (run / "latest").write_text(after)
        assert checkpoints.open("runs/birds/run") is not studio
    assert len(checkpoints._open) == 2


def test_a_checkpoint_that_cannot_be_opened_is_said_on_the_page(served, runs):
    broken = served.checkpoints._runs / "broken" / "checkpoints"
    shutil.copytree(shipped_weights()["toy-hspcgan"], broken / "step-1")
    (broken / "step-1" / "model.safetensors").write_bytes(b"damaged")
    (broken / "latest").write_text("step-1")
    name = (served.checkpoints._runs / "broken").as_posix()
    answer, body = served.ask("/?" + State("a bird", "", checkpoint=name).query())
    assert answer.status == 200  # the page had begun
    assert b'role="alert"' in body
    assert body.decode().rstrip().endswith("</html>")
    assert served.ask("/image.png?" + State("a bird", "", checkpoint=name).query())[0].status == 400
    shutil.rmtree(broken.parent)


def test_a_checkpoint_of_the_sentence_alone_draws_without_parsing(served, tiny_clip_path):
    run = served.checkpoints._runs / "galip"
    clip = load_clip(tiny_clip_path)
    config = ModelConfig(**{**MODEL, "kind": "galip"})
    save_weights(run / "checkpoints" / "step-1", *build(config, clip), config, clip)
    (run / "checkpoints" / "latest").write_text("step-1")
    state = State("a red bird", "a blue bird", count=2, checkpoint=run.as_posix())
    page = served.ask("/?" + state.query())[1].decode()
    assert "uses only the whole sentence" in page
    assert "<svg" not in page
    assert "There is no held-out CLIP scorer" in page
    assert page.count('type="radio"') == 9
    assert served.ask("/image.png?" + state.query(frame=4))[1].startswith(b"\x89PNG")
    shutil.rmtree(run)
