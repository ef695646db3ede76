"""The counts in cache.json, from the tables of a cache; the writer states them, `validate` compares them."""

import pyarrow as pa


def count(samples: pa.Table, captions: pa.Table, phrases: pa.Table, rejects: pa.Table) -> dict[str, int]:
    """Rows of each table, tokens, truncated captions, captions without an entity; rows in = rows out + rejects."""
    entities = captions["entities"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    return {
        "rows_in": len(samples) + len(captions) + len(rejects),
        "samples": len(samples), "captions": len(captions), "rejects": len(rejects), "phrases": len(phrases),
        "tokens": int(captions["n_tokens"].to_numpy().sum()), "empty_graphs": int((entities == 0).sum()),
        "truncated": int(captions["truncated"].to_numpy().sum()),
    }  # fmt: skip
