"""Collates caption rows into padded arrays, the fields of `model.condition.Condition`.

Legend: B captions, N entity slots, K attributes, R relations, T tokens, d text width.
"""

import numpy as np

from hspcgan.pipeline.cache.arrays.caption_features import CaptionFeatures


def collate(
    texts: CaptionFeatures,
    caption_rows: np.ndarray,
    n_entities: int = 6,
    n_attributes: int = 12,
    n_relations: int = 12,
    n_tokens: int = 1,
) -> dict[str, np.ndarray]:
    """Returns the raw features and scene graph edges of captions, padded; features are float32 and zero in padding.

    Keys and shapes are those of Condition. If a caption has more than `n_entities` entities, those with the most edges
    are kept; ties keep the first. Attributes and relations of dropped entities, or beyond the number of slots, are left
    out. Tokens are padded to the longest caption, but at least to `n_tokens`.
    """
    concepts = texts.concepts
    built = _Builder(texts.phrase_text, len(caption_rows), n_entities, n_attributes, n_relations)
    for place, row in enumerate(caption_rows):
        phrase, word = concepts["entity"].rows(int(row), "phrase", "word")
        owner_phrase, owner = concepts["attribute"].rows(int(row), "phrase", "entity")
        relation, subject, object_ = concepts["relation"].rows(int(row), "phrase", "subject", "object")
        kept = _most_connected(len(phrase), n_entities, (owner, subject, object_))
        slot = np.full(len(phrase) + 1, -1)  # an index of −1 selects the last entry
        slot[kept] = np.arange(len(kept))
        built.put("entities", place, phrase[kept])
        built.arrays["entity_mask"][place, : len(kept)] = True
        built.arrays["entity_word"][place, : len(kept)] = word[kept]
        whole = (slot[owner] >= 0) | (owner < 0)
        built.put("attributes", place, owner_phrase[whole], attribute_entity=slot[owner][whole])
        whole = ((slot[subject] >= 0) | (subject < 0)) & ((slot[object_] >= 0) | (object_ < 0))
        ends = {"relation_subject": slot[subject][whole], "relation_object": slot[object_][whole]}
        built.put("relations", place, relation[whole], **ends)
    return built.arrays | _tokens(texts, caption_rows, n_tokens)


class _Builder:
    """Allocates the padded arrays and fills them caption by caption."""

    def __init__(self, features: np.ndarray, size: int, n_entities: int, n_attributes: int, n_relations: int) -> None:
        self.features, width = features, features.shape[1]
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
        """Writes features and edges of phrases, given by ids, into row `place`; omits phrases beyond the last slot."""
        n = min(len(phrases), self.arrays[name].shape[1])
        self.arrays[name][place, :n] = self.features[phrases[:n]]
        for edge, values in edges.items():
            self.arrays[edge][place, :n] = values[:n]


def _tokens(texts: CaptionFeatures, rows: np.ndarray, least: int) -> dict[str, np.ndarray]:
    starts, stops = texts.offsets[rows], texts.offsets[np.asarray(rows) + 1]
    longest = int((stops - starts).max(initial=least))
    tokens = np.zeros((len(rows), longest, texts.sentence.shape[1]), np.float32)
    mask = np.arange(longest) < (stops - starts)[:, None]
    for place, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        tokens[place, : stop - start] = texts.token_rows[start:stop]
    return {"sentence": texts.sentence[rows].astype(np.float32), "tokens": tokens, "token_mask": mask}


def _most_connected(count: int, most: int, edges: tuple[np.ndarray, ...]) -> np.ndarray:
    """Returns the indices, in order, of the `most` entities with the most edges; all indices if there are fewer."""
    if count <= most:
        return np.arange(count)
    ends = np.concatenate(edges)
    degree = np.bincount(ends[ends >= 0], minlength=count)
    return np.sort(np.argsort(-degree, kind="stable")[:most])
