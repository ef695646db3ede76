"""Checks a finished cache against every rule of the format, and lists all violations."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.arrays.hdf5_file import mapped
from hspcgan.pipeline.cache.arrays.image_store import EncodedImages, problems
from hspcgan.pipeline.cache.arrays.ragged import offsets_of
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, size_and_sha256
from hspcgan.pipeline.cache.fingerprint import fingerprint
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.tables.check_concepts import concept_problems, phrase_problems, span_problems
from hspcgan.pipeline.cache.tables.counts import count
from hspcgan.pipeline.cache.tables.digests import Places, digests
from hspcgan.pipeline.cache.tables.read import FILES
from hspcgan.pipeline.cache.write_index import index_arrays

BLOCK_BYTES = 2**26  # read at once


def validate(path: Path | str, checksums: bool = True, report: Callable[[int], object] = lambda count: None) -> None:
    """Checks a finished cache; raises UserError with all violations of the format.

    `checksums`: False skips the sha256 of the files and decodes no image, for the writer, which has just written them.
    `report` receives the number of bytes of each block that is read for the checksums.
    """
    cache = _Unchecked(path)
    for checks in (
        (partial(_checksums, report=report),) if checksums else (),
        (_info, _nulls),
        (_counts, _keys, _samples, _shapes),
        (phrase_problems, concept_problems, span_problems, _finite, partial(_images, thorough=checksums)),
        (_index,),
    ):
        found = [problem for check in checks for problem in check(cache)]
        if found:  # later checks rely on earlier ones
            listed = "\n  ".join(found)
            raise UserError(f"{path} violates the cache format:\n  {listed}\nTo fix: {REBUILD_HINT}")
    _require_no_other_files(cache)


class _Unchecked(Cache):
    """A cache that is read without checks of its tables and arrays."""

    checks = False


def _checksums(cache: Cache, report: Callable[[int], object]) -> Iterator[str]:
    for name in schema.contents_of(cache.info):
        wanted, got = cache.info["files"][name]["sha256"], size_and_sha256(cache.path / name, report)["sha256"]
        if got != wanted:
            yield f"{name} was damaged or changed after it was written: sha256 {got}, expected {wanted}"


def _require_no_other_files(cache: Cache) -> None:
    known = schema.files_of(cache.info)
    others = sorted(path.name for path in cache.path.iterdir() if path.name not in known)
    others = [name for name in others if not schema.SYSTEM_FILES.fullmatch(name)]
    if others:
        raise UserError(
            f"{cache.path} contains files that are not part of a cache: {', '.join(others[:5])}"
            f"{', …' if len(others) > 5 else ''}; move them away"
        )


def _info(cache: Cache) -> Iterator[str]:
    info, encoded = cache.info, cache.info["stages"]["encode"]
    clip = info["clip"]["sha256"]
    if info["normalised"]:
        yield "cache.json: `normalised` is true, but format 1 stores raw features"
    if info["fingerprint"] != _chained_fingerprint(info):
        yield "cache.json: `fingerprint` does not match the inputs under `stages`"
    if encoded.get("clip_sha256", clip) != clip:
        yield f"cache.json: `clip` has sha256 {clip!r}, but captions were encoded by {encoded['clip_sha256']!r}"
    if encoded.get("templates", info["templates"]) != info["templates"]:
        yield f"cache.json: `templates` are {info['templates']}, but prompts were made with {encoded['templates']}"
    if "taps" in info and info["taps"]["clip_sha256"] != clip:
        yield f"cache.json: the taps were computed by another CLIP, sha256 {info['taps']['clip_sha256']!r}"


def _chained_fingerprint(info: dict) -> str:
    so_far = ""
    for stage in schema.stages_of(info):
        so_far = fingerprint(info["stages"][stage], so_far)
    return so_far


def _nulls(cache: Cache) -> Iterator[str]:
    for name in FILES:
        nulls = [column for block in cache.blocks(name) for column in schema.null_columns(block)]
        if nulls:
            yield f"{name}: nulls in {', '.join(dict.fromkeys(nulls))}"


def _counts(cache: Cache) -> Iterator[str]:
    for name, counted in count(cache.path).items():
        stated = cache.info["counts"].get(name)
        if stated != counted:
            yield f"cache.json states {stated} {name}, but the tables have {counted}"


def _keys(cache: Cache) -> Iterator[str]:
    splits: set[str] = set()
    for block in cache.blocks(schema.SAMPLES_FILE, ["split"]):
        splits.update(block["split"].unique().to_pylist())
    keys = Places(_digests(cache, schema.SAMPLES_FILE, "key"))
    if keys.repeated >= 0:
        yield "samples.parquet: keys are not unique"
    if splits - set(schema.SPLITS):
        yield f"samples.parquet: splits {sorted(splits - set(schema.SPLITS))}, expected {schema.SPLITS}"
    last, spoken = 0, np.zeros(len(keys.order), bool)
    for block in cache.blocks(schema.CAPTIONS_FILE, ["key"]):
        rows = keys.find(block["key"])
        if rows.min() < 0:
            yield f"captions.parquet: keys without a sample, such as {[block['key'][int(rows.argmin())].as_py()]}"
            return
        if rows[0] < last or (np.diff(rows) < 0).any():
            yield "captions.parquet: not in the order of samples.parquet"
            return
        last = rows[-1]
        spoken[rows] = True
    if not spoken.all():
        mute = cache.samples_at([int(spoken.argmin())], ["key"])["key"].to_pylist()
        yield f"samples.parquet: samples without a caption, such as {mute}"
    if Places(_digests(cache, schema.CAPTIONS_FILE, "caption_id")).repeated >= 0:
        yield "captions.parquet: caption ids are not unique"


def _digests(cache: Cache, name: str, column: str) -> Iterator[np.ndarray]:
    return (digests(block[column]) for block in cache.blocks(name, [column]))


def _samples(cache: Cache) -> Iterator[str]:
    for row in (row for block in cache.blocks(schema.SAMPLES_FILE) for row in block.to_pylist()):
        if not re.fullmatch("[0-9a-f]{64}", row["sha256"]) or row["width"] < 1 or row["height"] < 1:
            size = f"{row['width']}×{row['height']}"
            yield f"samples.parquet: {row['key']} has the invalid size {size} or sha256 {row['sha256']!r}"
            return
        box = row["box"]
        if box is None:
            continue
        if (
            len(box) != 4
            or None in box
            or max(0, box[0]) >= min(row["width"], box[2])
            or (max(0, box[1]) >= min(row["height"], box[3]))
        ):
            yield f"samples.parquet: the box {box} of {row['key']} has no area inside its image"
            return


def _shapes(cache: Cache) -> Iterator[str]:
    width, size = cache.info["clip"]["embed_dim"], cache.info["image_size"]
    lengths = cache.column(schema.CAPTIONS_FILE, "n_tokens").to_numpy()
    offsets = offsets_of(lengths if cache.has_tokens else np.zeros_like(lengths))
    captions, phrases, samples = len(offsets) - 1, len(cache.phrases), sum(cache.sample_shards())
    expected = {
        "phrase_text": ((phrases, width), "float16"), "sentence": ((captions, width), "float16"),
        "token_rows": ((int(offsets[-1]), width), "float16"), "offsets": ((captions + 1,), "int64"),
        "images": ((samples, 3, size, size), "uint8"),
    }  # fmt: skip
    for name, (shape, dtype) in expected.items():
        found = getattr(cache, name)
        if found.shape != shape or found.dtype != dtype:
            yield f"{name} is {found.dtype} {found.shape}, expected {dtype} {shape}"
    if "taps" in cache.info:
        rows = (samples, len(cache.info["taps"]["views"]), len(cache.info["taps"]["blocks"]))
        taps = cache.taps
        if taps.ndim != 6 or taps.shape[:3] != rows or taps.shape[4] != taps.shape[5] or taps.dtype != "float16":
            yield f"taps is {taps.dtype} {taps.shape}, expected float16 {(*rows, 'D', 'g', 'g')}"
    if len(cache.offsets) == captions + 1 and not np.array_equal(cache.offsets, offsets):
        yield "features.h5: caption/offsets do not match n_tokens"


def _images(cache: Cache, thorough: bool) -> Iterator[str]:
    if isinstance(cache.images, EncodedImages) and (found := problems(cache.images, cache.info["store"], thorough)):
        yield found


def _index(cache: Cache) -> Iterator[str]:
    for name, expected in index_arrays(cache.path):
        found = mapped(cache.path / schema.INDEX_FILE, name)
        same = found.shape == expected.shape and found.dtype == expected.dtype
        if not same or not (np.allclose if found.dtype.kind == "f" else np.array_equal)(found, expected):
            yield f"index.h5: {name} does not match the tables"


def _finite(cache: Cache) -> Iterator[str]:
    for name in ("phrase_text", "sentence", "token_rows", *(["taps"] if "taps" in cache.info else [])):
        array = getattr(cache, name)
        block = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), block):
            if not np.isfinite(array[start : start + block]).all():
                file = schema.TAPS_FILE if name == "taps" else schema.FEATURES_FILE
                yield f"{file}: {name} has values that are not finite near row {start}"
                break
