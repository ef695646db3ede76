"""Results of evaluations and studies that are damaged or of the wrong shape: one message with the path, never a bug."""

import json
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import JSONS, assert_told, bounded, put
from helpers.datasets import picture
from helpers.run_folders import record, write_run
from helpers.runs import write_manifest
from safetensors.numpy import save
from safetensors.torch import save as save_torch

from hspcgan.evaluate.results.read_record import read_record
from hspcgan.evaluate.run import Result
from hspcgan.evaluate.scored.images import FeatureStore
from hspcgan.evaluate.scored.reference import read_reference
from hspcgan.evaluate.scored.subjects import Subject, select_subjects
from hspcgan.evaluate.verdict.output_formats import as_junit
from hspcgan.model.common.errors import UsageError, UserError
from hspcgan.model.common.user_files import lines_of
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.train.study.results import read_page_results, read_result

GRAPH = {"entities": [{"head": None}], "relations": []}
CHANGES: dict[str, tuple[list, object]] = {
    "no part": (["figures", 0, "part"], ...), "unknown metric": (["figures", 0, "metric"], "fie"), "value null": (["figures", 0, "value"], None), "value text": (["figures", 0, "value"], "x"), "value infinite": (["figures", 0, "value"], float("inf")),
    "no identity": (["figures", 0, "identity"], {}), "n text": (["n"], "five"), "n negative": (["n"], -3), "n huge": (["n"], 10**40), "n true": (["n"], True), "value true": (["figures", 0, "value"], True), "falling interval": (["figures", 0, "low"], 1e6), "figures object": (["figures"], {}), "figures null": (["figures"], [None]), "no scorers": (["scorers"], {}), "no path": (["subject", "path"], ...), "step text": (["subject", "step"], "two"),
    "empty verdict": (["expect"], [{}]), "no range": (["expect", 0, "high"], None), "falling range": (["expect", 0, "low"], 50), "lock list": (["lock"], [1]), "metrics null": (["lock", "metrics"], None), "reasons": (["reject_reasons"], [{"what": 1}]), "machine": (["machine"], "x"), "date": (["date"], 5), "timings": (["timings"], {"draw_sec": "x"}),
    "no pixels": (["grid", "image"], [0, 0]), "three sizes": (["grid", "image"], [1, 2, 3]), "no captions": (["grid", "captions"], []), "no id": (["grid", "captions", 0, "id"], ...), "graph list": (["grid", "captions", 0, "graph"], []), "graph head": (["grid", "captions", 0, "graph"], GRAPH), "entities": (["grid", "captions", 0, "entities"], [{}]),
    "extremes": (["extremes"], [{"id": 1}]), "edits": (["edits"], [{"before": "a"}]), "real": (["real"], [1]), "templates": (["cache", "templates"], [1]), "format": (["format"], True), "surrogate": (["label"], "\ud800"),
}  # fmt: skip


def changed(path: list, value: object) -> dict:
    """The record of a checkpoint with another value, or without it for `...`."""
    found = record("trained", 28.0)
    *above, last = path
    inner = found
    for key in above:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_record_with_a_field_of_another_kind_is_one_error(tmp_path, name):
    path = tmp_path / "trained.json"
    path.write_text(json.dumps(changed(*CHANGES[name])))
    with pytest.raises(UserError, match=r"(?s)trained\.json.*evaluate again"):
        read_record(path)


def test_commands_that_read_a_record_name_it(tmp_path):
    run = write_run(tmp_path / "run")
    path = run / "evaluation" / "trained.json"
    path.write_text(json.dumps(changed(["figures", 0, "part"], ...)))
    for command in (("report", run), ("table", path)):
        assert_told(hspcgan(*command), "trained.json", "figures.0.part: is missing")


@pytest.mark.parametrize("name", [*JSONS, "fifo", "device", "folder"])
def test_a_file_that_is_no_record_is_one_error(tmp_path, name):
    path = tmp_path / "trained.json"
    put(path, JSONS.get(name, name))
    table(path.with_suffix(".parquet"))
    for read in (read_record, read_result, read_page_results):
        with bounded(), pytest.raises((UserError, OSError), match=r"trained\.json"):
            read(path)
    with bounded():
        assert_told(hspcgan("compare", path, path), "trained.json")


def table(path: Path, **columns: object) -> None:
    """The table of a result of three captions, with other columns; one that is None is left out."""
    found = {
        "caption_id": ["a", "b", "c"],
        "text": ["x", "y", "z"],
        "scorer": ["s"] * 3,
        "clip_score": [0.1, 0.2, None],
    }
    pq.write_table(pa.table({name: value for name, value in (found | columns).items() if value is not None}), path)


COLUMNS: dict[str, dict[str, object]] = {
    "no scorer": {"scorer": None}, "no text": {"text": None}, "numbers": {"caption_id": [1, 2, 3]}, "nulls": {"text": ["x", None, "z"]}, "score text": {"clip_score": ["a", "b", "c"]}, "score infinite": {"clip_score": [1.0, float("inf"), 0.0]},
    "score huge": {"clip_score": [1e308, -1e308, 0.0]}, "score nan": {"clip_score": [1.0, float("nan"), 0.0]}, "score lists": {"clip_score": [[1.0], [], []]},
}  # fmt: skip


@pytest.mark.parametrize("name", [*COLUMNS, "twice", "text", "empty", "cut", "fifo"])
def test_a_table_of_a_result_of_the_wrong_shape_is_one_error(tmp_path, name):
    good, path = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    table(good)
    table(path, **COLUMNS.get(name, {}))
    if name == "twice":
        found = pq.read_table(path)
        pq.write_table(found.append_column("clip_score", found["clip_score"]), path)
    elif name not in COLUMNS:
        put(path, {"text": b"hello", "empty": b"", "cut": good.read_bytes()[:-20]}.get(name, name))
    for one in (good, path):
        one.with_suffix(".json").write_text('{"scorers": {"s": "ab"}}')
    with bounded():
        assert_told(hspcgan("compare", good, path), "bad.parquet")
        assert hspcgan("compare", good, good).exit_code == 0


@pytest.mark.parametrize(("columns", "told"), [
    ({"caption_id": ["a", "b", "a"]}, "bad.parquet has 1 repeated row, such as that of caption 'a' and scorer 's'; evaluate again"),
    ({"caption_id": ["a", "x", "y"]}, "share fewer than 2 captions with values of the same metric"),
    ({"caption_id": ["w", "x", "y"]}, "share no caption with the same scorer"),
])  # fmt: skip
def test_results_with_repeated_rows_or_too_few_common_captions(tmp_path, columns, told):
    for name, changed_columns in ("good", {}), ("bad", columns):
        table(tmp_path / f"{name}.parquet", **changed_columns)
        (tmp_path / f"{name}.json").write_text('{"scorers": {"s": "ab"}}')
    assert_told(hspcgan("compare", tmp_path / "good.parquet", tmp_path / "bad.parquet"), told, codes={3})


@pytest.mark.parametrize("number", ["0", "99", "true"])
def test_a_result_of_another_version_is_one_error(tmp_path, number):
    path = tmp_path / "a.json"
    path.write_text(f'{{"format": {number}, "scorers": {{"s": "ab"}}}}')
    table(path.with_suffix(".parquet"))
    assert_told(hspcgan("compare", path, path), "a.json has format", "this version reads 2; evaluate again")


@pytest.mark.parametrize("given", ["", ".", "/", "..", "absent.json", "x" * 300])
def test_a_name_that_is_no_result_is_one_error(given):
    for command in (("compare", given, given), ("table", given), ("report", given)):
        assert_told(hspcgan(*command))


ROWS = np.zeros((4, 8), np.float32)
ABOUT = '{"scorers": {"s": {"sha256": "ab", "mode": "x"}}, "source": {}}'
REFERENCES = {
    "empty": b"", "text": b"hello world", "no format": save({"features/s": ROWS}), "no about": save({"features/s": ROWS}, metadata={"format": "1"}), "about text": save({"features/s": ROWS}, metadata={"format": "1", "about": "x"}),
    "about list": save({"features/s": ROWS}, metadata={"format": "1", "about": "[]"}), "flat": save({"features/s": ROWS[0]}, metadata={"format": "1", "about": ABOUT}), "ints": save({"features/s": ROWS.astype(int)}, metadata={"format": "1", "about": ABOUT}),
    "nan": save({"features/s": ROWS / np.float32("nan")}, metadata={"format": "1", "about": ABOUT}), "unequal": save({"features/s": ROWS, "features/t": ROWS[:2]}, metadata={"format": "1", "about": ABOUT}), "bfloat16": save_torch({"features/s": torch.zeros(4, 8, dtype=torch.bfloat16)}, metadata={"format": "1", "about": ABOUT}), "no rows": save({"features/s": ROWS[:0]}, metadata={"format": "1", "about": ABOUT}), "nothing": save({}, metadata={"format": "1", "about": ABOUT}),
}  # fmt: skip


@pytest.mark.parametrize("name", [*REFERENCES, "fifo", "folder"])
def test_a_reference_of_the_wrong_shape_is_one_error(tmp_path, name):
    path = tmp_path / "reference.safetensors"
    put(path, REFERENCES.get(name, name))
    with bounded(), pytest.raises(UserError, match=r"reference\.safetensors"):
        read_reference(path)


def test_a_line_without_end_is_one_error(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b"one\ntwo\n" + b"x" * 50)
    with path.open("rb") as file:
        lines = lines_of(file, path, limit=20)
        assert [next(lines), next(lines)] == [b"one\n", b"two\n"]
        with pytest.raises(UserError, match=r"captions\.jsonl has a line of more than 20 bytes"):
            next(lines)
    path.write_bytes(b"x" * 50 + b"\ntwo\n" + b"x" * 101)
    with path.open("rb") as file:
        lines = lines_of(file, path, limit=20, longest=100)
        assert [next(lines), next(lines)] == [b"x" * 21, b"two\n"]
        with pytest.raises(UserError, match=r"captions\.jsonl has a line of more than 100 bytes"):
            next(lines)
    with bounded():
        for command in (("parse", "--jsonl", "/dev/zero", tmp_path / "out"), ("graphs", "/dev/zero", "/dev/zero")):
            assert_told(hspcgan(*command))


@pytest.mark.parametrize("array", [np.array(["a"] * 3), np.zeros(3, [("a", "i4")]), np.zeros((2, 5), np.float32)])
def test_stored_features_of_the_wrong_kind_are_computed_again(tmp_path, array):
    class Source:
        key, label, sha256, mode = "k", "s", "ab", "x"

        def __len__(self):
            return 3

        def batch(self, index):
            return np.zeros((3, 4, 4, 3), np.uint8)

        def image_features(self, images):
            return np.ones((len(images), 5), np.float32)

    store = FeatureStore(tmp_path)
    store.of(Source(), Source())
    (path,) = tmp_path.rglob("*.npy")
    np.save(path, array)
    assert store.of(Source(), Source()).shape == (3, 5)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
PICTURES: dict[str, bytes | str] = {
    "empty": b"", "text": b"no image", "zeros": bytes(5000), "cut": png(HEADER, chunk(b"IDAT", zlib.compress(bytes(200))))[:-30], "no pixels": png(HEADER), "pixels": png(HEADER, chunk(b"IDAT", b"no zlib")),
    "header": png(chunk(b"IHDR", b"ab")), "text chunk": png(HEADER, chunk(b"zTXt", b"a\0\0no zlib"), chunk(b"IDAT", b"x")), "profile": png(HEADER, chunk(b"iCCP", b"a\0\0no zlib")), "bomb": png(chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))),
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(50), "gif": b"GIF89a" + bytes(20), "tiff": b"II*\0" + b"\xff" * 50, "webp": b"RIFF\0\0\0\0WEBP", "bmp": b"BM" + bytes(60), "small": picture(size=(3, 3)), "fifo": "fifo", "device": "device", "folder": "folder",
}  # fmt: skip
PLACES = (
    "evaluation/trained.png",
    "evaluation/trained.extremes.png",
    "evaluation/trained.edits.png",
    "evaluation/real.png",
    "grids/step-000010.png",
)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_picture_of_a_run_is_named(tmp_path, place, name):
    run = write_run(tmp_path / "run")
    put(run / place, PICTURES[name])
    fix = "remove this file" if place.startswith("grids") else "; evaluate again"
    with bounded():
        told = hspcgan("report", run)
    assert_told(told, str(run / place), fix, codes={3})
    assert told.output.count(place) == (2 if isinstance(PICTURES[name], str) else 1)
    assert not any(word in told.output for word in ("_io.", "object at", "Errno"))


def test_a_picture_that_is_missing_is_named(tmp_path):
    run = write_run(tmp_path / "run")
    (run / PLACES[0]).unlink()
    told = hspcgan("report", run)
    assert_told(told, f"{run / PLACES[0]} cannot be read as an image (No such file or directory); evaluate again")


def test_labels_do_not_break_a_table(tmp_path):
    path = tmp_path / "trained.json"
    path.write_text(json.dumps(changed(["label"], "50% a|b & c_d {e}")))
    markdown, latex = (hspcgan("table", path, "--format", form).output.splitlines() for form in ("markdown", "latex"))
    assert len({row.replace(r"\|", "").count("|") for row in markdown}) == 1
    rows = [row for row in latex if row.endswith(r"\\")]
    assert len({row.replace(r"\&", "").count("&") for row in rows}) == 1
    assert r"50\% a|b \& c\_d \{e\}" in rows[1]
    assert r"fid\_low" in rows[0]


def test_errors_with_control_characters_are_valid_xml():
    failed = Result(Subject("a", "checkpoint"), [], [], Path(), error="\x1b[31m\ud800 is damaged")
    suite = ElementTree.fromstring(as_junit("m\x07", [failed]).encode())
    assert suite.find(".//error").text == r"\x1b[31m\ud800 is damaged"


@pytest.mark.parametrize(
    "label", ["", ".a", "a/b", "a\nb", "a\tb", "\x1b[31m", "\udcff", "\u202ea", "x" * 201, "é" * 101]
)
def test_a_label_that_is_no_file_name_is_an_error(tmp_path, tiny_clip_path, label):
    manifest = load_manifest(str(write_manifest(tmp_path, tmp_path / "cache", tiny_clip_path)))
    with pytest.raises(UsageError, match=r"^label .* cannot be a file name"):
        select_subjects(manifest, real=True, label=label)
