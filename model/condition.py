"""The generator's input for a batch of captions: text features, masks and scene-graph edges, read from the cache.

Legend: B captions, N entity slots, K attributes, R relations, T tokens, d text width.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """The generator's input for a batch of captions; features come from CLIP, in float32, and are not normalised.

    Masked slots and edges of −1 are ignored.
    """

    sentence: Tensor  # [B, d]
    tokens: Tensor  # [B, T, d]
    token_mask: Tensor  # [B, T] bool, False for padding
    entities: Tensor  # [B, N, d]
    entity_mask: Tensor  # [B, N] bool, False for empty slots
    entity_word: Tensor  # [B, N] int64, word index in the caption
    attributes: Tensor  # [B, K, d]
    attribute_entity: Tensor  # [B, K] int64, entity slot, -1 for no edge
    relations: Tensor  # [B, R, d]
    relation_subject: Tensor  # [B, R] int64, entity slot, -1 for no edge
    relation_object: Tensor  # [B, R] int64, entity slot, -1 for no edge

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Condition:
        """Creates a batch from the arrays that `pipeline.cache.arrays.collate` returns; features become float32."""
        names = [field.name for field in fields(cls)]
        missing, unknown = set(names) - set(arrays), set(arrays) - set(names)
        if missing or unknown:
            raise ValueError(
                f"the condition arrays have wrong names: missing {sorted(missing)}, unknown {sorted(unknown)}"
            )
        return cls(**{name: _tensor(arrays[name]) for name in names})

    @classmethod
    def of_sentence(cls, sentence: Tensor, slots: int) -> Condition:
        """Creates a batch from sentence features [B, d] only, with `slots` empty entity slots."""
        batch, width = sentence.shape
        none = sentence.new_zeros(batch, 0, width)
        nowhere = torch.full((batch, 0), -1, dtype=torch.int64, device=sentence.device)
        return cls(
            sentence=sentence,
            tokens=sentence[:, None],
            token_mask=torch.ones(batch, 1, dtype=torch.bool, device=sentence.device),
            entities=sentence.new_zeros(batch, slots, width),
            entity_mask=torch.zeros(batch, slots, dtype=torch.bool, device=sentence.device),
            entity_word=torch.zeros(batch, slots, dtype=torch.int64, device=sentence.device),
            attributes=none,
            attribute_entity=nowhere,
            relations=none,
            relation_subject=nowhere,
            relation_object=nowhere,
        )

    def to(self, device: torch.device | str) -> Condition:
        """Returns this batch with its tensors on the given device; see `to_device`."""
        return self._map(lambda tensor: to_device(tensor, device))

    def __len__(self) -> int:
        return self.sentence.shape[0]

    def __getitem__(self, rows: int | slice | Tensor | np.ndarray | list[int]) -> Condition:
        """Returns a batch of the captions in the given rows; an integer gives a batch of one caption."""
        if isinstance(rows, int):
            rows = [rows]
        index = torch.as_tensor(rows, device=self.sentence.device) if isinstance(rows, list | np.ndarray) else rows
        return self._map(lambda tensor: tensor[index])

    def _map(self, function: Any) -> Condition:
        return Condition(**{field.name: function(getattr(self, field.name)) for field in fields(self)})


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Returns the tensor on a device. Copies to a GPU use pinned memory and are asynchronous."""
    if tensor.is_cpu and torch.device(device).type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=tensor.is_cpu)


def _tensor(array: np.ndarray) -> Tensor:
    if array.dtype.kind == "f":
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if array.dtype.kind == "b":
        return torch.from_numpy(np.ascontiguousarray(array))
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
