"""Signals end a run between two steps, however many arrive and however early or late."""

import os
import signal

import pytest
from helpers.cli import hspcgan
from helpers.runs import assert_equal, read, write_manifest

from hspcgan.pipeline.toybirds import demo
from hspcgan.train import distributed, loop, setup
from hspcgan.train.process.signals import received_signals

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def deadly():
    """Numbers of the signals that would have ended the process."""
    came = []
    before = {number: signal.signal(number, lambda number, frame: came.append(number))
              for number in (signal.SIGTERM, signal.SIGINT)}  # fmt: skip
    yield came
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def sending(function, *numbers):
    """The function, after these signals to this process."""

    def called(*arguments, **options):
        send(*numbers)
        return function(*arguments, **options)

    return called


def test_only_the_second_interrupt_has_its_usual_effect(deadly):
    usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with received_signals() as received:
        send(signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)
        assert (received, deadly) == (["SIGTERM", "SIGTERM", "SIGINT", "SIGTERM"], [])
        send(signal.SIGINT)
        assert deadly == [signal.SIGINT]
    assert usual == {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}


def test_two_signals_end_the_run_after_the_step_and_it_resumes_exactly(make_run, monkeypatch, deadly):
    whole = make_run("whole", steps=16, checkpoint_every=100, grid_every=100)
    loop.train(whole)
    run = make_run("cut", steps=16, checkpoint_every=100, grid_every=100)
    train_step = loop.train_step

    def interrupted(run, batch, *rest):
        if batch.step == 4:
            send(signal.SIGTERM, signal.SIGTERM)
        return train_step(run, batch, *rest)

    monkeypatch.setattr(loop, "train_step", interrupted)
    with received_signals() as received:
        outcome = loop.train(run, received)
    assert (outcome.step, outcome.reason, deadly) == (5, "SIGTERM", [])
    monkeypatch.undo()
    resumed = make_run("cut", steps=16, checkpoint_every=100, grid_every=100)
    loop.train(resumed)
    assert_equal(read(whole.folder), read(resumed.folder))


def test_a_signal_before_the_first_step_ends_the_run_without_one(make_run, monkeypatch, deadly):
    run = make_run("early", steps=4, cache_taps=True)
    monkeypatch.setattr(run.batches, "cache_taps_in_ram", sending(run.batches.cache_taps_in_ram, signal.SIGTERM))
    with received_signals() as received:
        outcome = loop.train(run, received)
    assert (outcome.step, outcome.reason, run.batches.taps) == (0, "SIGTERM", None)
    assert not (run.folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (setup, "build_run", "stopped by SIGTERM at step 0 of 2, before the first step; nothing to save"),
        (distributed, "end", "complete: 2 steps"),
    ],
)
def test_signals_during_start_and_end_are_reported(
    tmp_path, cache_path, tiny_clip_path, monkeypatch, deadly, module, name, said
):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path, steps=2)
    monkeypatch.setattr(module, name, sending(getattr(module, name), signal.SIGTERM, signal.SIGTERM))
    result = hspcgan("train", path)
    assert (result.exit_code, deadly) == (0, []), result.output
    assert said in result.output


def test_a_signal_during_the_demos_training_ends_the_demo(tmp_path, cache_path, tiny_clip_path, monkeypatch, deadly):
    path = write_manifest(tmp_path, cache_path, tiny_clip_path, steps=2)
    monkeypatch.setattr(demo, "steps", lambda *_: [("Train", ["train", str(path)]), ("Evaluate", ["manifests"])])
    monkeypatch.setattr(setup, "build_run", sending(setup.build_run, signal.SIGTERM))
    result = hspcgan("demo", "--out", tmp_path / "demo")
    assert (result.exit_code, deadly) == (128 + signal.SIGTERM, []), result.output
    assert "stopped by SIGTERM at step 0 of 2" in result.output
    assert "[2/2]" not in result.output
