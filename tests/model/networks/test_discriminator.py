"""Discriminator and head against their formulas written out plainly, all pairs against a loop over pairs."""

import pytest
import torch
import torch.nn.functional as F
from helpers.models.networks import randomised

from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.discriminator import Discriminator, Head

CONFIG = ModelConfig(image_size=56, discriminator_width=16, head_width=8)


def discriminating():
    shape = ClipShape(embed_dim=5, width=6, grid=7, layers=12, resolution=56)
    return randomised(Discriminator(CONFIG, shape)), randomised(Head(CONFIG, shape))


def test_the_discriminator_equals_its_formula():
    discriminator, _ = discriminating()
    taps = [torch.randn(2, 6, 7, 7) for _ in range(3)]

    def residual(block, x):
        x = F.leaky_relu(F.conv2d(x, block.conv_r[0].weight, padding=1), 0.2)
        return F.leaky_relu(F.conv2d(x, block.conv_r[2].weight, padding=1), 0.2)

    x = taps[0]
    for block, tap in zip(discriminator.blocks, taps[1:], strict=True):
        x = x + block.gamma * residual(block, x) + block.beta * tap
    main = discriminator.main
    expected = F.conv2d(x, main.conv_s.weight, main.conv_s.bias) + main.gamma * residual(main, x)
    torch.testing.assert_close(discriminator(taps), expected)


def test_a_new_discriminator_depends_on_its_first_tap_alone():
    shape = ClipShape(embed_dim=5, width=16, grid=7, layers=12, resolution=56)
    tap = torch.randn(2, 16, 7, 7)
    assert torch.equal(Discriminator(CONFIG, shape)([tap, tap + 1, tap + 2]), tap)


def test_a_wrong_number_of_taps_is_rejected():
    with pytest.raises(ValueError, match="got 2 taps, expected 3"):
        discriminating()[0]([torch.randn(1, 6, 7, 7)] * 2)


def plain_score(head, features, sentence):
    """The sentence repeated over the grid, both convolutions as they stand."""
    everywhere = sentence[:, :, None, None].expand(-1, -1, *features.shape[2:])
    return head.last(F.leaky_relu(head.first(torch.cat([features, everywhere], dim=1)), 0.2)).flatten()


def test_the_head_equals_two_convolutions_over_image_and_repeated_sentence():
    _, head = discriminating()
    features, sentence = torch.randn(4, 16, 7, 7), torch.randn(4, 5)
    torch.testing.assert_close(head(features, sentence), plain_score(head, features, sentence), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("limit", [1 << 24, 300])
def test_all_pairs_equal_a_loop_over_pairs(limit, monkeypatch):
    monkeypatch.setattr("hspcgan.model.networks.discriminator.PAIR_ELEMENTS", limit)
    _, head = discriminating()
    features, sentences = torch.randn(5, 16, 7, 7), torch.randn(3, 5)
    expected = torch.stack(
        [torch.cat([plain_score(head, f[None], s[None]) for s in sentences]) for f in features]
    )  # [5, 3]
    torch.testing.assert_close(head.pairs(features, sentences), expected, atol=1e-5, rtol=1e-5)


def test_scores_can_be_differentiated_twice():
    discriminator, head = discriminating()
    taps = [torch.randn(2, 6, 7, 7, requires_grad=True) for _ in range(3)]
    sentence = torch.randn(2, 5, requires_grad=True)
    grads = torch.autograd.grad(head(discriminator(taps), sentence).sum(), [*taps, sentence], create_graph=True)
    sum(grad.square().sum() for grad in grads).backward()
    assert head.first.weight.grad.abs().sum() > 0
