"""Caption rows of a cache → padded arrays, the fields of `model.condition.Condition`.

Legend: B captions, N entity slots, K attributes, R relations, T tokens, d text width.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.schema import COLUMNS


@dataclass(frozen=True)
class Ragged:
    """A list<struct> column as flat integer arrays: row i holds items offsets[i] … offsets[i + 1] − 1."""

    offsets: np.ndarray
    fields: dict[str, np.ndarray]

    def rows(self, row: int, *names: str) -> list[np.ndarray]:
        span = slice(self.offsets[row], self.offsets[row + 1])
        return [self.fields[name][span] for name in names]


_FLAT: "WeakKeyDictionary[Cache, dict[str, Ragged]]" = WeakKeyDictionary()


def collate(
    cache: Cache,
    caption_rows: np.ndarray,
    n_entities: int = 6,
    n_attributes: int = 12,
    n_relations: int = 12,
    n_tokens: int = 1,
) -> dict[str, np.ndarray]:
    """The captions' raw features and scene graph edges, padded; features are float32 and zero in padding.

    Keys and shapes are those of Condition. More than `n_entities` entities: those with most edges stay, then those that
    come first; attributes and relations of dropped entities, and what exceeds their slots, are left out. Tokens are
    padded to the longest caption, and to `n_tokens` at least.
    """
    flat = _flat(cache)
    texts = _Builder(cache, len(caption_rows), n_entities, n_attributes, n_relations)
    for place, row in enumerate(caption_rows):
        phrase, word = flat["entity"].rows(int(row), "phrase", "word")
        owner_phrase, owner = flat["attribute"].rows(int(row), "phrase", "entity")
        relation, subject, object_ = flat["relation"].rows(int(row), "phrase", "subject", "object")
        kept = _most_connected(len(phrase), n_entities, (owner, subject, object_))
        slot = np.full(len(phrase) + 1, -1)  # the last entry is where an index of −1 lands
        slot[kept] = np.arange(len(kept))
        texts.put("entities", place, phrase[kept])
        texts.arrays["entity_mask"][place, : len(kept)] = True
        texts.arrays["entity_word"][place, : len(kept)] = word[kept]
        whole = (slot[owner] >= 0) | (owner < 0)
        texts.put("attributes", place, owner_phrase[whole], attribute_entity=slot[owner][whole])
        whole = ((slot[subject] >= 0) | (subject < 0)) & ((slot[object_] >= 0) | (object_ < 0))
        ends = {"relation_subject": slot[subject][whole], "relation_object": slot[object_][whole]}
        texts.put("relations", place, relation[whole], **ends)
    return texts.arrays | _tokens(cache, caption_rows, n_tokens)


class _Builder:
    """The padded arrays under construction."""

    def __init__(self, cache: Cache, size: int, n_entities: int, n_attributes: int, n_relations: int) -> None:
        self.features = cache.phrase_text
        width = self.features.shape[1]
        slots = {"entities": n_entities, "attributes": n_attributes, "relations": n_relations}
        self.arrays = {name: np.zeros((size, n, width), np.float32) for name, n in slots.items()}
        self.arrays |= {
            "entity_mask": np.zeros((size, n_entities), bool),
            "entity_word": np.zeros((size, n_entities), np.int64),
            "attribute_entity": np.full((size, n_attributes), -1),
            "relation_subject": np.full((size, n_relations), -1),
            "relation_object": np.full((size, n_relations), -1),
        }

    def put(self, name: str, place: int, phrases: np.ndarray, **edges: np.ndarray) -> None:
        """Features of phrase ids and their edges into row `place`, as many as fit."""
        n = min(len(phrases), self.arrays[name].shape[1])
        self.arrays[name][place, :n] = self.features[phrases[:n]]
        for edge, values in edges.items():
            self.arrays[edge][place, :n] = values[:n]


def _tokens(cache: Cache, rows: np.ndarray, least: int) -> dict[str, np.ndarray]:
    starts, stops = cache.offsets[rows], cache.offsets[np.asarray(rows) + 1]
    longest = int((stops - starts).max(initial=least))
    tokens = np.zeros((len(rows), longest, cache.sentence.shape[1]), np.float32)
    mask = np.arange(longest) < (stops - starts)[:, None]
    for place, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        tokens[place, : stop - start] = cache.token_rows[start:stop]
    return {"sentence": cache.sentence[rows].astype(np.float32), "tokens": tokens, "token_mask": mask}


def _most_connected(count: int, most: int, edges: tuple[np.ndarray, ...]) -> np.ndarray:
    """Indices of the entities that get a slot, in caption order."""
    if count <= most:
        return np.arange(count)
    ends = np.concatenate(edges)
    degree = np.bincount(ends[ends >= 0], minlength=count)
    return np.sort(np.argsort(-degree, kind="stable")[:most])


def _flat(cache: Cache) -> dict[str, Ragged]:
    if cache not in _FLAT:
        _FLAT[cache] = {kind: _ragged(cache.captions[column]) for kind, column in COLUMNS.items()}
    return _FLAT[cache]


def _ragged(column: pa.ChunkedArray) -> Ragged:
    whole = column.combine_chunks()
    lengths = whole.value_lengths().to_numpy(zero_copy_only=False)
    items = whole.flatten()
    numbers = [field.name for field in items.type if pa.types.is_integer(field.type)]
    fields = {name: items.field(name).to_numpy(zero_copy_only=False).astype(np.int64) for name in numbers}
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), fields)
