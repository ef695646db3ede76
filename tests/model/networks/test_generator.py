"""Blocks, gates and generator against their formulas written out plainly."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.models.networks import SIZES, make_generator, random_condition, randomised

from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.adapter import PromptGate
from hspcgan.model.networks.blocks import AdapterBlock, Fuse, GeneratorBlock
from hspcgan.model.networks.generator import Generator

GATES = ["soft", "hard", "append"]


def plain_fuse(fuse, x, condition):
    """Four separate MLPs, one affine after the other."""
    channels = x.shape[1]
    for i in (0, 2):
        scale, shift = (
            F.relu(
                condition @ fuse.first.weight[j * channels : (j + 1) * channels].T
                + fuse.first.bias[j * channels : (j + 1) * channels]
            )
            @ fuse.second[j].T
            + fuse.offset[j]
            for j in (i, i + 1)
        )
        x = F.leaky_relu(scale[:, :, None, None] * x + shift[:, :, None, None], 0.2)
    return x


def test_fuse_is_two_affines_of_linear_relu_linear():
    fuse, x, condition = randomised(Fuse(10, 6)), torch.randn(2, 6, 5, 5), torch.randn(2, 10)
    torch.testing.assert_close(fuse(x, condition), plain_fuse(fuse, x, condition))


def test_a_new_fuse_only_activates():
    x = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(Fuse(10, 6)(x, torch.randn(2, 10)), F.leaky_relu(x, 0.04))


@pytest.mark.parametrize(("size", "out"), [(8, 4), (13, 6)])
def test_a_generator_block_upsamples_first_in_effect(size, out):
    block = randomised(GeneratorBlock(10, 6, out, size))
    x, condition = torch.randn(2, 6, 7, 7), torch.randn(2, 10)
    big = F.interpolate(x, size=(size, size), mode="nearest")
    h = F.conv2d(plain_fuse(block.fuse1, big, condition), block.c1.weight, block.c1.bias, padding=1)
    h = plain_fuse(block.fuse2, h, condition)
    torch.testing.assert_close(block(x, condition), block.c_sc(big) + block.c2(h), atol=1e-4, rtol=1e-4)
    assert block.c1.kernel_size == block.c2.kernel_size == (3, 3)


def test_an_adapter_block_modulates_after_each_convolution():
    block = randomised(AdapterBlock(10, 6, 3))
    x, condition = torch.randn(2, 6, 7, 7), torch.randn(2, 10)
    h = plain_fuse(block.fuse2, block.conv2(plain_fuse(block.fuse1, block.conv1(x), condition)), condition)
    torch.testing.assert_close(block(x, condition), x + h)


def test_the_gate_is_a_sigmoid_of_class_token_and_prompt():
    gate = randomised(PromptGate(2, 3, hard=False))
    cls, prompt = torch.randn(4, 3), torch.randn(4, 3)
    expected = torch.sigmoid((gate.weight[1] * torch.cat([cls, prompt], 1)).sum(1, keepdim=True))
    torch.testing.assert_close(gate(1, cls, prompt), expected)


def test_a_hard_gate_is_zero_or_one_with_the_soft_gradient():
    hard = randomised(PromptGate(1, 3, hard=True))
    soft = PromptGate(1, 3, hard=False)
    soft.load_state_dict(hard.state_dict())
    cls, prompt = torch.randn(8, 3), torch.randn(8, 3)
    shares = hard(0, cls, prompt)
    assert torch.equal(shares, soft(0, cls, prompt).round())
    shares.sum().backward()
    soft(0, cls, prompt).sum().backward()
    torch.testing.assert_close(hard.weight.grad, soft.weight.grad)


@pytest.mark.parametrize(
    "values",
    [{"gate": gate} for gate in GATES]
    + [{"order": order} for order in ("LG", "GL", "L", "G")]
    + [{"prompts": "local"}, {"prompts": "fc"}, {"context": "sentence"}, {"kind": "galip"}, {"locals": 4}],
)
def test_every_configuration_generates_and_trains_all_its_parameters(tiny_clip, values):
    generator = make_generator(tiny_clip, **values)
    condition = random_condition(3, slots=values.get("locals", 6))
    images = generator(torch.randn(3, 100), condition)
    assert images.shape == (3, 3, 56, 56)
    images.square().mean().backward()
    assert [name for name, p in generator.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("gate", GATES)
def test_values_in_empty_slots_have_no_influence(tiny_clip, gate):
    generator, noise, condition = make_generator(tiny_clip, gate=gate), torch.randn(3, 100), random_condition(3)
    condition.entity_mask[0] = False
    condition.attribute_entity[0] = condition.relation_subject[0] = -1
    garbage = replace(
        condition,
        tokens=condition.tokens.masked_fill(~condition.token_mask[..., None], float("nan")),
        entities=condition.entities.masked_fill(~condition.entity_mask[..., None], float("nan")),
        entity_word=condition.entity_word.masked_fill(~condition.entity_mask, 999),
        attributes=condition.attributes.masked_fill(condition.attribute_entity[..., None] < 0, float("nan")),
        relations=condition.relations.masked_fill(condition.relation_subject[..., None] < 0, float("nan")),
    )
    assert torch.isnan(garbage.entities).any()
    with torch.no_grad():
        assert torch.equal(generator(noise, garbage), generator(noise, condition))


@pytest.mark.parametrize("gate", GATES)
def test_more_padding_has_no_influence(tiny_clip, gate):
    generator, noise, condition = make_generator(tiny_clip, gate=gate), torch.randn(3, 100), random_condition(3)
    padded = replace(
        condition,
        tokens=F.pad(condition.tokens, (0, 0, 0, 4), value=7.0),
        token_mask=F.pad(condition.token_mask, (0, 4)),
        attributes=F.pad(condition.attributes, (0, 0, 0, 2), value=7.0),
        attribute_entity=F.pad(condition.attribute_entity, (0, 2), value=-1),
        relations=F.pad(condition.relations, (0, 0, 0, 2), value=7.0),
        relation_subject=F.pad(condition.relation_subject, (0, 2), value=-1),
        relation_object=F.pad(condition.relation_object, (0, 2), value=-1),
    )
    with torch.no_grad():
        images = generator(noise, condition)
        torch.testing.assert_close(generator(noise, padded), images, atol=1e-5 * images.abs().max().item(), rtol=0)


@pytest.mark.parametrize("gate", GATES)
def test_entities_and_edges_do_change_the_image(tiny_clip, gate):
    generator, noise, condition = make_generator(tiny_clip, gate=gate), torch.randn(3, 100), random_condition(3)
    with torch.no_grad():
        images = generator(noise, condition)
        rounding = 1e-6 * images.abs().max()
        for other in (
            replace(condition, entities=-condition.entities),
            replace(condition, attributes=-condition.attributes),
            replace(condition, relations=-condition.relations),
            replace(condition, entity_word=condition.entity_word + 3),
            replace(condition, tokens=-condition.tokens),
        ):
            assert (generator(noise, other) - images).abs().max() > 20 * rounding


def test_rows_of_a_batch_are_independent(tiny_clip):
    generator, noise, condition = make_generator(tiny_clip), torch.randn(3, 100), random_condition(3)
    with torch.no_grad():
        images = generator(noise, condition)
        alone = torch.cat([generator(noise[i : i + 1], condition[i]) for i in range(3)])
    torch.testing.assert_close(images, alone, atol=1e-5 * images.abs().max().item(), rtol=0)


def test_a_bare_sentence_equals_a_caption_without_entities(tiny_clip):
    generator, noise, condition = make_generator(tiny_clip), torch.randn(3, 100), random_condition(3)
    empty = replace(condition, entity_mask=torch.zeros_like(condition.entity_mask))
    with torch.no_grad():
        images = generator(noise, empty)
        torch.testing.assert_close(
            generator(noise, condition.sentence), images, atol=1e-5 * images.abs().max().item(), rtol=0
        )


def test_galip_equals_code_bridge_appended_prompts_blocks_and_rgb(tiny_clip):
    generator = make_generator(tiny_clip, kind="galip")
    noise, sentence = torch.randn(2, 100), torch.randn(2, 32)
    both = torch.cat([noise, sentence], dim=1)
    code = generator.fc_code(noise).view(2, 8, 7, 7)
    bridge = F.conv2d(
        generator.adapter.blocks[0](code, both),
        generator.adapter.conv_fuse.weight,
        generator.adapter.conv_fuse.bias,
        padding=2,
    )
    prompts = generator.adapter.prompts.fc(both).view(2, 8, 64)
    seen = tiny_clip.prompted(bridge, prompts, None, range(1, 9), None)
    x = generator.adapter.conv(bridge + 0.1 * seen)
    for block in generator.blocks:
        x = block(x, both)
    expected = F.conv2d(F.leaky_relu(x, 0.2), generator.to_rgb[1].weight, generator.to_rgb[1].bias, padding=1)
    torch.testing.assert_close(generator(noise, sentence), expected)


def test_wrong_widths_are_rejected(tiny_clip):
    with pytest.raises(ValueError, match=r"expected \(2, 100\) and \(2, 32\)"):
        make_generator(tiny_clip)(torch.randn(2, 99), torch.randn(2, 32))


def test_the_clip_is_not_in_the_state_dict_but_moves_with_the_generator(tiny_clip_path):
    clip = load_clip(tiny_clip_path)
    generator = make_generator(clip)
    frozen = {id(p) for p in clip.parameters()}
    assert not frozen & {id(p) for p in generator.parameters()}
    assert not any("resblocks" in key for key in generator.state_dict())
    generator.to(torch.float64)
    assert next(clip.parameters()).dtype == torch.float64


def test_a_generator_built_without_clip_says_why_it_cannot_run():
    generator = Generator(ModelConfig(**SIZES), ClipShape(32, 64, 7, 12, 56))
    with pytest.raises(RuntimeError, match="built without a CLIP"):
        generator(torch.randn(1, 100), torch.randn(1, 32))
