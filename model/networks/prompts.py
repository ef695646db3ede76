"""Prompts for the frozen CLIP: HSPC-GAN's hierarchical semantic prompts (§3.1.2, §3.1.3) and GALIP's FC layer.

Legend: B captions, N entity slots, K attributes, R relations, T tokens, d text width, D image-tower width, P prompts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hspcgan.model.common.errors import UserError
from hspcgan.model.condition import Condition
from hspcgan.model.config import ClipShape, ModelConfig

KINDS = ("entity", "attribute", "relation")
HEAD_WIDTH = 64


class Attention(nn.Module):
    """Multi-head attention with a residual connection: `x + W_o · attend(W_q x, W_k y, W_v y)`; heads have width 64.

    If `width` is below 64, there is one head of that width.
    """

    def __init__(self, features: int, width: int):
        super().__init__()
        if width > HEAD_WIDTH and width % HEAD_WIDTH:
            raise UserError(
                f"model.prompt_width is {width}, expected a multiple of {HEAD_WIDTH}, or less than {HEAD_WIDTH}"
            )
        self.heads = max(1, width // HEAD_WIDTH)
        self.query = nn.Linear(features, width)
        self.key_value = nn.Linear(features, 2 * width)
        self.out = nn.Linear(width, features)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """Returns x [B, N, d] after attention to `context` [B, T, d]; the bool `mask` [B, T] is False for padding."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, N, ·]
        k, v = self.key_value(context).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask[:, None, None])
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class GraphFusion(nn.Module):
    """Adds the attributes and relations of the scene graph to the entities that they belong to (eq. 1)."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.gate_entity = nn.Linear(features, width)
        self.gate_attribute = nn.Linear(features, width)
        self.gate_scale = width**-0.5

    def forward(
        self,
        entities: Tensor,
        entity_mask: Tensor,
        attributes: Tensor,
        attribute_entity: Tensor,
        relations: Tensor,
        relation_subject: Tensor,
        relation_object: Tensor,
    ) -> Tensor:
        """Returns entity prompts P_E [B, N, d], which are zero for empty slots.

        Edges with index -1 and edges to empty slots are ignored.
        """
        slot = torch.arange(entities.shape[1], device=entities.device)
        real = entity_mask[..., None]  # [B, N, 1]
        entities = torch.where(real, entities, 0.0)
        owner = (attribute_entity[..., None] == slot) & entity_mask[:, None]  # [B, K, N]
        attributes = torch.where(owner.any(-1, keepdim=True), attributes, 0.0)
        both = (relation_subject >= 0) & (relation_object >= 0)
        subject = ((relation_subject[..., None] == slot) & both[..., None]).to(entities)  # [B, R, N]
        object_ = ((relation_object[..., None] == slot) & both[..., None]).to(entities)
        relations = torch.where(both[..., None], relations, 0.0)

        # Eq. 1, first line: v'_i = v_i + Σ_k w_ik a_k; w in (0, 1) is a sigmoid of a bilinear form of the pair.
        owner_row = owner.to(entities)
        pair = self.gate_entity(owner_row @ entities) * self.gate_attribute(attributes)  # [B, K, w]
        weight = torch.sigmoid(self.gate_scale * pair.sum(-1, keepdim=True))  # [B, K, 1]
        enriched = entities + owner_row.transpose(1, 2) @ (weight * attributes)  # [B, N, d]

        # Eq. 1, last line: p_i = v'_i + Σ_j r_ij * v'_j, elementwise.
        messages = relations * (object_ @ enriched)  # [B, R, d]
        return torch.where(real, enriched + subject.transpose(1, 2) @ messages, 0.0)


class WordOrder(nn.Module):
    """Real part `r · cos(ω · pos + θ)` of the complex word-order embedding (Wang et al., ICLR 2020); g_i in eq. 2.

    Amplitude r, frequency ω and phase θ of each dimension are functions of the entity vector.
    """

    def __init__(self, features: int):
        super().__init__()
        self.polar = nn.Linear(features, 3 * features)

    def forward(self, entities: Tensor, word: Tensor) -> Tensor:
        """Maps entity vectors [B, N, d] and word indices [B, N] to embeddings [B, N, d]."""
        amplitude, frequency, phase = self.polar(entities).chunk(3, dim=-1)
        return amplitude * torch.cos(frequency * word[..., None].to(entities) + phase)


class PromptModule(nn.Module):
    """Computes one prompt [B, D] per prompted block from noise and condition, in the order of the configuration.

    Features are scaled to length √d, phrases after subtraction of the mean of their kind, so that the products of eq. 1
    stay of order 1; the means are stored with the weights.
    """

    arrangement: Tensor

    def __init__(self, config: ModelConfig, shape: ClipShape, phrase_mean: Mapping[str, np.ndarray] | None = None):
        super().__init__()
        self.config, d, D = config, shape.embed_dim, shape.width
        width = config.prompt_width or d
        self.n_global, self.n_local = config.slots.count("G"), config.slots.count("L")
        self.register_buffer("arrangement", torch.tensor(self._arrangement()), persistent=False)
        for kind in KINDS:
            self.register_buffer(f"mean_{kind}", _mean(phrase_mean, kind, d))
        if self.n_global:
            self.noise = nn.Linear(config.noise_dim, d)
            self.global_attention = Attention(d, width)
            self.global_out = nn.Linear(2 * d, self.n_global * D)  # one FC layer per G position, concatenated
        if self.n_local:
            self.local_out = nn.Linear(d, D)
        if self.n_local and config.prompts == "hierarchical":
            self.graph = GraphFusion(d, width)
            self.order = WordOrder(d)
            self.cross_attention = Attention(d, width)

    def forward(self, noise: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """Returns prompts [B, P, D] for noise [B, z] and captions, and a bool mask [B, P], False for empty slots."""
        parts, masks = [], []
        if self.n_global:
            parts.append(self.global_prompts(noise, condition.sentence))
            masks.append(torch.ones_like(parts[0][..., 0], dtype=torch.bool))
        if self.n_local:
            slots = condition.entities.shape[1]
            if slots != self.n_local:
                raise ValueError(
                    f"the condition has {slots} entity slots, but this model has {self.n_local} local prompts; "
                    f"collate with n_entities={self.n_local}"
                )
            parts.append(self.local_prompts(condition))
            masks.append(condition.entity_mask)
        prompts, active = torch.cat(parts, dim=1), torch.cat(masks, dim=1)
        return prompts[:, self.arrangement], active[:, self.arrangement]

    def global_prompts(self, noise: Tensor, sentence: Tensor) -> Tensor:
        """Returns global prompts [B, n_global, D]: self-attention over [sentence; W·noise], then one FC layer each."""
        tokens = torch.stack([_unit(sentence), self.noise(noise)], dim=1)  # [B, 2, d]
        mixed = self.global_attention(tokens, tokens)
        return self.global_out(mixed.flatten(1)).unflatten(1, (self.n_global, -1))

    def local_prompts(self, condition: Condition) -> Tensor:
        """Returns one prompt per entity slot, [B, N, D]; the prompts of empty slots have arbitrary finite values."""
        entities = self.scaled("entity", condition.entities)
        entities = torch.where(condition.entity_mask[..., None], entities, 0.0)
        if self.config.prompts == "local":
            return self.local_out(entities)
        fused = self.graph(
            entities,
            condition.entity_mask,
            self.scaled("attribute", condition.attributes),
            condition.attribute_entity,
            self.scaled("relation", condition.relations),
            condition.relation_subject,
            condition.relation_object,
        )
        placed = fused + self.order(entities, condition.entity_word)  # eq. 2
        return self.local_out(self.cross_attention(placed, *self._context(condition)))

    def scaled(self, kind: str, phrases: Tensor) -> Tensor:
        """Returns phrase features [..., d] of one kind, minus their mean if configured, scaled to length √d."""
        if self.config.subtract_mean:
            phrases = phrases - cast(Tensor, getattr(self, f"mean_{kind}"))
        return _unit(phrases)

    def _context(self, condition: Condition) -> tuple[Tensor, Tensor | None]:
        if self.config.context == "sentence":
            return _unit(condition.sentence)[:, None], None
        mask = condition.token_mask
        tokens = torch.where(mask[..., None], _unit(condition.tokens), 0.0)
        return tokens, mask | ~mask.any(1, keepdim=True)  # a softmax over zero keys is undefined

    def _arrangement(self) -> list[int]:
        """Returns the indices that sort the concatenated global and local prompts by the CLIP block that they enter."""
        places = {"G": iter(range(self.n_global)), "L": iter(range(self.n_global, self.n_global + self.n_local))}
        return [next(places[letter]) for letter in self.config.slots]


class LinearPrompts(nn.Module):
    """GALIP's prompts: one FC layer on [noise; sentence]; all prompts are always active."""

    def __init__(self, config: ModelConfig, shape: ClipShape):
        super().__init__()
        self.count = len(config.slots)
        self.fc = nn.Linear(config.noise_dim + shape.embed_dim, self.count * shape.width)

    def forward(self, noise: Tensor, condition: Condition) -> tuple[Tensor, None]:
        """Returns prompts [B, P, D] for noise [B, z] and captions, and None as the mask."""
        return self.fc(torch.cat([noise, condition.sentence], dim=1)).unflatten(1, (self.count, -1)), None


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=-1) * math.sqrt(features.shape[-1])


def _mean(phrase_mean: Mapping[str, np.ndarray] | None, kind: str, width: int) -> Tensor:
    if phrase_mean is None or kind not in phrase_mean:
        return torch.zeros(width)
    mean = torch.from_numpy(np.array(phrase_mean[kind], dtype=np.float32))
    if mean.shape != (width,):
        raise ValueError(f"phrase_mean[{kind!r}] has shape {tuple(mean.shape)}, expected ({width},)")
    return mean
