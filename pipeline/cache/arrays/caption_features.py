"""Features and concepts of captions as flat arrays for `collate`; the captions come from a cache or from the user.

Legend: C captions, P phrases, T tokens, d text width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache.arrays.ragged import Ragged, offsets_of
from hspcgan.pipeline.cache.schema import CAPTIONS, COLUMNS


@dataclass(frozen=True)
class CaptionFeatures:
    """The caption data that `collate` reads.

    Features of user-supplied captions are float16 as in a cache, so that a caption gives the same image in both cases.
    """

    concepts: dict[str, Ragged]  # entities, attributes and relations of each caption, by kind
    phrase_text: np.ndarray  # float16 [P, d]
    sentence: np.ndarray  # float16 [C, d]
    token_rows: np.ndarray  # float16 [ΣT, d]
    offsets: np.ndarray  # int64 [C + 1]


def flattened(captions: pa.Table) -> dict[str, Ragged]:
    """Converts the concept columns of a captions table to int64 arrays by kind; string fields are left out."""
    return {kind: _ragged(captions[column]) for kind, column in COLUMNS.items()}


def flattened_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Ragged]:
    """Like `flattened`, for captions given as dicts, in which each phrase is an id."""
    concepts = {}
    for kind, column in COLUMNS.items():
        items = [item for row in rows for item in row[column]]
        struct = CAPTIONS.field(column).type.value_type
        numbers = [field.name for field in struct if pa.types.is_integer(field.type)]
        fields = {name: np.array([item[name] for item in items], dtype=np.int64) for name in numbers}
        concepts[kind] = Ragged(np.cumsum([0, *(len(row[column]) for row in rows)], dtype=np.int64), fields)
    return concepts


def _ragged(column: pa.ChunkedArray) -> Ragged:
    whole = column.combine_chunks()
    lengths = whole.value_lengths().to_numpy(zero_copy_only=False)
    items = whole.flatten()
    numbers = [field.name for field in items.type if pa.types.is_integer(field.type)]
    fields = {name: items.field(name).to_numpy(zero_copy_only=False).astype(np.int64) for name in numbers}
    return Ragged(offsets_of(lengths), fields)
