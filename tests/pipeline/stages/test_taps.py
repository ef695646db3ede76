"""CLIP features of image views in the cache: the same bytes however made, optional, refusals, damage."""

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from helpers.caches import reseal
from helpers.cli import hspcgan
from helpers.datasets import folder_dataset, manifest
from helpers.files import file_bytes
from helpers.logs import logged
from helpers.models.networks import random_clip_state
from helpers.models.views import SIZE, by_pillow

from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages import ingest, taps
from hspcgan.pipeline.stages.encode import EncodeConfig
from hspcgan.pipeline.stages.prepare import prepare
from hspcgan.pipeline.stages.taps import TapsConfig

pytestmark = pytest.mark.usefixtures("one_thread")
ASKED = ["whole", "bottom-left-flipped"]


def run(path: Path, *overrides: str, **options) -> str:
    with logged() as lines:
        lines += prepare(load_manifest(str(path), overrides), **options)
    return "\n".join(lines)


@pytest.fixture(scope="module", autouse=True)
def shards_of_two():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "SHARD_IMAGES", 2)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_clip_path) -> Path:
    """A manifest of six images whose cache, with two views, is prepared."""
    root = tmp_path_factory.mktemp("taps")
    path = manifest(root / "some.yaml", folder_dataset(root / "data"), tiny_clip_path, views=ASKED, image_size=SIZE)
    run(path)
    return path


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made.with_suffix(".cache"), tmp_path / "cache"))


def test_kept_features_are_clips_of_the_same_pixels(made, tiny_clip):
    cache = Cache(made.with_suffix(".cache"))
    assert cache.info["taps"] == {"clip_sha256": tiny_clip.sha256, "views": ASKED, "blocks": [1, 4, 8]}
    assert (cache.taps.shape, cache.taps.dtype) == ((6, 2, 3, 64, 7, 7), np.float16)
    for number, view in enumerate(ASKED):
        pixels = torch.from_numpy(np.stack([by_pillow(image, view) for image in np.asarray(cache.images)]))
        expected = torch.stack(tiny_clip.image_taps(pixels, (1, 4, 8))[0], dim=1).numpy()
        kept = np.asarray(cache.taps[:, number], dtype=np.float32)
        if view == "whole":
            np.testing.assert_allclose(kept, expected, rtol=2**-11 + 1e-5, atol=1e-5)  # float16's rounding
        error = np.linalg.norm(kept - expected) / np.linalg.norm(expected)
        assert error < 0.01
        assert np.linalg.norm(kept[::-1] - expected) / np.linalg.norm(expected) > 0.1


def test_a_cache_with_features_is_whole_current_and_told(made):
    cache = made.with_suffix(".cache")
    validate(cache)
    assert "Nothing to do" in run(made, "encode.processes=2")
    size = 6 * 2 * 3 * 64 * 7 * 7 * 2
    told = hspcgan("stats", str(cache)).output
    assert f"2 views (whole, bottom-left-flipped) after blocks [1, 4, 8]: 38 KB per image, {size / 1e6:.1f} MB" in told


def test_two_processes_and_an_interruption_leave_the_same_bytes(made, tmp_path, tiny_clip_path, monkeypatch):
    other = manifest(tmp_path / "some.yaml", made.parent / "data", tiny_clip_path, views=ASKED, image_size=SIZE)
    write, written = PartialCache.write, []

    def stop_at_the_second(self, stage, *shard):
        written.append(stage)
        if written.count("taps") == 2:
            raise KeyboardInterrupt
        write(self, stage, *shard)

    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, "write", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run(other)
    out = run(other, "encode.processes=2")
    assert "encode  already complete" in out
    assert "taps          4 rows" in out
    assert "1 from an earlier run" in out
    assert file_bytes(other.with_suffix(".cache")) == file_bytes(made.with_suffix(".cache"))


def test_other_views_cost_an_unfinished_run_its_features_alone(made, tmp_path, tiny_clip_path, monkeypatch, caplog):
    other = manifest(tmp_path / "some.yaml", made.parent / "data", tiny_clip_path, views=["whole"], image_size=SIZE)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run(other)
    out = run(other, f"taps.views={json.dumps(ASKED)}")
    assert "taps: inputs changed; discarding this" in caplog.text
    assert out.count("already complete") == 3
    assert file_bytes(other.with_suffix(".cache")) == file_bytes(made.with_suffix(".cache"))


def test_views_are_added_to_a_finished_cache_and_the_rest_stays(made, tmp_path, tiny_clip_path, monkeypatch):
    other = manifest(tmp_path / "some.yaml", made.parent / "data", tiny_clip_path, image_size=SIZE)
    asked, cache = f"taps.views={json.dumps(ASKED)}", other.with_suffix(".cache")
    run(other)
    kept = {name: (cache / name).stat().st_ino for name in ("images.h5", "captions.parquet", "features.h5")}
    before = file_bytes(cache)
    assert "Only taps would be added" in run(other, asked, dry_run=True)
    write = PartialCache.write

    def stop(self, stage, index, *shard):
        if index == 1:
            raise KeyboardInterrupt
        write(self, stage, index, *shard)

    with monkeypatch.context() as patch:
        patch.setattr(PartialCache, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            run(other, asked)
    assert file_bytes(cache) == before
    out = run(other, asked, upto="taps", only=True)
    assert "1 from an earlier run" in out
    assert out.count(" rows in ") == 1
    assert file_bytes(cache) == file_bytes(made.with_suffix(".cache"))
    assert {name: (cache / name).stat().st_ino for name in kept} == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.cache", "some.yaml"]


def test_views_are_not_added_where_a_rebuild_is_unfinished(made, tmp_path, tiny_clip_path):
    other = manifest(tmp_path / "some.yaml", made.parent / "data", tiny_clip_path, image_size=SIZE)
    run(other)
    run(other, upto="ingest", rebuild=True)
    with pytest.raises(ValueError, match="unfinished `hspcgan prepare --rebuild`"):
        run(other, f"taps.views={json.dumps(ASKED)}")


@pytest.mark.parametrize("views", ["[whole]", "[]"])
def test_a_finished_cache_of_other_views_is_refused(made, views):
    with pytest.raises(ValueError, match=r"taps\.views: cache has \['whole', .*(?s:.)*--rebuild"):
        run(made, f"taps.views={views}")


def test_without_views_the_cache_is_as_it_was_before_there_were_any(made, tmp_path, tiny_clip_path):
    plain = manifest(tmp_path / "plain.yaml", made.parent / "data", tiny_clip_path, image_size=SIZE)
    for stage in ("ingest", "parse", "encode"):
        run(plain, upto=stage, only=True)
    cache = Cache(plain.with_suffix(".cache"))
    assert not (cache.path / "taps.h5").exists()
    assert set(cache.info["stages"]) == {"ingest", "parse", "encode"}
    chained = ""
    for stage in ("ingest", "parse", "encode"):  # by hand
        inputs = json.dumps(cache.info["stages"][stage], sort_keys=True)
        chained = hashlib.sha256((chained + inputs).encode()).hexdigest()
    assert cache.info["fingerprint"] == chained
    with pytest.raises(ValueError, match=r"taps\.views is empty"):
        run(plain, upto="taps", only=True)


def test_single_commands_finish_with_taps(made, tmp_path, tiny_clip_path):
    path = manifest(tmp_path / "some.yaml", made.parent / "data", tiny_clip_path, views=["whole"], image_size=SIZE)
    for command in ("ingest", "parse", "encode", "taps"):
        assert not path.with_suffix(".cache").exists()
        result = hspcgan(command, str(path))
        assert result.exit_code == 0, result.output
    assert Cache(path.with_suffix(".cache")).taps.shape[:2] == (6, 1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("taps.views=[middle]", r"taps\.views: .*top-left, .*each at most once"),
        ("taps.views=[whole, whole]", r"taps\.views: .*each at most once"),
        (
            "taps.blocks=[8, 4]",
            r"^taps\.blocks is \[8, 4\], expected increasing numbers within 0\.\.11; .* the 12 of CLIP",
        ),
        (
            "taps.blocks=[1, 40]",
            r"^taps\.blocks is \[1, 40\], expected increasing numbers within 0\.\.11; .* model\.taps",
        ),
        ("taps.blocks=[]", r"^taps\.blocks is \[\], expected"),
        ("taps.view=[whole]", r"taps\.view: unknown key \(did you mean 'views'\?\)"),
    ],
)
def test_views_and_blocks_that_there_are_not_are_refused(made, override, message):
    with pytest.raises(ValueError, match=message):
        run(made, override)


@pytest.mark.parametrize(
    ("model", "warned"),
    [("{}", ""), ("{taps: [1, 4, 8]}", ""), (None, ""), ("{taps: [2, 4]}", r"[2, 4]"), ("{taps: [40]}", "[40]")],
)
def test_blocks_that_the_model_does_not_read_are_told_before_the_work(made, caplog, model, warned):
    run(made, *([] if model is None else [f"model={model}"]), dry_run=True)
    err = caplog.text
    assert err.count("WARNING") == bool(warned)
    assert not warned or f"taps.blocks is [1, 4, 8], but model.taps is {warned}" in err


def test_the_models_default_blocks_are_compared_too(made, caplog):
    with pytest.raises(ValueError, match=r"--rebuild"):  # of the cache, made after other blocks
        run(made, "taps.blocks=[2]", "model={}")
    assert "taps.blocks is [2], but model.taps is [1, 4, 8]" in caplog.text


def test_features_that_are_not_finite_name_the_image_and_the_view(tmp_path):
    state = random_clip_state()
    for block in (4, 5):
        state[f"visual.transformer.resblocks.{block}.mlp.c_proj.bias"][3] = 60_000  # together beyond float16
    torch.save(state, tmp_path / "damaged.pt")
    stage = taps.stage(TapsConfig(views=("whole",)), EncodeConfig(clip=str(tmp_path / "damaged.pt"), device="cpu"))
    assert stage.inputs["blocks"] == [1, 4, 8]
    images = np.zeros((2, 3, SIZE, SIZE), np.uint8)
    with pytest.raises(ValueError, match="NaN, infinite or beyond float16 for the view whole of 'first'"):
        taps.tap_shard(tmp_path / "damaged.pt", False, "cpu", ["whole"], [1, 4, 8], (["first", "second"], images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(np.arange(len(a)) == 5, np.nan, a.T).T.astype(np.float16), "taps.h5: taps has values"),
        (lambda a: a[1:], "taps is float16 (5, 2, 3, 64, 7, 7), expected float16 (6, 2, 3,"),
        (lambda a: a[:, :1], "taps is float16 (6, 1, 3, 64, 7, 7), expected"),
        (lambda a: a.astype(np.float32), "taps is float32"),
    ],
)
def test_damaged_features_are_named(copy, change, message):
    with h5py.File(copy / "taps.h5", "r+") as file:
        changed = change(file["taps"][:])
        del file["taps"]
        file["taps"] = changed
    reseal(copy)
    with pytest.raises(ValueError, match="violates the cache format") as error:
        validate(copy)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["taps"].update(clip_sha256="d" * 64), "the taps were computed by another CLIP"),
        (lambda info: info["taps"].pop("views"), "cache.json is damaged: taps.views is missing"),
        (lambda info: info.pop("taps"), "`fingerprint` does not match the inputs"),
    ],
)
def test_a_cache_json_that_misstates_the_features_is_named(copy, change, message):
    reseal(copy, change)
    with pytest.raises(ValueError, match=message):
        validate(copy)


def test_a_missing_or_truncated_file_of_features_is_refused_on_opening(copy):
    path = copy / "taps.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"taps\.h5 is truncated.*--rebuild"):
        Cache(copy)
    path.unlink()
    with pytest.raises(ValueError, match=r"lacks taps\.h5.*--rebuild"):
        Cache(copy)
