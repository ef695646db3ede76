"""Eq. 1 and eq. 2 on numbers worked out by hand; scaling, attention and arrangement of the prompts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hspcgan.model.condition import Condition
from hspcgan.model.config import ClipShape, ModelConfig
from hspcgan.model.networks.prompts import Attention, GraphFusion, LinearPrompts, PromptModule, WordOrder

SHAPE = ClipShape(embed_dim=8, width=12, grid=7, layers=12, resolution=56)


def edges(*values):
    return torch.tensor([values])


@pytest.fixture
def graph():
    """Gate logit of a pair: (1·v₀)·(½·a₀ + 1·a₁), with v and a in two dimensions."""
    fusion = GraphFusion(features=2, width=1)
    with torch.no_grad():
        fusion.gate_entity.weight.copy_(torch.tensor([[1.0, 0.0]]))
        fusion.gate_attribute.weight.copy_(torch.tensor([[0.5, 1.0]]))
        fusion.gate_entity.bias.zero_()
        fusion.gate_attribute.bias.zero_()
    return fusion


def test_eq_1_on_a_tiny_graph_by_hand(graph):
    # Entities v0 = (1, 2), v1 = (3, -1); attributes (1, 0) and (0, 2) of v0; relations 0 -(2,-1)-> 1, 1 -(1,1)-> 0.
    # Logits 1·½ and 1·2: weights σ(0.5) = 0.62246, σ(2) = 0.88080.
    # v'0 = (1 + 0.62246, 2 + 2·0.88080) = (1.62246, 3.76159); v'1 = v1.
    # p0 = v'0 + (2·3, -1·-1) = (7.62246, 4.76159); p1 = v1 + (1.62246, 3.76159) = (4.62246, 2.76159).
    prompts = graph(
        torch.tensor([[[1.0, 2.0], [3.0, -1.0], [9.0, 9.0]]]),
        torch.tensor([[True, True, False]]),
        torch.tensor([[[1.0, 0.0], [0.0, 2.0], [5.0, 5.0], [7.0, 7.0]]]),
        edges(0, 0, -1, 2),
        torch.tensor([[[2.0, -1.0], [1.0, 1.0], [8.0, 8.0], [8.0, 8.0], [8.0, 8.0]]]),
        edges(0, 1, 0, -1, 0),
        edges(1, 0, -1, 1, 2),
    )
    expected = torch.tensor([[[7.62246, 4.76159], [4.62246, 2.76159], [0.0, 0.0]]])
    torch.testing.assert_close(prompts, expected, atol=1e-5, rtol=0)


def test_eq_1_without_edges_leaves_the_entities(graph):
    entities = torch.tensor([[[1.0, 2.0], [3.0, -1.0]]])
    none = torch.ones(1, 1, 2)
    prompts = graph(entities, torch.tensor([[True, True]]), none, edges(-1), none, edges(-1), edges(-1))
    assert torch.equal(prompts, entities)


def test_eq_2_word_order_by_hand():
    # Amplitude = the entity (2, 3), frequency ½, phases 0 and π/2, word 4:
    # 2·cos(2) = -0.832294, 3·cos(2 + π/2) = -3·sin(2) = -2.727892.
    order = WordOrder(2)
    with torch.no_grad():
        order.polar.weight.zero_()
        order.polar.weight[0, 0] = order.polar.weight[1, 1] = 1.0
        order.polar.bias.copy_(torch.tensor([0, 0, 0.5, 0.5, 0, math.pi / 2]))
    embedded = order(torch.tensor([[[2.0, 3.0]]]), torch.tensor([[4]]))
    torch.testing.assert_close(embedded, torch.tensor([[[-0.832294, -2.727892]]]), atol=1e-5, rtol=0)


def test_attention_equals_torchs_multi_head_attention_plus_its_input():
    ours, theirs = Attention(128, 128), nn.MultiheadAttention(128, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, context = torch.randn(2, 3, 128), torch.randn(2, 5, 128)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    expected = x + theirs(x, context, context, key_padding_mask=~mask)[0]
    torch.testing.assert_close(ours(x, context, mask), expected, atol=1e-5, rtol=0)


def test_phrases_get_their_kinds_mean_subtracted_and_length_root_d():
    mean = np.arange(8, dtype=np.float32)
    module = PromptModule(ModelConfig(), SHAPE, {"entity": mean})
    phrase = mean + np.eye(8, dtype=np.float32)[2] * 5
    scaled = module.scaled("entity", torch.tensor(phrase))
    torch.testing.assert_close(scaled, torch.eye(8)[2] * math.sqrt(8))
    assert torch.linalg.norm(module.scaled("relation", torch.rand(3, 8)), dim=-1).numpy() == pytest.approx(8**0.5)
    raw = PromptModule(ModelConfig(subtract_mean=False), SHAPE, {"entity": mean})
    torch.testing.assert_close(raw.scaled("entity", torch.eye(8)[2] * 3), torch.eye(8)[2] * math.sqrt(8))


def test_a_mean_of_another_width_is_rejected():
    with pytest.raises(ValueError, match=r"phrase_mean\['entity'\] has shape \(3,\), expected \(8,\)"):
        PromptModule(ModelConfig(), SHAPE, {"entity": np.zeros(3)})


def captions(slots=3):
    """Two captions: entities in slots 0 and 1; in slot 0 alone."""
    torch.manual_seed(3)
    return Condition(
        sentence=torch.randn(2, 8),
        tokens=torch.randn(2, 5, 8),
        token_mask=torch.tensor([[True] * 5, [True, True, True, False, False]]),
        entities=torch.randn(2, slots, 8),
        entity_mask=torch.tensor([[True, True] + [False] * (slots - 2), [True] + [False] * (slots - 1)]),
        entity_word=torch.tensor([[2, 4] + [0] * (slots - 2), [1] + [0] * (slots - 1)]),
        attributes=torch.randn(2, 2, 8),
        attribute_entity=torch.tensor([[0, 1], [0, -1]]),
        relations=torch.randn(2, 1, 8),
        relation_subject=torch.tensor([[0], [-1]]),
        relation_object=torch.tensor([[1], [-1]]),
    )


@pytest.mark.parametrize("order", ["GLG", "LG", "GL", "L", "G"])
def test_prompts_are_in_the_order_of_the_blocks(order):
    config = ModelConfig(order=order, locals=3, global_prompts=4)
    module, condition, noise = PromptModule(config, SHAPE), captions(), torch.randn(2, 100)
    prompts, active = module(noise, condition)
    own = iter(module.local_prompts(condition).unbind(1)) if "L" in order else iter(())
    shared = iter(module.global_prompts(noise, condition.sentence).unbind(1)) if "G" in order else iter(())
    mask = iter(condition.entity_mask.unbind(1))
    for i, letter in enumerate(config.slots):
        assert torch.equal(prompts[:, i], next(own if letter == "L" else shared))
        assert torch.equal(active[:, i], next(mask) if letter == "L" else torch.tensor([True, True]))


def test_global_prompts_are_one_layer_per_position_over_attended_sentence_and_noise():
    module, noise, sentence = PromptModule(ModelConfig(), SHAPE), torch.randn(2, 100), torch.randn(2, 8)
    t = sentence / sentence.norm(dim=1, keepdim=True) * 8**0.5
    both = torch.stack([t, noise @ module.noise.weight.T + module.noise.bias], dim=1)
    flat = module.global_attention(both, both).reshape(2, 16)
    second = flat @ module.global_out.weight[12:].T + module.global_out.bias[12:]
    torch.testing.assert_close(module.global_prompts(noise, sentence)[:, 1], second)


def test_local_mode_uses_the_encoded_entity_alone():
    module = PromptModule(ModelConfig(prompts="local", locals=3), SHAPE)
    condition = captions()
    entity = condition.entities[0, 1] / condition.entities[0, 1].norm() * 8**0.5
    torch.testing.assert_close(module.local_prompts(condition)[0, 1], module.local_out(entity))
    assert not hasattr(module, "graph")


def test_context_sentence_ignores_the_tokens():
    module = PromptModule(ModelConfig(context="sentence", locals=3), SHAPE)
    condition = captions()
    before = module.local_prompts(condition)
    condition.tokens.add_(1)
    assert torch.equal(module.local_prompts(condition), before)


def test_a_caption_without_any_token_stays_finite():
    condition = captions()
    condition.token_mask[1] = False
    condition.tokens[1] = float("nan")
    assert PromptModule(ModelConfig(locals=3), SHAPE).local_prompts(condition).isfinite().all()


def test_a_wrong_number_of_slots_is_rejected():
    with pytest.raises(ValueError, match="3 entity slots, but this model has 6"):
        PromptModule(ModelConfig(), SHAPE)(torch.randn(2, 100), captions())


def test_linear_prompts_are_one_layer_on_noise_and_sentence():
    module = LinearPrompts(ModelConfig(kind="galip"), SHAPE)
    noise, condition = torch.randn(2, 100), captions()
    prompts, active = module(noise, condition)
    assert active is None
    flat = torch.cat([noise, condition.sentence], 1) @ module.fc.weight.T + module.fc.bias
    torch.testing.assert_close(prompts, flat.reshape(2, 8, 12))
