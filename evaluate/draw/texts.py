"""Converts user-supplied captions to conditions in memory: cleaned, parsed and encoded like the captions of a cache."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np

from hspcgan.model.clip.frozen import FrozenClip
from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import first_lines, quoted, require_list
from hspcgan.model.condition import Condition
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.caption_features import CaptionFeatures, flattened_rows
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.concepts import Parser


def clean_texts(texts: Sequence[str]) -> list[str]:
    """Returns each caption as ingest would store it.

    UserError, with the caption's number, if ingest would reject it, and for no captions or a string instead of a list.
    """
    from hspcgan.pipeline.stages.caption_text import clean_caption

    require_list(texts, "captions")
    if len(texts) == 0:
        raise UserError("expected a list of captions, got an empty list")
    clean = []
    for number, text in enumerate(texts, 1):
        try:
            clean.append(clean_caption(text))
        except ValueError as error:
            # In a locale without UTF-8, Python reads other characters of the command line as lone surrogates.
            lost = not text.isascii() and sys.getfilesystemencoding() != "utf-8"
            fix = "set PYTHONUTF8=1 in the environment" if lost else "describe the image in words"
            raise UserError(f"caption {number} of {len(texts)}: {error}; {fix}") from error
    return clean


def conditions_from_texts(
    texts: Sequence[str], clip: FrozenClip, templates: Mapping[str, str], parser: Parser | None, n_entities: int = 6
) -> Condition:
    """Returns a condition per cleaned caption: concepts from `parser`, phrases from templates, features from `clip`.

    Without a parser, captions have no concepts. Captions beyond CLIP's context length are truncated;
    `mismatch_warnings` reports them. UserError if CLIP returns features that are not finite.
    """
    from hspcgan.evaluate.draw.few_captions import parse_few
    from hspcgan.pipeline.stages.encode import encode_texts
    from hspcgan.pipeline.stages.parse import concept_row

    empty: dict[str, list] = {column: [] for column in schema.COLUMNS.values()}
    rows = [concept_row(concepts) for concepts in parse_few(parser, texts)] if parser else [empty for _ in texts]
    phrases: dict[tuple[str, str], int] = {}  # (kind, phrase) → id
    for row in rows:
        for kind, column in schema.COLUMNS.items():
            for item in row[column]:
                item["phrase"] = phrases.setdefault((kind, item["phrase"]), len(phrases))
    sentence, tokens, _ = encode_texts(clip, texts)
    prompts = [templates[kind].format(phrase) for kind, phrase in phrases]
    features = encode_texts(clip, prompts)[0] if prompts else np.zeros((0, clip.embed_dim), np.float32)
    own = CaptionFeatures(
        concepts=flattened_rows(rows),
        phrase_text=features.astype(np.float16),
        sentence=sentence.astype(np.float16),
        token_rows=np.concatenate(tokens).astype(np.float16),
        offsets=np.cumsum([0, *map(len, tokens)], dtype=np.int64),
    )
    arrays = collate(own, np.arange(len(texts)), n_entities=n_entities)
    return Condition.from_arrays(arrays)


def mismatch_warnings(texts: Sequence[str], clip: FrozenClip) -> list[str]:
    """Returns a warning per caption that is too long for CLIP, and one for words that CLIP was not trained on."""
    from hspcgan.pipeline.stages.unknown_words import unknown_words

    lines = [
        f"{text[:60]!r}… has more tokens than CLIP's {clip.context_length}: only its beginning is drawn; shorten it"
        for text, cut in zip(texts, clip.tokenize(texts)[1].tolist(), strict=True)
        if cut
    ]
    lines = first_lines(lines)
    unknown = sorted(unknown_words(texts, clip.path)) if clip.path else []
    if unknown:
        named = ", ".join(first_lines([*map(quoted, unknown)]))
        lines.append(
            f"{clip.name} was not trained on {named}: these words will not be drawn; "
            "use other words, or a checkpoint with a CLIP that was trained on them"
        )
    return lines
