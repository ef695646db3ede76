"""Caches that cannot be opened: absent, unfinished, at a URL, of another format, or with damaged or missing files."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.caches import World, make_cache, reseal

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.reader import Cache

TABLES = ("samples", "captions", "phrases", "rejects")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    return Cache(make_cache(tmp_path_factory.mktemp("cache") / "cache", World(1)))


@pytest.fixture
def copy(cache, tmp_path) -> Path:
    return Path(shutil.copytree(cache.path, tmp_path / "cache"))


def test_an_absent_cache_is_refused_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(ValueError, match=r"no cache in .*hspcgan prepare"):
        Cache(tmp_path / "cache")


@pytest.mark.parametrize("url", ["s3://bucket/cache", Path("s3://bucket/cache")])
def test_a_url_is_refused_with_the_command_that_copies(url):
    with pytest.raises(ValueError, match=r"is a URL, which cannot be mapped into memory; .*`hspcgan copy"):
        Cache(url)


def test_an_unfinished_cache_is_refused_with_the_command_that_resumes(tmp_path):
    (tmp_path / "cache.partial").mkdir()
    with pytest.raises(ValueError, match="not finished; run `hspcgan prepare MANIFEST` again to resume"):
        Cache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON.*move its folder away"),
        ('{"format": 1', "is not JSON"),
        ("[]", "is not JSON .expected an object, got a list"),
        ("{}", "has format null"),
        ('{"format": "1"}', 'has format "1", but this version reads 1'),
        ('{"format": 2}', "has format 2, but this version reads 1"),
    ],
)
def test_another_format_or_a_damaged_cache_json_is_refused(copy, text, message):
    (copy / "cache.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{message}.*--rebuild"):
        Cache(copy)


def test_a_cache_json_that_is_no_text_is_refused(copy):
    (copy / "cache.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not JSON"):
        Cache(copy)


FIELDS = ("fingerprint", "sha256", "normalised", "image_size", "tools", "parser", "counts", "templates", "clip",
          "stages", "files")  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, 3.5, ["x"]])
def test_a_field_of_another_type_is_named(copy, name, value):
    for change in (lambda info: info.update({name: value}), lambda info: info.pop(name)):
        info = json.loads((copy / "cache.json").read_text())
        change(info)
        (copy / "cache.json").write_text(json.dumps(info))
        with pytest.raises(ValueError, match=rf"cache\.json is damaged: {name} is .*--rebuild"):
            Cache(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info["clip"].update(context_length=None), "clip.context_length is null, expected a whole number"),
        (lambda info: info["clip"].pop("sha256"), "clip.sha256 is missing"),
        (lambda info: info["counts"].update(samples=True), "counts.samples is true, expected a whole number"),
        (lambda info: info["templates"].pop("relation"), "templates.relation is missing"),
        (lambda info: info["stages"].update(parse=[]), r"stages.parse is \[\], expected an object"),
        (lambda info: info["files"].pop("images.h5"), "files.images.h5 is missing"),
        (lambda info: info["files"]["images.h5"].update(size="7"), 'files.images.h5.size is "7", expected a whole'),
        (lambda info: info["clip"].update(name="another"), "its fields do not match its sha256"),
    ],
)
def test_a_field_inside_another_that_is_damaged_is_named(copy, change, message):
    info = json.loads((copy / "cache.json").read_text())
    change(info)
    (copy / "cache.json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=rf"cache\.json is damaged: {message}.*--rebuild"):
        Cache(copy)


@pytest.mark.parametrize("name", ["features.h5", "images.h5", *(f"{table}.parquet" for table in TABLES)])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks {name} \(no such file\).*--rebuild"):
        Cache(copy)
    (copy / name).symlink_to("/dev/null")
    with pytest.raises(ValueError, match=rf"lacks {name} \(a device, expected a file\)"):
        Cache(copy)


@pytest.mark.parametrize("name", ["features.h5", "images.h5"])
@pytest.mark.parametrize("keep", [-1, -100, 0.5, 40, 0])
def test_truncated_hdf5_is_refused_on_opening(copy, name, keep):
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=rf"{name} is truncated.*--rebuild"):
        Cache(copy)


def test_hdf5_without_the_dataset_is_refused(copy):
    with h5py.File(copy / "images.h5", "w") as file:
        file["other"] = np.zeros(3)
    reseal(copy)
    with pytest.raises(ValueError, match=r"images\.h5 is truncated or damaged: image cannot be read"):
        Cache(copy)


@pytest.mark.parametrize("table", TABLES)
def test_damaged_parquet_is_refused(copy, table):
    path = copy / f"{table}.parquet"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole[:-12] + bytes(8) + whole[-4:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{table}\.parquet is (truncated or )?damaged(?s:.)*--rebuild"):
            getattr(Cache(copy), table)


def test_parquet_with_other_columns_is_refused(copy):
    shutil.copy(copy / "phrases.parquet", copy / "samples.parquet")
    reseal(copy)
    with pytest.raises(ValueError, match=r"samples\.parquet has columns .*'prompt'.*expected .*'sha256'"):
        _ = Cache(copy).samples


def test_cache_json_is_readable_by_anything(cache):
    assert json.loads((cache.path / "cache.json").read_text())["clip"]["name"] == "made-up"


def test_a_cache_of_the_older_layout_is_refused_with_the_command_that_rebuilds_it(copy):
    info = json.loads((copy / "cache.json").read_text())
    del info["files"]["index.h5"]
    (copy / "cache.json").write_text(json.dumps(info))
    (copy / "index.h5").unlink()
    with pytest.raises(ValueError, match=r"has an older layout without index\.h5; rebuild the cache with .*--rebuild"):
        Cache(copy)


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
def test_a_path_without_a_name_is_reported_like_other_folders(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no cache in"):
        Cache(path)


def test_the_features_of_a_cache_without_any_are_refused_with_the_command_that_adds_them(cache):
    with pytest.raises(UserError, match=r"no taps\.h5, .*set taps\.views.*`hspcgan prepare MANIFEST` to add them"):
        _ = cache.taps
