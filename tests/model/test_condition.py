"""Condition: from arrays, rows, and what is refused."""

import numpy as np
import pytest
import torch

from hspcgan.model.condition import Condition


def arrays(batch=3, slots=2):
    return {
        "sentence": np.arange(batch * 4).reshape(batch, 4).astype(np.float16),
        "tokens": np.ones((batch, 5, 4), np.float16),
        "token_mask": np.ones((batch, 5), bool),
        "entities": np.ones((batch, slots, 4), np.float16),
        "entity_mask": np.ones((batch, slots), bool),
        "entity_word": np.ones((batch, slots), np.int32),
        "attributes": np.ones((batch, 1, 4), np.float16),
        "attribute_entity": np.full((batch, 1), -1, np.int32),
        "relations": np.ones((batch, 1, 4), np.float16),
        "relation_subject": np.full((batch, 1), -1, np.int32),
        "relation_object": np.full((batch, 1), -1, np.int32),
    }


def test_arrays_become_float32_int64_and_bool():
    condition = Condition.from_arrays(arrays())
    assert condition.sentence.dtype == condition.relations.dtype == torch.float32
    assert condition.entity_word.dtype == condition.relation_object.dtype == torch.int64
    assert condition.token_mask.dtype == torch.bool


@pytest.mark.parametrize("rows", [1, slice(1, 2), [1], np.array([1]), torch.tensor([1])])
def test_rows_keep_the_batch_axis(rows):
    one = Condition.from_arrays(arrays())[rows]
    assert len(one) == 1
    assert one.sentence.tolist() == [[4, 5, 6, 7]]
    assert one.entities.shape == (1, 2, 4)


def test_missing_and_unknown_arrays_are_named():
    given = {**arrays(), "colour": np.zeros(3)}
    del given["tokens"]
    with pytest.raises(ValueError, match=r"missing \['tokens'\], unknown \['colour'\]"):
        Condition.from_arrays(given)


def test_a_sentence_alone_has_only_empty_slots():
    condition = Condition.of_sentence(torch.ones(2, 4), slots=6)
    assert not condition.entity_mask.any()
    assert condition.entities.shape == (2, 6, 4)
    assert condition.to("cpu").attributes.shape == (2, 0, 4)
