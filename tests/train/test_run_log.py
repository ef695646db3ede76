"""Logs contain each step once, however the run before ended and whatever happened to its files."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hspcgan.train import loop

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(BaseException):
    """Raised in place of SIGKILL: no code of a run handles it."""


@pytest.mark.parametrize("at", [2, 5])
def test_tensorboard_shows_each_step_once_after_a_kill(make_run, monkeypatch, at):
    """Killed before the checkpoint of step 3, and after it."""
    train_step = loop.train_step

    def killed(run, batch, *rest):
        if batch.step == at:
            raise Killed
        return train_step(run, batch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", killed)
        with pytest.raises(Killed):
            loop.train(make_run(log_every=1, grid_every=2))
    run = make_run(log_every=1, grid_every=2)
    (first,) = (run.folder / "tensorboard").iterdir()
    first.rename(first.with_name("events.out.tfevents.0"))  # of an earlier second, by which files are read in turn
    loop.train(run)
    seen = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [event.step for event in seen.Scalars("loss_d")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in seen.Images("grid")] == [0, 2, 4, 6]


def test_lines_that_cannot_be_read_are_dropped_and_reported(make_run, caplog):
    run = make_run(steps=4)
    loop.train(run)
    log, evaluations = (run.folder / name for name in ("log.jsonl", "evaluations.jsonl"))
    whole = log.read_bytes()
    bad = [b"\0" * 40, b"null", b"[2]", b"{}", b'{"step": null}', b'{"step": "\xff"}', b'{"step": 3, "lo']
    log.write_bytes(b"\n".join([*bad[:4], whole + bad[4], *bad[5:]]))
    evaluations.write_bytes('{"step": 2, "counts": "two\u2028lines"}\n'.encode() + b"{\n")
    assert loop.train(make_run()).step == 6
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 4, 6]
    assert log.read_bytes().startswith(whole)
    assert evaluations.read_bytes() == '{"step": 2, "counts": "two\u2028lines"}\n'.encode()
    said = caplog.text
    assert f"{log}: 7 of {7 + len(whole.splitlines())} lines cannot be parsed and are dropped" in said
    assert f"{evaluations}: 1 of 2 lines cannot be parsed and are dropped" in said
