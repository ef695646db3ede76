"""Damaged HDF5 files and Parquet tables of a cache: one message with the path and the fix, never a bug."""

import json
import os
import re
import shutil
from pathlib import Path

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, put, resealed
from helpers.runs import make_cache

pytestmark = pytest.mark.usefixtures("one_thread")


def hdf5(change):
    def damage(cache: Path) -> None:
        with h5py.File(cache / "features.h5", "r+") as file:
            change(file)

    return damage


def group_for_data(file: h5py.File) -> None:
    del file["phrase/text"]
    file.create_group("phrase/text")


def named_type(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.h5t.NATIVE_FLOAT.dtype


def link_loop(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.SoftLink("/phrase/text")


LARGE_GRAPH = json.dumps({"entities": [{"head": "a", "attributes": []}] * 3000, "relations": []})


def external(file: h5py.File) -> None:
    del file["phrase/text"]
    file["phrase/text"] = h5py.ExternalLink("/etc/passwd", "/x")


def external_copy(file: h5py.File) -> None:
    """The same numbers in another file, at another place than they would have in this one."""
    other = Path(file.filename).parent.parent / "other.h5"
    with h5py.File(other, "w") as copy:
        copy["x"] = file["phrase/text"][:]
    del file["phrase/text"]
    file["phrase/text"] = h5py.ExternalLink(other, "x")


def external_pipe(file: h5py.File) -> None:
    pipe = Path(file.filename).parent.parent / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    del file["phrase/text"]
    file["phrase/text"] = h5py.ExternalLink(pipe, "x")


def replaced(make):
    def change(file: h5py.File) -> None:
        del file["phrase/text"]
        make(file)

    return change


def images_of(shape: tuple[int, ...]):
    """Images of another shape."""

    def damage(cache: Path) -> None:
        with h5py.File(cache / "images.h5", "r+") as file:
            del file["image"]
            file.create_dataset("image", data=torch.zeros(shape, dtype=torch.uint8).numpy())

    return damage


def table(name: str, change):
    def damage(cache: Path) -> None:
        path = cache / f"{name}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return damage


def first(name: str, **values: object):
    """The first caption's first concept of a column with other values."""

    def change(found: pa.Table) -> pa.Table:
        rows = found.to_pylist()
        rows[0][name][0].update(values)
        return pa.Table.from_pylist(rows, schema=found.schema)

    return change


def column(name: str, values):
    """A column with other values, made from its number of rows; the others stay."""

    def change(found: pa.Table) -> pa.Table:
        at = found.schema.get_field_index(name)
        return found.set_column(at, found.schema.field(at), values(len(found)))

    return change


DAMAGES = {
    "group": hdf5(group_for_data), "named-type": hdf5(named_type), "link-loop": hdf5(link_loop), "external": hdf5(external), "external-copy": hdf5(external_copy), "external-pipe": hdf5(external_pipe), "absent": hdf5(lambda f: f.__delitem__("phrase/text")),
    "text-data": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=["a", "b"], dtype=h5py.string_dtype()))), "scalar": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=1.0))),
    "chunked": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=torch.zeros(3, 32).numpy(), chunks=True, compression="gzip"))), "too-many-rows": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(2**62, 32), dtype="f2", chunks=(1, 32)))), "no-rows": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(0, 32), dtype="f2"))),
    "ints": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(5, 32), dtype="i4"))), "null-space": hdf5(replaced(lambda f: f.create_dataset("phrase/text", data=h5py.Empty("f2")))), "images-last": images_of((16, 56, 56, 3)), "images-grey": images_of((16, 1, 56, 56)), "three-d": hdf5(replaced(lambda f: f.create_dataset("phrase/text", shape=(5, 3, 2), dtype="f2"))),
    "not-hdf5": lambda c: put(c / "features.h5", b"hello" * 100), "empty-hdf5": lambda c: put(c / "features.h5", b""), "cut-hdf5": lambda c: os.truncate(c / "features.h5", 3000), "zero-images": lambda c: put(c / "images.h5", bytes(5000)),
    "fifo-hdf5": lambda c: put(c / "features.h5", "fifo"), "folder-hdf5": lambda c: put(c / "images.h5", "folder"), "absent-images": lambda c: (c / "images.h5").unlink(),
    "not-parquet": lambda c: put(c / "captions.parquet", b"PAR1"), "empty-parquet": lambda c: put(c / "samples.parquet", b""), "cut-parquet": lambda c: os.truncate(c / "captions.parquet", 500), "fifo-parquet": lambda c: put(c / "phrases.parquet", "fifo"),
    "no-columns": table("captions", lambda t: t.select(["caption_id"])), "renamed": table("samples", lambda t: t.rename_columns([f"x{n}" for n in t.column_names])), "no-captions": table("captions", lambda t: t.slice(0, 0)), "fewer": table("phrases", lambda t: t.slice(1)),
    "phrase-beyond": table("captions", first("entities", phrase=10**6)), "phrase-negative": table("captions", first("entities", phrase=-5)), "word-beyond": table("captions", first("entities", word=10**6)), "span-beyond": table("captions", first("entities", start=5, end=10**6)),
    "attribute-beyond": table("captions", first("attributes", entity=99)), "subject-beyond": table("captions", first("relations", subject=-2)), "not-utf-8": table("captions", column("text", lambda rows: pa.array([b"\xff\xfe"] * rows).view(pa.string()))), "graph-of-thousands": table("captions", column("graph", lambda rows: pa.array([LARGE_GRAPH] * rows))),
    "nulls": table("captions", column("text", lambda rows: pa.nulls(rows, pa.string()))), "null-key": table("samples", column("key", lambda rows: pa.nulls(rows, pa.string()))), "deep-graph": table("captions", column("graph", lambda rows: pa.array(["[" * 20_000] * rows))),
    "unsorted": table("captions", lambda t: t.take(list(reversed(range(t.num_rows))))), "twice": table("samples", lambda t: pa.concat_tables([t.slice(0, 1), t.slice(0, t.num_rows - 1)])),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("seal", [True, False])
def test_a_damaged_cache(world, tmp_path, name, seal):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    DAMAGES[name](cache)
    if seal and all((cache / file).is_file() for file in ("features.h5", "images.h5", "phrases.parquet")):
        resealed(cache)
    with bounded():
        assert_told(hspcgan("validate", cache), codes={1})
        commands = [("stats", cache), ("inspect", cache), ("inspect", cache, "--number", 0), ("export", cache, tmp_path / "out"),
                    ("train", world / "manifest.yaml", "-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}", "-o", "train.steps=1")]  # fmt: skip
        for command in commands if seal else commands[:2]:
            result = hspcgan(*command)
            assert result.exit_code in (0, 1, 2, 3), (command, result.output[-2500:])
            assert "Traceback" not in result.output


def test_columns_of_another_type_are_named(world, tmp_path):
    cache = Path(shutil.copytree(world / "cache", tmp_path / "cache"))
    table("samples", lambda t: t.set_column(0, "key", t["key"].dictionary_encode()))(cache)
    resealed(cache)
    told = "has columns ['key: dictionary<values=string, indices=int32, ordered=0>'], expected ['key: string']"
    assert_told(hspcgan("inspect", cache), f"samples.parquet {told}", codes={3})


def index(name: str, change):
    """A dataset of index.h5 with other numbers."""

    def damage(cache: Path) -> None:
        with h5py.File(cache / "index.h5", "r+") as file:
            values = file[name][:]
            change(values)
            file[name][:] = values

    return damage


INDEXES = {
    "phrase": index("entity/phrase", lambda v: v.__setitem__(0, 10**6)), "negative": index("relation/phrase", lambda v: v.__setitem__(0, -7)), "owner": index("attribute/entity", lambda v: v.__setitem__(0, 40)),
    "subject": index("relation/subject", lambda v: v.__setitem__(0, -2)), "offsets": index("entity/offsets", lambda v: v.__setitem__(-1, 10**9)), "falling": index("sample/captions", lambda v: v.__setitem__(1, 10**6)), "uncaptioned": index("sample/captions", lambda v: v.__setitem__(1, 0)),
    "sample": index("caption/sample", lambda v: v.__setitem__(0, 10**6)), "text": index("caption/text", lambda v: v.__setitem__(0, -1)), "split": index("sample/split", lambda v: v.__setitem__(slice(None), 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_out_of_range_is_found_before_it_is_read(world, tmp_path, name):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    INDEXES[name](cache)
    resealed(cache)
    train = (
        "train",
        world / "manifest.yaml",
        "-o",
        f"cache={cache}",
        "-o",
        f"run={tmp_path / 'r'}",
        "-o",
        "train.steps=1",
    )
    with bounded():
        assert_told(hspcgan("validate", cache), "index.h5", codes={1})
        readers = hspcgan(*train), hspcgan("inspect", cache)
    assert {result.exit_code for result in readers} <= {0, 3}
    damaged = [result for result in readers if result.exit_code]
    assert damaged
    for result in damaged:
        assert_told(result, "index.h5 is damaged", "hspcgan prepare MANIFEST --rebuild")
        assert "has numbers from" not in result.output or re.search(
            r", expected (-?\d+ … \d|at least -?\d)", result.output
        )


COLUMNS = {
    "narrow phrases": ("features.h5", "phrase/text", lambda v: v[:, :-1]), "narrow tokens": ("features.h5", "caption/tokens", lambda v: v[:, :-1]), "mean of one row": ("index.h5", "phrase/mean", lambda v: v[:1]), "mean without axes": ("index.h5", "phrase/mean", lambda v: v[0, 0]),
    "mean not finite": ("index.h5", "phrase/mean", lambda v: v * float("nan")), "phrases as floats": ("index.h5", "entity/phrase", lambda v: v.astype("f4")), "edges as floats": ("index.h5", "relation/subject", lambda v: v.astype("f8")), "offsets as floats": ("index.h5", "entity/offsets", lambda v: v.astype("f8")),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_arrays_of_another_shape_or_type_are_found_before_training(world, tmp_path, name):
    cache = shutil.copytree(world / "cache", tmp_path / "cache")
    path, dataset, change = COLUMNS[name]
    with h5py.File(cache / path, "r+") as file:
        values = file[dataset][:]
        del file[dataset]
        file[dataset] = change(values)
    resealed(cache)
    keys = ("-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}", "-o", "train.steps=1")
    with bounded():
        assert_told(hspcgan("validate", cache), codes={1})
        result = hspcgan("train", world / "manifest.yaml", *keys)
        assert_told(result, f"{path} is damaged: {dataset}", "hspcgan prepare MANIFEST --rebuild", codes={3})


TAPS = {
    "view": lambda v: v[:, :1], "block": lambda v: v[:, :, :2], "narrow": lambda v: v[:, :, :, :32], "small": lambda v: v[..., :5, :5], "oblong": lambda v: v[..., :5], "none": lambda v: v[:, :, :, :0],
}  # fmt: skip


@pytest.mark.parametrize("name", TAPS)
def test_taps_that_do_not_fit_the_clip_are_found_before_training(world, tmp_path, tiny_clip_path, name):
    cache = make_cache(tmp_path / "cache", tiny_clip_path, views=("whole", "whole-flipped"))
    with h5py.File(cache / "taps.h5", "r+") as file:
        values = file["taps"][:]
        del file["taps"]
        file["taps"] = TAPS[name](values)
    resealed(cache)
    keys = ("-o", f"cache={cache}", "-o", f"run={tmp_path / 'r'}", "-o", "train.cache_taps=disk")
    with bounded():
        result = hspcgan("train", world / "manifest.yaml", *keys)
    told = "taps.h5 is damaged: taps is [16, ", "expected [16, 2, 3, 64, 7, 7]; rebuild the cache"
    assert_told(result, *told, codes={3})
