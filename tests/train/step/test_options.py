"""Schedules, augmentation, the mode-seeking term and starting weights: the options that the paper does not have."""

import numpy as np
import pytest
import torch
import yaml
from helpers.runs import SIZE

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train import loop
from hspcgan.train.config import TrainConfig
from hspcgan.train.distributed import start
from hspcgan.train.setup import build_run
from hspcgan.train.step import apply_gradients, augment, losses, schedule
from hspcgan.train.step.clock import Clock

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (1000, 1.0), (2000, 0.6), (2500, 0.4), (3000, 0.2), (9999, 0.2)]
)
def test_a_schedule_is_linear_between_its_knots_and_constant_outside(step, factor):
    assert schedule.factor_at(((1000, 1.0), (3000, 0.2)), step) == pytest.approx(factor)
    assert schedule.factor_at((), step) == 1.0


def test_a_schedule_of_several_knots_agrees_with_numpy():
    knots = ((10, 1.0), (20, 0.5), (50, 0.75), (60, 0.0))
    expected = np.interp(np.arange(80), [step for step, _ in knots], [factor for _, factor in knots])
    assert [schedule.factor_at(knots, step) for step in range(80)] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    "knots",
    [
        [[5, 1.0], [5, 0.5]],
        [[9, 1.0], [3, 0.5]],
        [[-1, 1.0]],
        [[0, -0.5]],
        [[0, 1e39]],
        [[10**10, 1.0]],
        [[0, float("nan")]],
    ],
)
def test_knots_that_do_not_rise_or_are_no_factors_are_errors(knots):
    with pytest.raises(ValueError, match=r"must (increase|be from 0)|a finite number"):
        TrainConfig.model_validate({"steps": 1, "lr_schedule": knots})


def test_the_rates_of_a_step_follow_the_schedule(make_run):
    run = make_run(lr_generator=2e-4, lr_discriminator=4e-4, lr_schedule=[[0, 1.0], [10, 0.0]])
    apply_gradients.set_rates(run, 5)
    assert [group["lr"] for group in run.optimizer_g.param_groups] == pytest.approx([1e-4])
    assert [group["lr"] for group in run.optimizer_d.param_groups] == pytest.approx([2e-4])


def test_a_rate_of_zero_leaves_all_weights_as_they_are(make_run):
    run = make_run(lr_schedule=[[0, 0.0]])
    before = [p.clone() for n in (run.generator, run.discriminator, run.head) for p in n.parameters()]
    loop.train_step(run, run.batches.at(0), Clock())
    after = [p for n in (run.generator, run.discriminator, run.head) for p in n.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_similarity_schedule_scales_lambda(make_run):
    reports = [
        loop.train_step(run, run.batches.at(4), Clock())
        for run in (make_run(similarity=4.0, similarity_schedule=[[0, 1.0], [8, 0.0]]), make_run(similarity=2.0))
    ]
    assert reports[0]["loss_g"].item() == reports[1]["loss_g"].item()


def test_moved_images_are_those_of_a_loop_over_pixels():
    images = torch.arange(2 * 1 * 3 * 4, dtype=torch.float32).reshape(2, 1, 3, 4)
    offsets = np.array([[1, -2], [0, 1]])
    moved = augment.shift_images(images, offsets)
    for row, (down, right) in enumerate(offsets):
        for y in range(3):
            for x in range(4):
                source = images[row, 0, min(max(y - down, 0), 2), min(max(x - right, 0), 3)]
                assert moved[row, 0, y, x] == source


def test_moving_passes_gradients_to_the_pixels_it_shows():
    images = torch.zeros(1, 1, 3, 3, requires_grad=True)
    augment.shift_images(images, np.array([[0, 1]])).sum().backward()
    assert images.grad is not None
    assert images.grad[0, 0].tolist() == [[2.0, 1.0, 0.0]] * 3  # the left column is repeated, the right one moved out


def test_shifts_reach_every_offset_and_depend_on_seed_and_step_alone():
    drawn = augment.random_shifts(seed=3, step=7, rows=4000, most=2)
    assert {tuple(pair) for pair in drawn.tolist()} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    assert np.array_equal(drawn, augment.random_shifts(3, 7, 4000, 2))
    assert not np.array_equal(drawn, augment.random_shifts(3, 8, 4000, 2))
    assert not augment.random_shifts(3, 7, 10, 0).any()


def test_real_and_generated_images_are_moved_alike(make_run):
    run = make_run(shift=5)
    batch, plain = run.batches.at(2), make_run().batches.at(2)
    assert batch.shifts.any()
    assert torch.equal(batch.images, augment.shift_images(plain.images, batch.shifts))
    with torch.no_grad():
        images, taps, features = loop.draw(run, batch)
        again, features_again = run.clip.image_taps(augment.shift_images(images, batch.shifts), run.tap_blocks)
    assert torch.equal(features, features_again)
    assert all(torch.equal(a, b) for a, b in zip(taps, again, strict=True))


def test_cached_features_cannot_be_moved():
    with pytest.raises(ValueError, match="shift: 0 or cache_taps: false"):
        TrainConfig.model_validate({"steps": 1, "shift": 4, "cache_taps": True})


def test_mode_seeking_by_hand():
    images, others = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.5)
    others[1] = -3.0
    noise, other_noise = torch.zeros(2, 4), torch.full((2, 4), 2.0)
    assert losses.mode_seeking(images, others, noise, other_noise).item() == pytest.approx((0.25 + 1.5) / 2)
    assert losses.mode_seeking(images, others, noise, other_noise, limit=1.0).item() == pytest.approx((0.25 + 1.0) / 2)


def test_mode_seeking_lowers_the_generators_loss_by_its_weight(make_run):
    plain = loop.train_step(make_run(), make_run().batches.at(0), Clock())
    seeking = loop.train_step(make_run(mode_seeking=3.0), make_run().batches.at(0), Clock())
    assert seeking["loss_g"].item() == pytest.approx(plain["loss_g"].item() - 3.0 * seeking["spread"].item(), rel=1e-5)
    assert seeking["spread"].item() > 0


def test_a_run_starts_from_a_checkpoints_weights(make_run, tmp_path):
    first = make_run(steps=1)
    path = loop.train(first).checkpoint
    second = make_run(initial=str(path))
    expected, got = first.sampling_generator.state_dict(), second.generator.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert torch.equal(first.head.last.weight, second.head.last.weight)
    assert all(parameter.requires_grad for parameter in second.generator.parameters())


def test_starting_weights_of_another_model_are_an_error_that_names_the_setting(make_run, tmp_path):
    run = make_run(steps=1)
    path = loop.train(run).checkpoint
    sections = run.manifest.raw | {"model": run.manifest.raw["model"] | {"head_width": 24}}
    sections["train"] = run.manifest.raw["train"] | {"initial": str(path)}
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(sections))
    with pytest.raises(ValueError, match=r"head_width: .* in the checkpoint, 24 here"):
        build_run(load_manifest(str(tmp_path / "wide.yaml")), start("cpu"))


def test_a_lazy_penalty_is_left_out_between_and_weighs_as_much_in_all(make_run):
    every, lazy = make_run(), make_run(penalty_every=3)
    taps = every.image_taps(torch.zeros(4, 3, SIZE, SIZE))
    for step in range(4):
        batch = every.batches.at(step)
        expected = loop.discriminator_loss(every, batch, taps)[1]["penalty"].item() * (3 if step % 3 == 0 else 0)
        assert loop.discriminator_loss(lazy, batch, taps)[1]["penalty"].item() == pytest.approx(expected, rel=1e-5)


def test_the_moving_average_of_starting_weights_is_kept_from_the_first_step_on(make_run):
    path = loop.train(make_run(steps=1)).checkpoint
    run = make_run(initial=str(path), ema=0.9)
    name = "to_rgb.1.weight"
    start_weight = run.generator.state_dict()[name].clone()
    loop.train_step(run, run.batches.at(0), Clock())
    expected = 0.9 * start_weight + 0.1 * run.generator.state_dict()[name]
    torch.testing.assert_close(run.average.state_dict()[name], expected)
