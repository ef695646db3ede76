"""data.store: lossless stores give raw's pixels, JPEG those of Pillow's own way there and back; damage is found."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.caches import reseal
from helpers.cli import hspcgan
from helpers.datasets import folder_dataset, manifest
from helpers.files import file_bytes
from PIL import Image

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages.prepare import prepare

STORES = {
    "raw": {},
    "png": {"store": "png"},
    "webp": {"store": "webp"},
    "jpeg": {"store": "jpeg"},
    "webp-40": {"store": "webp", "quality": 40},
    "jpeg-40": {"store": "jpeg", "quality": 40},
}


@pytest.fixture(scope="module")
def caches(tmp_path_factory, tiny_clip_path) -> dict[str, Cache]:
    """Caches of one dataset, a view's CLIP features among them, by store."""
    folder = tmp_path_factory.mktemp("stores")
    data, found = folder_dataset(folder / "data", 4), {}
    for name, keys in STORES.items():
        path = manifest(folder / f"{name}.yaml", data, tiny_clip_path, views=["whole"], **keys)
        prepare(load_manifest(str(path)))
        found[name] = Cache(path.with_suffix(".cache"))
    return found


@pytest.mark.parametrize("store", STORES)
def test_every_store_is_valid_and_differs_from_raw_in_its_images_alone(caches, store):
    validate(caches[store].path)
    own, raw = file_bytes(caches[store].path), file_bytes(caches["raw"].path)
    differing = {name for name in raw if own[name] != raw[name]}
    lossless = {"images.h5", "cache.json"}
    assert differing == {"raw": set(), "png": lossless, "webp": lossless}.get(store, lossless | {"taps.h5"})


@pytest.mark.parametrize("store", ["png", "webp"])
def test_lossless_stores_give_the_pixels_of_raw(caches, store):
    raw, images = caches["raw"].images, caches[store].images
    assert (images.shape, images.dtype, len(images)) == (raw.shape, raw.dtype, len(raw))
    for rows in (slice(None), slice(1, 3), slice(0, 0), np.array([3, 0, 3]), [2], 1, -1, np.int64(2)):
        assert np.array_equal(images[rows], raw[rows])
    with pytest.raises(IndexError):
        images[4]


@pytest.mark.parametrize(("store", "quality"), [("jpeg", 95), ("jpeg-40", 40)])
def test_jpeg_gives_the_pixels_of_pillows_encoder_at_that_quality_with_full_colour(caches, store, quality):
    for pixels, found in zip(caches["raw"].images, caches[store].images[:], strict=True):
        buffer = io.BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
        assert np.array_equal(found, np.asarray(Image.open(buffer)).transpose(2, 0, 1))


def test_a_lower_quality_takes_fewer_bytes(caches):
    sizes = {name: cache.info["files"]["images.h5"]["size"] for name, cache in caches.items()}
    assert sizes["jpeg-40"] < sizes["jpeg"]
    assert sizes["webp-40"] < sizes["webp"]


def test_a_raw_cache_says_nothing_of_stores(caches):
    assert "store" not in caches["raw"].info
    assert "store" not in json.dumps(caches["raw"].info["stages"]["ingest"])


def test_stats_name_the_store(caches):
    shown = {"raw": "16 px, raw", "jpeg": "jpeg of quality 95", "webp": "webp, lossless", "png": "png, lossless"}
    for store, said in shown.items():
        assert said in hspcgan("stats", caches[store].path).output


def test_tools_read_encoded_images(caches, tmp_path):
    cache = caches["jpeg"].path
    assert hspcgan("inspect", cache, "--html", tmp_path / "page.html").exit_code == 0
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg") == 4
    assert hspcgan("copy", cache, tmp_path / "copy").exit_code == 0
    assert file_bytes(tmp_path / "copy") == file_bytes(cache)
    assert hspcgan("export", cache, tmp_path / "export").exit_code == 0


def test_another_store_is_refused_for_a_finished_cache(caches):
    path = caches["raw"].path.with_suffix(".yaml")
    with pytest.raises(ValueError, match=r"data\.store: cache has nothing, manifest wants .*jpeg(?s:.)*--rebuild"):
        prepare(load_manifest(str(path), ["data.store=jpeg"]))


@pytest.mark.parametrize("store", ["raw", "png"])
def test_a_quality_is_refused_where_nothing_reads_it(store):
    with pytest.raises(ValueError, match="quality applies only to store jpeg and webp"):
        DataConfig(source="toybirds", store=store, quality=90)


@pytest.fixture
def broken(caches, tmp_path) -> Path:
    """A copy of the PNG cache, to damage."""
    hspcgan("copy", caches["png"].path, tmp_path / "broken")
    return tmp_path / "broken"


def change(cache: Path, dataset: str, at: int, value: int) -> None:
    with h5py.File(cache / "images.h5", "r+") as file:
        file[dataset][at] = value


def test_a_damaged_image_is_found_by_validate_and_named_where_it_is_read(broken):
    middle = int(Cache(broken).images.offsets[1:3].mean())  # in the pixels of image 1
    change(broken, "bytes", middle, 255 - int(Cache(broken).images.data[middle]))
    with pytest.raises(ValueError, match=r"images\.h5 was damaged or changed"):
        validate(broken)
    reseal(broken)
    with pytest.raises(ValueError, match=r"images\.h5: image 1 is damaged"):
        validate(broken)
    with pytest.raises(ValueError, match=r"images\.h5 is damaged: image 1 cannot be decoded"):
        Cache(broken).images[[0, 1]]


def test_offsets_that_do_not_rise_and_images_of_another_format_are_found(broken):
    offsets = np.array(Cache(broken).images.offsets)
    change(broken, "offsets", 2, int(offsets[1]))
    reseal(broken)
    with pytest.raises(ValueError, match=r"images\.h5: offsets do not increase"):
        validate(broken)
    change(broken, "offsets", 2, int(offsets[2]))
    reseal(broken, lambda info: info["store"].update(format="webp"))
    with pytest.raises(ValueError, match=r"images\.h5: image 0 is PNG RGB \(16, 16\), expected webp RGB \(16, 16\)"):
        validate(broken)


def test_offsets_beyond_the_bytes_are_refused_at_once(broken):
    change(broken, "offsets", 4, 1)
    reseal(broken)
    with pytest.raises(ValueError, match=r"images\.h5 is damaged: its offsets do not match"):
        _ = Cache(broken).images


@pytest.mark.parametrize(("dataset", "shape"), [("offsets", [1, 5]), ("bytes", [1, -1])])
def test_encoded_images_with_another_number_of_axes_are_damaged(broken, dataset, shape):
    with h5py.File(broken / "images.h5", "r+") as file:
        values = file[dataset][:]
        del file[dataset]
        file[dataset] = values.reshape(shape)
    reseal(broken)
    with pytest.raises(UserError, match=rf"images\.h5 is damaged: {dataset} is .*, expected .* with 1 dimensions"):
        validate(broken)
