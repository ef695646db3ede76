"""Which images and captions of a cache are scored, what cannot be selected, and the batches that they are drawn in."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import runs

from hspcgan.evaluate.config import EvaluateConfig
from hspcgan.evaluate.scored import drawings
from hspcgan.evaluate.scored.selection import select
from hspcgan.evaluate.scored.subjects import REAL, Subject
from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory, tiny_clip_path) -> Cache:
    return Cache(runs.make_cache(tmp_path_factory.mktemp("cache") / "cache", tiny_clip_path, train=3, test=10))


def test_the_drawn_and_the_reference_images_are_disjoint_equally_many_and_of_the_split(cache):
    chosen = select(cache, EvaluateConfig(samples=5))
    assert len(chosen.sample_rows) == len(chosen.reference_rows) == len(chosen.caption_rows) == 5
    together = {*chosen.sample_rows.tolist(), *chosen.reference_rows.tolist()}
    assert together == set(cache.split_rows("test").tolist())
    assert cache.caption_sample[chosen.caption_rows].tolist() == chosen.sample_rows.tolist()
    first = select(cache, EvaluateConfig(samples=5, caption="first")).caption_rows
    assert first.tolist() == [cache.captions_of(int(row))[0] for row in chosen.sample_rows]


def test_the_choice_depends_on_the_seed_and_a_smaller_one_is_part_of_a_larger_one(cache):
    first = select(cache, EvaluateConfig(samples=5)).sample_rows.tolist()
    assert select(cache, EvaluateConfig(samples=3)).sample_rows.tolist() == first[:3]
    assert select(cache, EvaluateConfig(samples=5, seed=1)).sample_rows.tolist() != first
    assert select(cache, EvaluateConfig()).sample_rows.tolist() == first


def test_keyed_captions_are_not_all_the_first(cache):
    rows = select(cache, EvaluateConfig(samples=5)).caption_rows
    numbers = {int(row) - cache.captions_of(int(cache.caption_sample[row])).start for row in rows}
    assert numbers == {0, 1}


def test_another_split_can_be_the_reference(cache):
    chosen = select(cache, EvaluateConfig(samples=3, reference="train"))
    assert set(chosen.reference_rows.tolist()) == set(cache.split_rows("train").tolist())


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"samples": 6}, "at most 5 samples can be used.*asks for 6; lower evaluate.samples"),
     ({"samples": 4, "reference": "train"}, "at most 3 samples"),
     ({"reference": "real.png"}, r"split real.png has no.*file of reference features ends in \.safetensors"),
     ({"split": "val"}, "split val has no images.*existing splits: test, train")],
)  # fmt: skip
def test_what_the_cache_cannot_give_is_rejected(cache, settings, message):
    with pytest.raises(ValueError, match=message):
        select(cache, EvaluateConfig(**settings))


def test_a_split_too_small_for_two_sets_is_refused_in_images(tmp_path, tiny_clip_path):
    few = Cache(runs.make_cache(tmp_path / "cache", tiny_clip_path, train=2, test=3))
    with pytest.raises(ValueError, match=r"test split has 3 images.*at most 1 sample can.*needs 2; prepare"):
        select(few, EvaluateConfig())


@pytest.mark.parametrize(("samples", "size"), [(3, 2), (2, 3), (None, 99)])
def test_sets_of_different_size_are_refused(cache, samples, size):
    config = EvaluateConfig(samples=samples, reference="real.safetensors")
    message = rf"real\.safetensors has {size} images, .*both sets need the same size: set evaluate\.samples to {size}"
    with pytest.raises(UserError, match=message):
        select(cache, config, reference_size=size)


def test_captions_are_collated_batch_by_batch_as_parts_of_the_whole(cache, monkeypatch):
    lengths = np.arange(len(cache.captions)) % 7 + 1
    texts = replace(cache.texts, offsets=np.concatenate([[0], np.cumsum(lengths)]))
    rows = np.array([0, 14, 7, 8, 6, 3, 1, 25, 2, 9, 16])  # the longest, of 7 tokens, is in the second batch
    arrays = collate(texts, rows, n_entities=2)
    assert arrays["tokens"].shape[1] == 7
    monkeypatch.setattr(drawings, "BATCH", 4)
    monkeypatch.setattr(drawings, "generate", lambda _, condition, *rest: (condition, *rest))
    context = SimpleNamespace(
        cache=SimpleNamespace(texts=texts, require_finite=lambda arrays: None),
        selection=SimpleNamespace(caption_rows=rows),
        ids=[str(row) for row in rows],
        config=SimpleNamespace(seed=5),
    )
    drawn = drawings.Drawings(context, Subject("real", REAL))
    drawn._generator = SimpleNamespace(config=SimpleNamespace(locals=2))
    for index, part in enumerate((slice(0, 4), slice(4, 8), slice(8, 11))):
        batch, ids, seeds, size = drawn._draw_captions(index)
        for field in fields(batch):
            np.testing.assert_array_equal(getattr(batch, field.name).numpy(), arrays[field.name][part], field.name)
        assert (ids, seeds, size) == (context.ids[part], [5] * len(ids), 4)
