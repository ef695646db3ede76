"""The training step against brute force, and what a run leaves behind."""

import itertools
import json

import numpy as np
import pytest
import torch
from helpers.runs import SIZE
from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.train import loop
from hspcgan.train.config import TrainConfig
from hspcgan.train.run_folder import checkpoints
from hspcgan.train.step.clock import Clock

pytestmark = pytest.mark.usefixtures("one_thread")


def weights(*networks) -> list[torch.Tensor]:
    return [value.clone() for network in networks for value in network.state_dict().values()]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("loss", "mining", "hardest"),
    itertools.product(["hinge", "margin"], ["none", "mis", "fake", "mis+fake"], ["per-image", "worst-pair"]),
)
def test_discriminator_loss_equals_brute_force_over_pairs(make_run, loss, mining, hardest):
    run = make_run(loss=loss, mining=mining, hardest=hardest, penalty_k=0.0, batch_size=6)
    for parameter in run.head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    batch = run.batches.at(1)
    fake_taps = run.image_taps(torch.randn(6, 3, SIZE, SIZE))
    with torch.no_grad():
        real_features, fake_features = run.discriminator(run.real_taps(batch)), run.discriminator(fake_taps)
        e = batch.condition.sentence
        real, fake = run.head(real_features, e).tolist(), run.head(fake_features, e).tolist()
        pair = [[run.head(real_features[i : i + 1], e[j : j + 1]).item() for j in range(6)] for i in range(6)]
    valid = batch.negatives.tolist()

    def term(i: int, score: float) -> float:
        return max(0.0, 1 + score) if loss == "hinge" else max(0.0, 2 - real[i] + score)

    fakes = [term(i, fake[i]) for i in range(6)]
    if mining in ("none", "fake"):
        chosen = [next(j % 6 for j in range(i + 1, i + 6) if valid[i][j % 6]) for i in range(6)]
        mismatched = [term(i, pair[i][j]) for i, j in enumerate(chosen)]
    else:
        mismatched = [max(term(i, pair[i][j]) for j in range(6) if valid[i][j]) for i in range(6)]
    mis_part = max(mismatched) if "mis" in mining and hardest == "worst-pair" else sum(mismatched) / 6
    fake_part = max(fakes) if "fake" in mining else sum(fakes) / 6
    real_part = sum(max(0.0, 1 - score) for score in real) / 6 if loss == "hinge" else 0.0

    computed, _ = loop.discriminator_loss(run, batch, fake_taps)
    assert computed.item() == pytest.approx(real_part + (fake_part + mis_part) / 2, rel=1e-4, abs=1e-5)


def test_each_update_moves_its_own_networks_alone(make_run):
    run = make_run()
    batch = run.batches.at(0)
    frozen = weights(run.clip)
    taps = [tap.detach() for tap in run.image_taps(run.generator(batch.noise, batch.condition))]
    before_g, before_d = weights(run.generator), weights(run.discriminator, run.head)
    loss, _ = loop.discriminator_loss(run, batch, taps)
    loss.backward()
    loop.update(run, loss, run.optimizer_d, "discriminator", batch.step)
    assert same(before_g, weights(run.generator))
    assert not same(before_d, weights(run.discriminator, run.head))
    loop.train_step(run, batch, Clock())
    assert not same(before_g, weights(run.generator))
    assert same(frozen, weights(run.clip))
    assert all(p.requires_grad for p in [*run.discriminator.parameters(), *run.head.parameters()])


def test_generator_update_passes_through_the_updated_discriminator(make_run):
    """The gradient that Adam saw equals that of −D(C(G)) − λ·cos computed afresh with D as it is after its update."""
    run = make_run(ema=0.0)
    batch = run.batches.at(0)
    initial = {key: value.clone() for key, value in run.generator.state_dict().items()}
    loop.train_step(run, batch, Clock())
    seen = [p.grad.clone() for p in run.generator.parameters() if p.grad is not None]
    run.generator.load_state_dict(initial)
    taps, image = run.clip.image_taps(run.generator(batch.noise, batch.condition), run.tap_blocks)
    e = batch.condition.sentence
    cosine = (image * e).sum(1) / image.norm(dim=1) / e.norm(dim=1)
    loss = -run.head(run.discriminator(taps), e).mean() - 4 * cosine.mean()
    used = [p for p in run.generator.parameters() if p.grad is not None]
    for expected, got in zip(torch.autograd.grad(loss, used), seen, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


def test_moving_average_by_hand(make_run):
    run = make_run(ema=0.25)
    assert run.average is not None
    name = "to_rgb.1.weight"
    start_weight = run.generator.state_dict()[name].clone()
    loop.train_step(run, run.batches.at(0), Clock())
    first = run.generator.state_dict()[name].clone()
    loop.train_step(run, run.batches.at(1), Clock())
    second = run.generator.state_dict()[name]
    expected = 0.1 * start_weight + 0.9 * first  # (1 + 0) / (10 + 0), then (1 + 1) / (10 + 1)
    expected = expected * 2 / 11 + second * 9 / 11
    torch.testing.assert_close(run.average.state_dict()[name], expected)
    assert not torch.equal(run.average.state_dict()[name], second)


def test_bf16_keeps_the_real_branch_in_float32_and_stays_close(make_run):
    losses = {}
    for precision in ("fp32", "bf16"):
        run = make_run(precision=precision)
        report = loop.train_step(run, run.batches.at(0), Clock())
        losses[precision] = report["loss_d"].item()
        assert report["penalty"].dtype == torch.float32
        assert all(p.dtype == torch.float32 for p in run.generator.parameters())
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


def test_cached_taps_give_nearly_the_same_step(make_run):
    plain, cached = make_run(), make_run(cache_taps=True)
    cached.batches.cache_taps_in_ram(cached.taps_of_pixels)
    reports = [loop.train_step(run, run.batches.at(0), Clock()) for run in (plain, cached)]
    assert reports[0]["loss_d"].item() == pytest.approx(reports[1]["loss_d"].item(), rel=1e-3)
    with pytest.raises(ValueError, match="cache_taps"):
        TrainConfig(steps=1, cache_taps=True, flip=True)


def test_a_run_writes_logs_grids_and_checkpoints(make_run):
    run = make_run()
    outcome = loop.train(run)
    assert (outcome.step, outcome.reason) == (6, "done")
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert {"loss_d", "loss_g", "penalty", "images_per_sec"} <= lines[0].keys()
    assert {"data", "D", "G"} <= lines[0]["sec_per_step"].keys()
    assert sorted(path.name for path in (run.folder / "grids").glob("*.png")) == [
        f"step-{step:06d}.png" for step in (0, 4, 6)
    ]
    with Image.open(run.folder / "grids" / "step-000006.png") as grid:
        assert grid.size == (3 * (SIZE + 2) + 2, 2 * (SIZE + 2) + 2)
        shown = np.asarray(grid)[2 : 2 + SIZE, 2 : 2 + SIZE].transpose(2, 0, 1)
    first_test = int(run.cache.split_rows("test")[0])
    np.testing.assert_array_equal(shown, run.cache.images[first_test])
    assert list((run.folder / "tensorboard").iterdir())
    assert (run.folder / "manifest.yaml").is_file()
    again = loop.train(make_run())
    assert (again.step, again.reason) == (6, "done")


def test_a_run_stops_after_its_time_with_a_checkpoint(make_run):
    outcome = loop.train(make_run(steps=10000, max_seconds=0.01))
    assert (outcome.step, outcome.reason) == (1, "time")
    assert (outcome.checkpoint / "state.pt").is_file()


def test_a_damaged_cache_is_named_as_the_cause_of_a_non_finite_loss(make_run):
    run = make_run(steps=3)
    run.cache.__dict__["sentence"] = np.full_like(run.cache.sentence, np.nan)
    loop.train_step(run, run.batches.at(0), Clock())
    with pytest.raises(FloatingPointError) as caught:
        loop.require_finite(run)
    assert f"The cache {run.cache.path} is damaged: it has features that are NaN" in str(caught.value)
    assert "--rebuild" in str(caught.value)
    assert "Lower" not in str(caught.value)


def test_a_damaged_cache_is_named_as_the_cause_of_a_sample_grid_that_is_not_finite(make_run):
    run = make_run(steps=1)
    run.cache.__dict__["sentence"] = np.full_like(run.cache.sentence, np.inf)
    with pytest.raises(UserError, match=r"^The cache .* has features that are NaN or infinite; `hspcgan validate`"):
        loop.train(run)


@pytest.mark.parametrize("network", ["head", "generator"])
def test_a_non_finite_loss_stops_and_names_step_batch_and_checkpoint(make_run, network):
    run = make_run(steps=3)
    loop.train(run)
    run = make_run(steps=5)
    checkpoints.resume(run)
    with torch.no_grad():
        next(iter(getattr(run, network).parameters())).fill_(torch.inf)
    trained = [run.discriminator, run.generator, *([run.average] if network == "head" else [])]
    before = weights(*trained)
    batch = run.batches.at(3)
    for step in (3, 4):
        loop.train_step(run, run.batches.at(step), Clock())
    with pytest.raises(FloatingPointError) as caught:
        loop.require_finite(run)
    message = str(caught.value)
    assert "step 4" in message
    assert "step-000003" in message
    for row in batch.samples:
        assert f"bird-{row:03d}" in message
    assert same(before, weights(*trained))
