"""Batches: every image once an epoch, everything a function of (seed, step), nothing dependent on the split."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers.runs import SIZE, make_cache

from hspcgan.model.image_views import to_signed
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.train.data import Batches, epoch_order, keyed_hash, noise_rows
from hspcgan.train.step.augment import signed


@pytest.fixture(scope="module")
def cache(tmp_path_factory, tiny_clip_path):
    return Cache(make_cache(tmp_path_factory.mktemp("world") / "cache", tiny_clip_path))


def batches(cache, **changes) -> Batches:
    return Batches(cache, **{"batch_size": 4, "seed": 7, "noise_dim": 8} | changes)


def test_each_image_once_an_epoch_with_the_tail_carried_over(cache):
    data = batches(cache)
    order = np.concatenate([data.choose(step)[0] for step in range(13)])  # 13 images, 52 rows: 4 epochs
    epochs = order.reshape(4, 13)
    assert all(sorted(epoch) == list(range(13)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_may_be_larger_than_an_epoch(cache):
    rows = batches(cache, batch_size=30).choose(0)[0]
    assert sorted(rows[:13]) == sorted(rows[13:26]) == list(range(13))


def test_captions_belong_to_their_image_and_all_are_used(cache):
    data = batches(cache)
    seen = set()
    for step in range(60):
        places, captions, _ = data.choose(step)
        assert (cache.caption_sample[captions] == data.samples[places]).all()
        seen |= set(captions.tolist())
    assert len(seen) == 26


def test_order_and_hash_are_keyed_and_uniform():
    assert sorted(epoch_order(0, 0, 100)) == list(range(100))
    assert not np.array_equal(epoch_order(0, 0, 100), epoch_order(0, 1, 100))
    assert not np.array_equal(epoch_order(0, 0, 100), epoch_order(1, 0, 100))
    bits = keyed_hash(3, 1, 4, np.arange(20000))
    assert len(np.unique(bits)) == 20000
    for shift in (0, 17, 63):
        ones = ((bits >> np.uint64(shift)) & np.uint64(1)).mean()
        assert abs(ones - 0.5) < 0.02
    assert np.array_equal(keyed_hash(3, 1, 4, np.array([11])), bits[11:12])


def test_noise_is_standard_normal_and_keyed_by_step_and_row():
    noise = noise_rows(0, 5, 2000, 10)
    assert abs(noise.mean()) < 0.03
    assert abs(noise.std() - 1) < 0.03
    np.testing.assert_array_equal(noise_rows(0, 5, 3, 10), noise[:3])
    assert not np.array_equal(noise_rows(0, 6, 3, 10), noise[:3])
    assert not np.array_equal(noise_rows(1, 5, 3, 10), noise[:3])


def test_a_steps_batch_does_not_depend_on_when_it_is_read(cache):
    first, again = batches(cache).at(9), batches(cache).at(9)
    assert (first.samples == again.samples).all()
    torch.testing.assert_close(first.images, again.images, rtol=0, atol=0)
    torch.testing.assert_close(first.noise, again.noise, rtol=0, atol=0)
    for ahead, plain in zip(batches(cache).stream(2, 5), batches(cache).stream(2, 5, prefetch=False), strict=True):
        assert ahead.step == plain.step
        torch.testing.assert_close(ahead.condition.tokens, plain.condition.tokens, rtol=0, atol=0)


def test_two_processes_get_the_rows_of_one(cache):
    whole = batches(cache).at(3)
    parts = [batches(cache, rank=rank, size=2).at(3) for rank in (0, 1)]
    assert np.concatenate([part.samples for part in parts]).tolist() == whole.samples.tolist()
    for name in ("images", "noise", "negatives"):
        torch.testing.assert_close(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    assert [part.first_row for part in parts] == [0, 2]
    for part in parts:
        torch.testing.assert_close(part.sentences, whole.sentences)
        assert part.balance == whole.balance
    with pytest.raises(ValueError, match="batch_size is 4"):
        batches(cache, size=3)


def test_conditions_and_sentences_are_those_of_the_chosen_captions(cache):
    data = batches(cache)
    _, captions, _ = data.choose(2)
    batch = data.at(2)
    expected = np.asarray(cache.sentence)[captions].astype(np.float32)
    np.testing.assert_array_equal(batch.sentences.numpy(), expected)
    np.testing.assert_array_equal(batch.condition.sentence.numpy(), expected)


def test_equal_captions_of_different_images_are_not_negatives(cache):
    # Samples 0 and 1 both have a caption "the same words".
    data = batches(cache, batch_size=26)
    met = 0
    for step in range(6):
        places, captions, _ = data.choose(step)
        negatives = data.at(step).negatives
        texts = cache.captions["text"].take(captions).to_pylist()
        for i, place in enumerate(places):
            own = [cache.captions["text"][c].as_py() for c in cache.captions_of(int(data.samples[place]))]
            assert negatives[i].tolist() == [text not in own for text in texts]
            met += place < 2 and texts.count("the same words") > 0
    assert met > 0


def test_images_are_mirrored_by_their_view_number(cache):
    data = batches(cache, flip=True)
    places, _, flips = data.choose(1)
    assert 0 < np.concatenate([data.choose(step)[2] for step in range(20)]).mean() < 1
    images = data.at(1).images
    assert images is not None
    for row, (place, flip) in enumerate(zip(places, flips, strict=True)):
        pixels = np.asarray(cache.images[data.samples[place]])
        expected = to_signed(pixels[..., ::-1] if flip else pixels)
        np.testing.assert_array_equal(images[row].numpy(), expected)
    assert not batches(cache).choose(1)[2].any()


def test_pixel_range():
    assert to_signed(np.array([0, 255], dtype=np.uint8)).tolist() == [-1.0, 1.0]
    assert to_signed(np.array([51], dtype=np.uint8)) == pytest.approx(-0.6)


def test_taps_in_ram_differ_by_rounding_alone(cache):
    def compute(pixels):
        images = signed(pixels)
        return [images[:, :1] * 3, images[:, 1:2], images[:, 2:] / 7]

    data = batches(cache)
    plain = compute(data.at(4).pixels)
    data.cache_taps_in_ram(compute, block=5)
    batch = data.at(4)
    assert batch.pixels is None
    assert batch.taps is not None
    for held, exact in zip(batch.taps, plain, strict=True):
        assert held.shape == (4, 1, SIZE, SIZE)
        torch.testing.assert_close(held.float(), exact, rtol=2**-11, atol=1e-7)


def test_a_cache_without_training_images_is_rejected(tmp_path, tiny_clip_path):
    path = make_cache(tmp_path / "cache", tiny_clip_path, train=0, test=3)
    with pytest.raises(ValueError, match="split 'train'"):
        batches(Cache(path))


def test_a_batch_reads_no_table_of_the_cache(cache, monkeypatch):
    opened = Cache(cache.path)
    monkeypatch.setattr(pq, "ParquetFile", None)  # any use is a TypeError
    data = batches(opened)
    whole = batches(cache).at(3)
    batch = data.at(3)
    assert torch.equal(batch.sentences, whole.sentences)
    assert torch.equal(batch.negatives, whole.negatives)
    assert {"samples", "captions", "phrases", "rejects"}.isdisjoint(vars(opened))
