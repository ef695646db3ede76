"""Periodic evaluation: every due checkpoint is scored once, also after interruptions, and the best one is kept."""

import json

import pytest
import yaml
from helpers.runs import assert_equal, make_cache, read, write_manifest

from hspcgan.evaluate import run as evaluation
from hspcgan.evaluate.checkpoints import find_checkpoint
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train import loop
from hspcgan.train.distributed import start
from hspcgan.train.periodic_eval import PeriodicEvaluator
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.setup import build_run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory, tiny_clip_path):
    return make_cache(tmp_path_factory.mktemp("world") / "cache", tiny_clip_path, test=8)


@pytest.fixture(scope="module")
def scorers(tiny_clip_path, other_clip_path):
    """An evaluate section of two scorers."""
    named = {"held-out": str(other_clip_path), "trainer": str(tiny_clip_path)}
    return {"scorers": named, "metrics": ["clip_score"], "samples": 4, "device": "cpu"}


@pytest.fixture
def make_run(tmp_path, cache_path, tiny_clip_path):
    def make(name="a", evaluate=None, **train):
        path = write_manifest(tmp_path / name, cache_path, tiny_clip_path, **train)
        if evaluate is not None:
            path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"evaluate": evaluate}))
        return build_run(load_manifest(str(path)), start("cpu"))

    return make


def evaluations(run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "evaluations.jsonl").read_text().splitlines()]


def test_periodic_evaluation_keeps_the_best_and_does_not_change_the_training(make_run, scorers, caplog):
    evaluate = scorers | {"expect": {"clip_score/trainer-clip": {"min": 2}}}  # of a cosine
    run = make_run("evaluated", evaluate, evaluate_every=2, best="clip_score/trainer-clip", keep=1)
    with caplog.at_level("INFO", "hspcgan"):
        loop.train(run)
    plain = make_run("plain")
    loop.train(plain)
    assert_equal(read(run.folder), read(plain.folder))
    scores = {}
    for path in (run.folder / "evaluation" / "steps").glob("*.json"):
        figures = json.loads(path.read_text())["figures"]
        scores[path.stem] = next(one["value"] for one in figures if one["name"].startswith("clip_score/trainer"))
    assert scores.keys() == {"step-000002", "step-000004", "step-000006"}
    top = max(scores, key=scores.get)
    lines = evaluations(run)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [line["figures"][line["deciding"]] for line in lines] == list(dict(sorted(scores.items())).values())
    assert (lines[0]["best"], lines[-1]["best"]) == ("step-000002", top)
    assert lines[-1]["drift"][0].startswith("clip_score/trainer-clip/")
    said = caplog.text
    assert (
        f"step 6: {lines[-1]['deciding']} {scores['step-000006']:.4g}, best checkpoint {top}; DRIFT: clip_score/"
        in said
    )
    found = checkpoints.best(run.folder)
    assert found[:2] == (run.folder / "checkpoints" / top, scores[top])
    kept = {path.name for path in (run.folder / "checkpoints").glob("step-*")}
    assert kept == {top, "step-000006"}
    assert find_checkpoint(run.folder / "checkpoints" / "best").name == top
    longer = make_run("evaluated", evaluate, steps=8, evaluate_every=8, best="clip_score/held-out-clip", keep=1)
    loop.train(longer)
    again = checkpoints.best(run.folder)
    assert (again.path.name, again.figure.split("/")[1]) == ("step-000008", "held-out-clip")  # another measure
    with pytest.raises(ValueError, match=r"train.best is 'fid', but the evaluation computes clip_score/"):
        loop.train(make_run("other", evaluate, evaluate_every=2))


class Killed(BaseException):
    """Raised in place of SIGKILL: no code of a run handles it."""


@pytest.mark.parametrize(("step", "how"), [(4, "killed"), (6, "killed"), (4, "signal")])
def test_an_interrupted_evaluation_is_made_by_the_resumed_run(make_run, scorers, monkeypatch, step, how):
    settings = {"evaluate_every": 2, "best": "clip_score/trainer-clip", "keep": 1}
    whole, signals = make_run("whole", scorers, **settings), []
    loop.train(whole)
    evaluate, train_step = evaluation.evaluate, loop.train_step

    def killed(setting, subjects):
        if subjects[0].label == f"step-{step:06d}":
            raise Killed
        return evaluate(setting, subjects)

    def signalled(run, batch, *rest):
        signals.extend(["SIGTERM"] * (batch.step + 1 == step))
        return train_step(run, batch, *rest)

    with monkeypatch.context() as patch:
        if how == "killed":
            patch.setattr(evaluation, "evaluate", killed)
            with pytest.raises(Killed):
                loop.train(make_run("cut", scorers, **settings))
        else:
            patch.setattr(loop, "train_step", signalled)
            assert loop.train(make_run("cut", scorers, **settings), signals).step == step
    run = make_run("cut", scorers, **settings)
    assert [line["step"] for line in evaluations(run)] == list(range(2, step, 2))
    assert loop.train(run).step == 6
    assert evaluations(run) == evaluations(whole)
    assert checkpoints.best(run.folder)[1:] == checkpoints.best(whole.folder)[1:]
    assert checkpoints.best(run.folder).path.name == checkpoints.best(whole.folder).path.name
    assert_equal(read(run.folder), read(whole.folder))
    monkeypatch.setattr(PeriodicEvaluator, "score", lambda evaluator, at: pytest.fail("scored again"))
    assert loop.train(make_run("cut", scorers, **settings)).step == 6
