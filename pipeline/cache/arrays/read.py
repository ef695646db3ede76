"""Maps the arrays of a cache into memory: images, features, concepts, splits, and the taps of image views."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.caption_features import CaptionFeatures
from hspcgan.pipeline.cache.arrays.hdf5_file import mapped
from hspcgan.pipeline.cache.arrays.image_store import EncodedImages
from hspcgan.pipeline.cache.arrays.index import ITEM_FIELDS, edge_problem, index_problem
from hspcgan.pipeline.cache.arrays.ragged import Ragged
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT

ARRAYS = {
    "image": ("uint8", 4, "samples"),
    "bytes": ("uint8", 1, None),
    "offsets": ("int64", 1, None),
    "phrase/text": ("float16", 2, "phrases"),
    "caption/sentence": ("float16", 2, "captions"),
    "caption/tokens": ("float16", 2, "tokens"),
    "caption/offsets": ("int64", 1, "captions"),
    "taps": ("float16", 6, "samples"),
    "sample/split": ("uint8", 1, "samples"),
    "sample/captions": ("int64", 1, None),
    "caption/sample": ("int32", 1, "captions"),
    "phrase/kinds": ("int64", 1, None),
    "phrase/mean": ("float32", 2, None),
    **{f"{kind}/offsets": ("int64", 1, None) for kind in ITEM_FIELDS},
    **{f"{kind}/{field}": ("int32", 1, None) for kind, fields in ITEM_FIELDS.items() for field in fields},
}
"""Type and number of dimensions of each dataset, and the count in cache.json that equals its number of rows."""

WIDE = ("phrase/text", "caption/sentence", "caption/tokens", "phrase/mean")
"""Datasets of features, which have one column for each of CLIP's embedding dimensions."""

ADD_TAPS = "set taps.views, for example to [whole, whole-flipped], and run `hspcgan prepare MANIFEST` to add them"

ENCODED = ("bytes", "offsets")
"""Datasets of encoded images, which `EncodedImages` cannot open if they have another type or shape."""


class Arrays:
    """The arrays of the cache at `path`, mapped on first use; UserError, with the fix, if one is damaged.

    Legend: S samples, C captions, P phrases, T tokens of a caption, d text width.
    """

    path: Path
    info: dict[str, Any]
    checks: bool  # compare types, shapes, row counts and ids when mapping; see `Tables`

    @cached_property
    def images(self) -> np.ndarray | EncodedImages:
        """The images, uint8 [S, 3, H, W], RGB; encoded images are decoded when they are indexed."""
        if "store" not in self.info:
            pixels, size = self._map(schema.IMAGES_FILE, "image"), self.info["image_size"]
            if self.checks and pixels.shape[1:] != (3, size, size):
                raise UserError(
                    f"{self.path / schema.IMAGES_FILE} is damaged: image is {pixels.shape}, expected "
                    f"(…, 3, {size}, {size}); {REBUILD_HINT}"
                )
            return pixels
        data, offsets = (self._map(schema.IMAGES_FILE, name) for name in ("bytes", "offsets"))
        images = EncodedImages(data, offsets, self.info["image_size"], self.path / schema.IMAGES_FILE)
        if self.checks and len(images) != self.info["counts"]["samples"]:
            raise UserError(
                f"{images.where} is damaged: {len(images):,} images, expected "
                f"{self.info['counts']['samples']:,}; {REBUILD_HINT}"
            )
        return images

    @cached_property
    def taps(self) -> np.ndarray:
        """CLIP's patch features after each of T blocks, for V views per image: float16 [S, V, T, D, g, g].

        See `Cache.require_taps`. Raises UserError if the cache has none.
        """
        if self.info.get("taps") is None:
            raise UserError(
                f"{self.path} has no {schema.TAPS_FILE}, the file of CLIP features of image views; {ADD_TAPS}"
            )
        return self._map(schema.TAPS_FILE, "taps")

    @cached_property
    def phrase_text(self) -> np.ndarray:
        """Raw features of the phrase prompts, float16 [P, d]."""
        return self._map(schema.FEATURES_FILE, "phrase/text")

    @cached_property
    def sentence(self) -> np.ndarray:
        """Raw sentence features of the captions, float16 [C, d]."""
        return self._map(schema.FEATURES_FILE, "caption/sentence")

    @cached_property
    def offsets(self) -> np.ndarray:
        """Offsets, int64 [C + 1]: caption row i has token rows offsets[i] … offsets[i + 1] − 1."""
        found = self._map(schema.FEATURES_FILE, "caption/offsets")
        if self.checks and (found[0] != 0 or found[-1] != len(self.token_rows) or (np.diff(found) < 0).any()):
            raise UserError(
                f"{self.path / schema.FEATURES_FILE} is damaged: caption/offsets does not increase from 0 to the "
                f"{len(self.token_rows):,} rows of caption/tokens; {REBUILD_HINT}"
            )
        return found

    @cached_property
    def token_rows(self) -> np.ndarray:
        """Token features of all captions, float16 [ΣT, d]."""
        return self._map(schema.FEATURES_FILE, "caption/tokens")

    @cached_property
    def texts(self) -> CaptionFeatures:
        """Features and concepts of the captions, from which `collate` builds batches."""
        return CaptionFeatures(self.concepts, self.phrase_text, self.sentence, self.token_rows, self.offsets)

    @cached_property
    def concepts(self) -> dict[str, Ragged]:
        """Phrase ids and edges of each caption by kind, int32."""
        found = {
            kind: Ragged(self._index(f"{kind}/offsets"), {name: self._index(f"{kind}/{name}") for name in fields})
            for kind, fields in ITEM_FIELDS.items()
        }
        self._require_valid_index(edge_problem(found) if self.checks else "")
        return found

    def tokens(self, row: int) -> np.ndarray:
        """Returns the token features of a caption row, float16 [T, d]."""
        return self.token_rows[self.offsets[row] : self.offsets[row + 1]]

    @cached_property
    def sample_captions(self) -> np.ndarray:
        """Offsets, int64 [S + 1]: sample row i has caption rows sample_captions[i] … sample_captions[i + 1] − 1."""
        return self._index("sample/captions")

    @cached_property
    def caption_sample(self) -> np.ndarray:
        """The sample row of each caption row, int32 [C]."""
        return self._index("caption/sample")

    @cached_property
    def caption_text(self) -> np.ndarray:
        """A hash of the text of each caption row, int64 [C] ≥ 0; equal texts have equal hashes in all caches."""
        return self._index("caption/text")

    def captions_of(self, sample_row: int) -> range:
        """Returns the caption rows of a sample; they are consecutive."""
        return range(int(self.sample_captions[sample_row]), int(self.sample_captions[sample_row + 1]))

    def split_rows(self, split: str) -> np.ndarray:
        """Returns the sample rows of a split, int64; empty for a split that the format does not define."""
        known = {name: number for number, name in enumerate(schema.SPLITS)}
        return np.flatnonzero(self._index("sample/split") == known.get(split, len(known)))

    def split_counts(self) -> dict[str, int]:
        """Returns the number of images in each split that has images."""
        counts = np.bincount(self._index("sample/split"), minlength=len(schema.SPLITS)).tolist()
        return {split: count for split, count in zip(schema.SPLITS, counts, strict=True) if count}

    @cached_property
    def phrase_mean(self) -> dict[str, np.ndarray]:
        """Mean raw feature of the unique phrases of each kind, float32 [d]; zeros for a kind without phrases."""
        return dict(zip(schema.KINDS, self._index("phrase/mean"), strict=True))

    def _index(self, dataset: str) -> np.ndarray:
        found = self._map(schema.INDEX_FILE, dataset)
        self._require_valid_index(index_problem(dataset, found, self.info["counts"]) if self.checks else "")
        return found

    def _require_valid_index(self, problem: str) -> None:
        if problem:
            raise UserError(f"{self.path / schema.INDEX_FILE} is damaged: {problem}; {REBUILD_HINT}")

    @property
    def has_tokens(self) -> bool:
        """Whether token features were stored (encode.tokens); if not, `token_rows` has shape [0, d]."""
        return self.info["stages"]["encode"].get("tokens", True)

    def _map(self, name: str, dataset: str) -> np.ndarray:
        found = mapped(self.path / name, dataset)
        if (self.checks or dataset in ENCODED) and dataset in ARRAYS:
            kind, dimensions, count = ARRAYS[dataset]
            rows = self.info["counts"].get(count)
            if dataset == "caption/tokens" and not self.has_tokens:
                rows = 0  # tokens are counted, but their features are not stored
            if dataset == "caption/offsets" and rows is not None:
                rows += 1
            width = self.info["clip"]["embed_dim"] if dataset in WIDE else None
            fits = found.dtype == kind and found.ndim == dimensions and rows in (None, len(found))
            if not fits or width not in (None, found.shape[-1]):
                raise UserError(
                    f"{self.path / name} is damaged: {dataset} is {found.dtype} {list(found.shape)}, expected {kind} "
                    f"with {dimensions} dimensions{'' if rows is None else f' and {rows:,} rows'}"
                    f"{'' if width is None else f' of {width:,} columns'}; {REBUILD_HINT}"
                )
        return found
