"""Checks the datasets of index.h5, which `write_index` computes, and lists those that hold the concepts of captions."""

from collections.abc import Mapping

import numpy as np

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.ragged import Ragged

ITEM_FIELDS = {
    "entity": ("phrase", "word"),
    "attribute": ("phrase", "entity"),
    "relation": ("phrase", "subject", "object"),
}
"""The fields of each kind of concept that batches need; each is stored as KIND/FIELD, int32, one number per
concept of the kind."""
EDGES = (("attribute", "entity"), ("relation", "subject"), ("relation", "object"))
"""Fields that are indices into the entities of the same caption, −1 for none."""


def index_problem(name: str, found: np.ndarray, counts: Mapping[str, int]) -> str:
    """Returns what is wrong with a dataset of index.h5, given `counts` in cache.json; "" if it is valid.

    An id that is out of range would select another row, or data past the end of the file.
    """
    samples, captions = counts["samples"], counts["captions"]
    offsets: dict[str, tuple[int, int | None]] = {f"{kind}/offsets": (captions, None) for kind in ITEM_FIELDS}
    offsets |= {"sample/captions": (samples, captions), "phrase/kinds": (len(schema.KINDS), counts["phrases"])}
    ids = {
        "sample/split": (samples, 0, len(schema.SPLITS)), "caption/sample": (captions, 0, samples),
        "caption/text": (captions, 0, None), "entity/word": (None, 0, None),
        **{f"{kind}/phrase": (None, 0, counts["phrases"]) for kind in ITEM_FIELDS},
        **{f"{kind}/{field}": (None, -1, None) for kind, field in EDGES},
    }  # fmt: skip
    if name == "phrase/mean" and (len(found) != len(schema.KINDS) or not np.isfinite(found).all()):
        return f"{name} is not {len(schema.KINDS)} rows of finite numbers"
    if name in offsets:
        rows, last = offsets[name]
        least = int(name == "sample/captions")  # every image has a caption, while a caption may have no concepts
        rises = found.shape == (rows + 1,) and found[0] == 0 and (np.diff(found) >= least).all()
        return "" if rises and last in (None, found[-1]) else f"{name} is not {rows + 1:,} numbers that increase from 0"
    if name in ids:
        length, least, below = ids[name]
        if found.ndim != 1 or length not in (None, len(found)):
            return f"{name} has shape {list(found.shape)}, expected {'one axis' if length is None else [length]}"
        if len(found) and (found.min() < least or (below is not None and found.max() >= below)):
            wanted = f"at least {least}" if below is None else f"{least} … {below - 1:,}"
            return f"{name} has numbers from {found.min():,} to {found.max():,}, expected {wanted}"
    return ""


def edge_problem(concepts: Mapping[str, Ragged]) -> str:
    """Returns what is wrong with the lengths or the entity indices of the concept arrays; "" if they are valid."""
    for kind, items in concepts.items():
        for field, values in items.fields.items():
            if len(values) != items.offsets[-1]:
                return f"{kind}/{field} has {len(values):,} numbers, expected {items.offsets[-1]:,}"
    entities = np.diff(concepts["entity"].offsets).astype(np.int32)
    for kind, field in EDGES:
        items = concepts[kind]
        if (items.fields[field] >= np.repeat(entities, np.diff(items.offsets))).any():
            return f"{kind}/{field} refers to an entity that its caption does not have"
    return ""
