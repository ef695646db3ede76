"""Runs that end in every way (signals, kill -9) resume exactly; parts of a batch give the weights of the whole."""

import dataclasses
import json
import signal
import time
from pathlib import Path

import pytest
import torch
from helpers.cli import hspcgan_process
from helpers.runs import assert_equal, make_cache, read, write_manifest

from hspcgan.train import loop
from hspcgan.train.config import TrainConfig
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.step.clock import Clock

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cache_path(tmp_path_factory, tiny_clip_path):
    return make_cache(tmp_path_factory.mktemp("world") / "cache", tiny_clip_path, test=8)


@pytest.mark.parametrize("settings", [{"mining": "mis", "loss": "margin"}, {"mining": "none", "loss": "hinge"}])
def test_a_batch_in_parts_gives_the_weights_of_the_whole_batch(make_run, settings):
    settings |= {"batch_size": 6, "lr_generator": 1e-4, "lr_discriminator": 1e-4}  # Adam magnifies rounding
    whole, parts = make_run("a", **settings), make_run("b", accumulate=3, **settings)
    for step in range(2):
        reports = [loop.train_step(run, run.batches.at(step), Clock()) for run in (whole, parts)]
        assert reports[0].keys() == reports[1].keys()
        for name in ("loss_d", "loss_g", "penalty", "mis", "grad_d", "grad_g"):
            assert reports[1][name].item() == pytest.approx(reports[0][name].item(), rel=1e-3, abs=1e-5), name
    for network in ("generator", "discriminator", "head"):
        pairs = zip(getattr(whole, network).parameters(), getattr(parts, network).parameters(), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(other, one, rtol=0, atol=1e-5)


def test_parts_are_the_rows_in_order_and_mine_in_the_whole_batch(make_run):
    batch = make_run(batch_size=6).batches.at(0)
    parts = batch.parts(3)
    assert [part.first_row for part in parts] == [0, 2, 4]
    assert torch.equal(torch.cat([part.noise for part in parts]), batch.noise)
    assert torch.equal(torch.cat([part.condition.sentence for part in parts]), batch.condition.sentence)
    assert all(part.negatives.shape == (2, 6) and part.sentences is batch.sentences for part in parts)


def in_float64(value):
    """A batch, or what it is made of, with float64 in place of float32."""
    if isinstance(value, torch.Tensor):
        return value.double() if value.is_floating_point() else value
    if dataclasses.is_dataclass(value):
        fields = {field.name: in_float64(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


@pytest.mark.parametrize("options", [{}, {"contrast": 0.5, "swap_words": [["caption", "words"], ["bird", "fish"]]}])
def test_in_float64_parts_give_the_weights_of_the_whole_batch_over_six_steps(make_run, monkeypatch, options):
    """Rounding, which Adam without momentum magnifies from step to step, is all that parts differ by."""
    settings = {"batch_size": 6, "lr_generator": 4e-4, "lr_discriminator": 4e-4, "ema": 0, **options}
    runs = [make_run("a", **settings), make_run("b", accumulate=3, **settings)]
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    for run in runs:
        for network in (run.clip, run.generator, run.discriminator, run.head):
            network.double()
    for step in range(6):
        for run in runs:
            loop.train_step(run, in_float64(run.batches.at(step)), Clock())
    for network in ("generator", "discriminator", "head"):
        pairs = zip(*(getattr(run, network).parameters() for run in runs), strict=True)
        for one, other in pairs:
            assert one.dtype == torch.float64
            torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


def test_batches_that_cannot_be_split_are_rejected(make_run):
    with pytest.raises(
        ValueError, match=r"batch_size is 6, which cannot be split evenly over 1 processes with 4 parts"
    ):
        make_run(batch_size=6, accumulate=4)
    for settings in ({"mining": "fake"}, {"mining": "mis", "hardest": "worst-pair"}):
        with pytest.raises(ValueError, match="the maximum over the whole batch"):
            TrainConfig(steps=1, accumulate=2, **settings)
    assert TrainConfig(steps=1, accumulate=2, mining="none", hardest="worst-pair").accumulate == 2


LATE_SIGNAL = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGTERM)"
"""The process sends itself a SIGTERM when it exits, like a launcher that sends a second one."""


def last_step(folder: Path) -> int:
    log = folder / "log.jsonl"
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")] if log.is_file() else []
    return json.loads(lines[-1])["step"] if lines else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_process_resumes_at_its_last_step(tmp_path, make_run, cache_path, tiny_clip_path, number):
    free = {"steps": 1000, "log_every": 1, "checkpoint_every": 4, "grid_every": 1000}
    path = write_manifest(tmp_path / "cut", cache_path, tiny_clip_path, **free)
    process, folder = hspcgan_process("train", path, before=LATE_SIGNAL, OMP_NUM_THREADS="1"), tmp_path / "cut" / "run"
    while last_step(folder) < 5:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    out, _ = process.communicate(timeout=600)
    reached = read(folder)["step"]
    if number == signal.SIGTERM:
        assert process.returncode == 0
        assert f"stopped by SIGTERM at step {reached} of 1000, saved" in out
    else:
        assert process.returncode == -signal.SIGKILL
        assert reached % 4 == 0
    end = {**free, "steps": reached + 2}
    loop.train(make_run("cut", **end))
    whole = make_run("whole", **end)
    loop.train(whole)
    assert_equal(read(folder), read(whole.folder))


def test_a_setting_newer_than_the_checkpoint_counts_as_its_default(make_run):
    run = make_run("a", steps=1)
    loop.train(run)
    path = checkpoints.latest(run.folder) / "state.pt"
    saved = torch.load(path, weights_only=True)
    del saved["fixed"]["model.clip_input"], saved["fixed"]["train.penalty_norm"]
    torch.save(saved, path)
    assert loop.train(make_run("a", steps=2)).step == 2
    torch.save(saved | {"step": 2}, checkpoints.latest(run.folder) / "state.pt")
    with pytest.raises(ValueError, match=r"train.penalty_norm: summed then, joint now"):
        loop.train(make_run("a", steps=2, penalty_norm="joint"))


def test_a_run_resumes_with_another_number_of_parts(make_run):
    """As it may in other numbers of processes, which give the same bits."""
    settings = {"batch_size": 6, "lr_generator": 1e-4, "lr_discriminator": 1e-4}  # Adam magnifies rounding
    whole = make_run("whole", steps=2, **settings)
    loop.train(whole)
    loop.train(make_run("parts", steps=1, **settings))
    path = checkpoints.latest(make_run("parts", **settings).folder) / "state.pt"
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"fixed": saved["fixed"] | {"train.accumulate": 1}}, path)  # as when it was not free
    parts = make_run("parts", steps=2, accumulate=3, **settings)
    loop.train(parts)
    for network in ("generator", "discriminator", "head"):
        for name, value in read(whole.folder)[network].items():
            torch.testing.assert_close(read(parts.folder)[network][name], value, rtol=0, atol=1e-5)
