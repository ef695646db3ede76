"""GALIP's step the plain way gives the trainer's losses and weights; the trainer's benchmark runs and is judged."""

from dataclasses import replace

import pytest
import torch
from helpers.cli import hspcgan
from helpers.runs import make_cache, write_manifest

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train.bench.run import build_both_trainers, tokens_of
from hspcgan.train.distributed import start
from hspcgan.train.loop import train_step
from hspcgan.train.step.clock import Clock

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def both(tmp_path, tiny_clip_path):
    cache = make_cache(tmp_path / "cache", tiny_clip_path, repeat_text=False)
    path = write_manifest(tmp_path, cache, tiny_clip_path, lr_generator=1e-4, lr_discriminator=4e-4, ema=0.0)
    return build_both_trainers(load_manifest(str(path)), start("cpu"))


def test_two_plain_steps_give_the_trainers_losses_and_images(both):
    run, plain = both
    for number in range(2):
        tokens = tokens_of(run, number)
        batch = run.batches.at(number)
        with torch.no_grad():
            sentence = plain.clip.encode_text(tokens)  # the trainer's would be the cache's
        batch = replace(batch, condition=replace(batch.condition, sentence=sentence), sentences=sentence)
        loss_d, loss_g = plain.step(batch.images, tokens, batch.noise)
        report = train_step(run, batch, Clock())
        torch.testing.assert_close(report["loss_d"], loss_d, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(report["loss_g"], loss_g, rtol=1e-4, atol=1e-4)
    assert loss_d > 0.1


def test_the_benchmark_measures_every_part_and_fails_if_a_bar_is_missed():
    small = {"data.image_size": 56, "data.scenes": 12, "bench.captions": 8, "bench.compared": 4, "bench.rounds": 1,
             "bench.clip_width": 64, "bench.clip_layers": 2, "bench.image_width": 64, "bench.patch": 8,
             "bench.resolution": 56, "train.batch_size": 2, "model.image_size": 56, "model.channels": "[16,16,8,8,8]",
             "model.discriminator_width": 16, "model.head_width": 8,
             "bench.bars": "{error: 1.0e-4, pairs_error: 1.0e-5, stored: 1.0e-2, sampling: 1000000}"}  # fmt: skip
    options = [part for key, value in small.items() for part in ("-o", f"{key}={value}")]
    result = hspcgan("bench", "bench/train", *options)
    assert result.exit_code == 1, result.output
    rows = {line.split()[0]: line for line in result.output.splitlines() if line.startswith("  ")}
    assert "MISSED" in rows["sampling"]
    for name in ("error", "pairs_error", "stored"):
        assert "kept" in rows[name], result.output
    assert {
        "condition",
        "wait_share",
        "galip",
        "hspcgan",
        "mining_share",
        "taps_saved",
        "text_sec",
        "slowest",
    } <= rows.keys()
