"""Opens a finished cache, its tables and its arrays; a `Cache` can be pickled and opened in workers."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import as_path, no_file
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.read import ADD_TAPS, Arrays
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, read_info, work_folder
from hspcgan.pipeline.cache.tables.read import Tables

COPY = "give a local folder; `hspcgan copy SOURCE TARGET` copies a finished cache from or to a URL"
URL = re.compile(r"[A-Za-z][\w+.-]+:/")  # only one slash: pathlib removes the second slash of a URL


class Cache(Tables, Arrays):
    """A finished cache. Files are opened on first use; a pickled object contains only the path and cache.json.

    Raises UserError if there is no cache or only an unfinished cache, if cache.json is damaged or has another format
    version, and if a file is missing or has the wrong size. A damaged table raises UserError on first use. Checksums
    are not compared here; `validate` does that.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = as_path(path, "a cache")
        if not (self.path / schema.INFO).is_file():
            if URL.match(str(path)):
                raise UserError(f"{path} is a URL, which cannot be mapped into memory; {COPY}")
            if work_folder(self.path).exists():
                raise UserError(
                    f"{self.path} is not finished; run `hspcgan prepare MANIFEST` again to resume, or the same "
                    "`hspcgan copy` again"
                )
            fix = "run `hspcgan prepare MANIFEST`"
            if os.path.lexists(self.path / schema.INFO):
                fix = f"move it away and {fix}"
            raise UserError(f"no cache in {self.path} ({schema.INFO}: {no_file(self.path / schema.INFO)}); {fix}")
        self.info: dict[str, Any] = read_info(self.path / schema.INFO)
        names = schema.contents_of(self.info)
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing:
            listed = ", ".join(f"{name} ({no_file(self.path / name)})" for name in missing)
            raise UserError(f"{self.path} lacks {listed}; {REBUILD_HINT}")
        for name in names:  # checked now, not in the middle of a training run
            got, size = (self.path / name).stat().st_size, self.info["files"][name]["size"]
            if got != size:
                raise UserError(
                    f"{self.path / name} is truncated or damaged: {got:,} bytes, expected {size:,}; {REBUILD_HINT}"
                )
        last = {
            schema.FEATURES_FILE: "caption/tokens",
            schema.IMAGES_FILE: "bytes" if "store" in self.info else "image",
            schema.INDEX_FILE: "relation/object",
            schema.TAPS_FILE: "taps",
        }
        for name in last.keys() & set(names):
            self._map(name, last[name])
        if self._map(schema.INDEX_FILE, "caption/text").dtype != np.int64:
            raise UserError(
                f"{self.path} has an older layout (caption/text in {schema.INDEX_FILE} is not int64); {REBUILD_HINT}"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "info": self.info}

    def check(self) -> None:
        """Reads the tables and maps the arrays; raises UserError, with the fix, for a damaged or truncated file."""
        for name in ("phrases", "rejects"):
            getattr(self, name)
        for _ in self.blocks(schema.SAMPLES_FILE):
            pass
        for _ in self.blocks(schema.CAPTIONS_FILE):
            pass
        for name in ("images", "phrase_text", "sentence", "token_rows", "offsets"):
            getattr(self, name)

    def require_clip(self, sha256: str) -> None:
        """Raises UserError if the features were encoded by a CLIP with other weights."""
        own = self.info["clip"]
        if own["sha256"] != sha256:
            raise UserError(
                f"{self.path} was encoded by CLIP {own['name']} (sha256 {own['sha256']}), but the CLIP in use has "
                f"sha256 {sha256}; set encode.clip to the CLIP that the cache was made with, or {REBUILD_HINT}"
            )

    def require_tokens(self, reader: str) -> None:
        """Raises UserError if the cache has no token features; the message states that `reader` needs them."""
        if not self.has_tokens:
            raise UserError(
                f"{self.path} has no token features (encode.tokens: false), but {reader} needs them; set "
                f"model.context: sentence, or encode.tokens: true and {REBUILD_HINT}"
            )

    def require_texts(self, texts: Mapping[str, Any], owner: str) -> None:
        """Raises UserError if the annotator or the templates of the cache differ from those in `texts`.

        `texts`: {"parse": {"annotator"}, "templates": {kind: template}}; missing keys are not compared. `owner`: the
        name of what these settings belong to, for the message.
        """
        parse, templates = texts.get("parse") or {}, texts.get("templates") or {}
        if not isinstance(templates, Mapping):
            raise UserError(
                f"encode.templates of {owner} is {templates!r}, expected a template for each kind of phrase"
            )
        pairs = [("parse.annotator", self.info["parser"].get("annotator"), parse.get("annotator"))]
        pairs += [
            (f"encode.templates.{kind}", own, templates.get(kind)) for kind, own in self.info["templates"].items()
        ]
        differing = [f"{key} {own!r}, but {owner} with {wanted!r}" for key, own, wanted in pairs
                     if None not in (own, wanted) and own != wanted]  # fmt: skip
        if differing:
            raise UserError(
                f"{self.path} was made with {'; '.join(differing)}; use the settings of the cache, or {REBUILD_HINT}"
            )

    def require_finite(self, features: Iterable[np.ndarray]) -> None:
        """Raises UserError if features that were read from this cache are NaN or infinite; integers are accepted."""
        if not all(np.isfinite(values).all() for values in features):
            raise UserError(
                f"The cache {self.path} is damaged: it has features that are NaN or infinite; `hspcgan validate` lists "
                f"all problems; {REBUILD_HINT}"
            )

    def require_taps(self, blocks: Sequence[int], width: int, grid: int) -> None:
        """Raises UserError if the cache has no CLIP features of image views, or if they come from other CLIP blocks.

        `width`, `grid`: D and g of the CLIP in use, with which the features must agree.
        """
        own = self.info.get("taps")
        if own is None:
            raise UserError(
                f"{self.path} has no {schema.TAPS_FILE}, the file of CLIP features that is needed by the setting "
                f"`train.cache_taps: disk`; {ADD_TAPS}; or set train.cache_taps to true or false"
            )
        if own["blocks"] != list(blocks):
            raise UserError(
                f"{self.path / schema.TAPS_FILE} has features after CLIP blocks {own['blocks']}, but the model reads "
                f"{list(blocks)}; set model.taps to match, or set taps.blocks to model.taps and {REBUILD_HINT}"
            )
        expected = (len(own["views"]), len(blocks), width, grid, grid)
        if self.taps.shape[1:] != expected:
            raise UserError(
                f"{self.path / schema.TAPS_FILE} is damaged: taps is {list(self.taps.shape)}, expected "
                f"{[len(self.taps), *expected]}; {REBUILD_HINT}"
            )
