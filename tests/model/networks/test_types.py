"""Generator and frozen CLIP in other float types than float32, and copies that are cast alone."""

import copy

import pytest
import torch
from helpers.models.networks import make_generator, random_condition

from hspcgan.model.clip.frozen import load_clip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_copy_shares_the_clips_memory_until_it_is_cast(tiny_clip_path, dtype):
    generator, noise, condition = make_generator(load_clip(tiny_clip_path)), torch.randn(2, 100), random_condition(2)
    with torch.no_grad():
        images = generator(noise, condition)
        other = copy.deepcopy(generator)
        places = [{p.data_ptr() for p in each.adapter.clip.parameters()} for each in (generator, other)]
        assert places[0] == places[1]
        assert torch.equal(other(noise, condition), images)
        for cast in (dtype, torch.float32):
            other.to(cast)
            assert torch.equal(generator(noise, condition), images)


def in_type(condition, dtype):
    """The same captions with features of another float type."""
    return condition._map(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


@pytest.mark.parametrize("values", [{"kind": "galip"}, {"gate": "append"}, {"gate": "soft"}])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_generator_and_taps_compute_in_the_dtype_of_their_weights(tiny_clip_path, dtype, values):
    clip, tokens = load_clip(tiny_clip_path), torch.tensor([[49406, 320, 49407]])
    generator, noise, condition = make_generator(clip, **values), torch.randn(3, 100), random_condition(3)

    @torch.no_grad()
    def results(dtype):
        generator.to(dtype)
        z, captions = noise.to(dtype), in_type(condition, dtype)
        images = generator(z, captions)
        blend = generator.blend(z, captions, captions[[1, 2, 0]], z.new_tensor([0.0, 0.3, 1.0]))
        return images, blend, *clip.image_taps(images)[0], clip.image_features(images), clip.encode_text(tokens)[0]

    expected = results(torch.float32)
    for got, wanted in zip(results(dtype), expected, strict=True):
        assert got.dtype == dtype
        tolerance = 30 * max(torch.finfo(kind).eps for kind in (dtype, torch.float32)) * wanted.abs().max().item()
        torch.testing.assert_close(got, wanted, atol=tolerance, rtol=0, check_dtype=False)


def test_in_float64_rows_are_independent_to_the_last_digits(tiny_clip_path):
    generator = make_generator(load_clip(tiny_clip_path)).double()
    noise, condition = torch.randn(3, 100, dtype=torch.float64), in_type(random_condition(3), torch.float64)
    with torch.no_grad():
        images = generator(noise, condition)
        alone = torch.cat([generator(noise[i : i + 1], condition[i]) for i in range(3)])
    torch.testing.assert_close(images, alone, atol=1e-13 * images.abs().max().item(), rtol=0)


def test_generator_and_taps_run_under_bfloat16_autocast(tiny_clip):
    generator = make_generator(tiny_clip)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(torch.randn(2, 100), random_condition(2))
        features = tiny_clip.image_features(images)
    assert images.isfinite().all()
    assert features.isfinite().all()
