"""Training on CLIP features from disk: the right view of the right image, exact, rejected if they do not fit."""

import numpy as np
import pytest
import torch
from helpers.runs import assert_equal, make_cache, read, write_manifest

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages import taps
from hspcgan.train import loop, plan
from hspcgan.train.config import TrainConfig
from hspcgan.train.data import Batches
from hspcgan.train.distributed import start
from hspcgan.train.setup import build_run

pytestmark = pytest.mark.usefixtures("one_thread")
VIEWS = ["whole", "whole-flipped", "top-right"]


@pytest.fixture(scope="module")
def caches(tmp_path_factory, tiny_clip_path):
    """Caches of the same rows without taps, with those of one whole view, and with three views."""
    root = tmp_path_factory.mktemp("world")
    kinds = {"none": [], "whole": ["whole"], "three": VIEWS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taps, "BATCH_IMAGES", 13)  # the training images together, as they are where RAM holds their taps
        return {name: make_cache(root / name, tiny_clip_path, views=views) for name, views in kinds.items()}


@pytest.fixture
def make_run(tmp_path, caches, tiny_clip_path):
    def make(cache, name="a", override=(), **train):
        path = write_manifest(tmp_path / name, caches[cache], tiny_clip_path, **train)
        return build_run(load_manifest(str(path), override), start("cpu"))

    return make


def batches(cache, **changes) -> Batches:
    made = Batches(cache, **{"batch_size": 4, "seed": 7, "noise_dim": 8} | changes)
    made.use_cached_taps((1, 4, 8), 64, 7)
    return made


def test_each_row_has_a_cached_view_of_its_own_image(caches, tiny_clip):
    cache = Cache(caches["three"])
    data, seen = batches(cache), set()
    for step in range(13):  # 4 epochs
        batch, views = data.at(step), data.choose(step)[2]
        assert batch.pixels is None
        for row, (sample, view) in enumerate(zip(batch.samples, views, strict=True)):
            kept = np.asarray(cache.taps[sample, view], dtype=np.float32)
            for tap, expected in zip(batch.taps, kept, strict=True):
                np.testing.assert_array_equal(tap[row].float().numpy(), expected)
        seen |= set(zip(batch.samples.tolist(), views.tolist(), strict=True))
    assert len(seen) > 26  # 52 showings of 13 images in 3 views
    mirrored = np.asarray(cache.images[batch.samples])[..., ::-1].astype(np.float32) / 127.5 - 1
    for row, view in enumerate(views):
        online = tiny_clip.image_taps(torch.from_numpy(mirrored[row : row + 1].copy()))[0]
        for tap, expected in zip(batch.taps, online, strict=True):
            same = torch.allclose(tap[row].float(), expected[0], rtol=2**-11 + 1e-5, atol=1e-5)
            assert same == (view == 1)
    assert 1 in views


def test_two_processes_get_the_views_of_one(caches):
    cache = Cache(caches["three"])
    whole = batches(cache).at(5)
    parts = [batches(cache, rank=rank, size=2).at(5) for rank in (0, 1)]
    for number, tap in enumerate(whole.taps):
        assert torch.equal(torch.cat([part.taps[number] for part in parts]), tap)


def test_one_whole_view_from_disk_trains_as_taps_in_ram_bit_for_bit(make_run):
    disk, ram = (make_run("whole", name, cache_taps=kind) for name, kind in (("disk", "disk"), ("ram", True)))
    loop.train(disk)
    loop.train(ram)
    assert ram.batches.taps.shape[0] == 13
    states = [read(run.folder) for run in (disk, ram)]
    for network in ("generator", "discriminator", "head", "average", "optimizer_g", "optimizer_d"):
        assert_equal(states[0][network], states[1][network])


def test_resumed_on_three_views_equals_uninterrupted_bit_for_bit(make_run):
    whole, halves = (make_run("three", name, cache_taps="disk", steps=n) for name, n in (("whole", 6), ("halves", 3)))
    loop.train(whole)
    loop.train(halves)
    resumed = make_run("three", "halves", cache_taps="disk")
    loop.train(resumed)
    assert_equal(read(whole.folder), read(resumed.folder))


def test_the_plan_names_the_views(make_run):
    run = make_run("three", cache_taps="disk")
    said = "\n".join(plan.plan_lines(run.manifest, run.world, run))
    assert "taps from disk" in said
    assert "views whole, whole-flipped, top-right" in said


def test_the_plan_counts_the_ram_of_cached_taps(make_run):
    run = make_run("whole", cache_taps=True)
    run.batches.cache_taps_in_ram(run.taps_of_pixels)
    assert plan.tap_bytes(run.model_config, run.clip) * 13 == run.batches.taps.nbytes
    said = plan.plan_lines(run.manifest, run.world, run)
    assert "cached taps: + 0.0 GB, 0.019 MB per image in the RAM of each process" in said


@pytest.mark.parametrize(
    ("cache", "override", "message"),
    [
        ("none", [], r"has no taps\.h5.*set taps\.views.*`hspcgan prepare MANIFEST` to add them"),
        ("whole", ["model.taps=[1, 4, 9]"], r"blocks \[1, 4, 8\], but the model reads \[1, 4, 9\].*--rebuild"),
        ("whole", ["model.clip_input=galip"], r"model\.clip_input is galip.*train\.cache_taps"),
    ],
)
def test_taps_that_do_not_fit_are_rejected(make_run, cache, override, message):
    with pytest.raises(ValueError, match=message):
        make_run(cache, override=override, cache_taps="disk")


def test_taps_of_another_clip_are_rejected(make_run, other_clip_path):
    with pytest.raises(ValueError, match="was encoded by CLIP tiny-clip"):
        make_run("whole", override=[f"encode.clip={other_clip_path}"], cache_taps="disk")


def test_flips_with_cached_views_and_unknown_values_are_rejected(make_run):
    with pytest.raises(ValueError, match=r"images cannot be flipped during training; set flip: false"):
        TrainConfig(steps=1, cache_taps="disk", flip=True)
    with pytest.raises(ValueError, match=r"train\.cache_taps: .*False, True or 'disk' \(got 'dsk'\)"):
        make_run("whole", cache_taps="dsk")
