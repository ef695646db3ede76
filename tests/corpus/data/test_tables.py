"""Tables, tar shards and COCO's JSON with bad rows: one bad row costs one row; what is no table at all is one error."""

import io
import json
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, ingested
from helpers.datasets import coco_dataset, manifest, picture, tar_shard, write

GOOD = "0.png,a red bird\n1.png,a blue bird\n"
CSV_ROWS: dict[str, tuple[str, int]] = {
    "plain": ("2.png,a cat", 3), "quoted": ('2.png,"a cat, asleep"', 3), "doubled": ('2.png,"a ""red"" cat"', 3),
    "two-lines": ('2.png,"a cat\nasleep"', 3), "backslashed": ('2.png,"a \\"red\\" bird"\n2.png,"a \\"red\\" bird"', 2),
    "open-quote": ('2.png,"a cat', 2), "many-open": ('2.png,"a\n' * 20, 2), "too-few": ("2.png", 2), "too-many": ("2.png,a,b,c", 2),
    "empty-line": ("\n\n", 2), "commas": (",,,,,", 2), "nul": ("2.png,a \x00 cat", 3), "escape": ("2.png,a \x1b[31mcat", 3),
    "no-image": (",a cat", 2), "absent": ("nowhere.png,a cat", 2), "out": ("../../etc/passwd,a cat", 2), "absolute": ("/etc/passwd,a cat", 2),
    "url": ("https://example.org/a.png,a cat", 2), "no-caption": ("2.png,", 2), "spaces": ("2.png,   ", 2), "tilde": ("~/2.png,a cat", 2),
    "backslash": ("sub\\2.png,a cat", 2), "case": ("2.PNG,a cat", 2), "list": ('2.png,"[""a cat"", ""a dog""]"', 3), "python-list": ("2.png,\"['a cat', 'a dog']\"", 3),
    "long-name": (f"{'x' * 300}.png,a cat", 2), "dot": (".,a cat", 2), "folder": ("sub,a cat", 2), "device": ("../../../dev/zero,a cat", 2),
    "fifo": ("pipe.png,a cat", 2), "link": ("link.png,a cat", 2), "quote-inside": ('2.png,a "red" cat', 3),
}  # fmt: skip


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    for number in range(3):
        write(folder / f"{number}.png", picture(number))
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("/dev/zero")
    return folder


def ingest(tmp_path: Path, data: Path, clip: Path, source: str, **options: object):
    path = manifest(tmp_path / "m.yaml", data, clip, source=source, test_fraction=0, **options)
    with bounded():
        dry = hspcgan("ingest", path, "--dry-run")
        result = hspcgan("ingest", path)
    assert "Traceback" not in dry.output + result.output, (dry.output + result.output)[-1500:]
    assert dry.exit_code in (0, result.exit_code)
    return result, path.with_suffix(".cache")


@pytest.mark.parametrize("name", CSV_ROWS)
def test_a_bad_row_of_csv_costs_itself(tmp_path, data, tiny_clip_path, name):
    row, images = CSV_ROWS[name]
    write(data / "all.csv", f"image,caption\n{GOOD}{row}\n")
    result, cache = ingest(tmp_path, data / "all.csv", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert len(ingested(cache).samples) == images


CSV_FILES: dict[str, tuple[bytes, int | str]] = {
    "bom": (b"\xef\xbb\xbfimage,caption\n0.png,a bird\n", 1), "crlf": (b"image,caption\r\n0.png,a bird\r\n", 1),
    "utf-16": ("image,caption\n0.png,a bird\n".encode("utf-16"), "`iconv -f UTF-16 -t UTF-8"), "latin": (b"image,caption\n0.png,caf\xe9 bird\n1.png,a cat\n", 1),
    "utf-16-no-mark": ("image,caption\n0.png,a bird\n".encode("utf-16-be"), "is encoded in UTF-16BE"), "utf-32": ("image,caption\n0.png,a bird\n".encode("utf-32"), "is encoded in UTF-32, "),
    "semicolons": (b"image;caption\n0.png;a bird\n", "separated by ';'"), "tabs": (b'"image"\t"caption"\n0.png\ta bird\n', "separated by '\\t'"),
    "empty": (b"", "no column"), "header": (b"image,caption\n", "no"), "escape-header": (b"\x1b[31mimage,caption\n0.png,x\n", "no column"),
    "twice": (b"image,caption,image\n0.png,a,b\n", "several columns"), "zeros": (bytes(10_000), "no column"), "binary": (bytes(range(256)) * 100, "no column"),
    "open-header": (b'image,"caption\n0.png,a bird\n', "header"), "parquet": (b"PAR1" + bytes(100) + b"PAR1", "no column"),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV_FILES)
def test_a_file_that_is_no_table_is_one_error(tmp_path, data, tiny_clip_path, name):
    content, wanted = CSV_FILES[name]
    write(data / "all.csv", content)
    result, cache = ingest(tmp_path, data / "all.csv", tiny_clip_path, "table")
    if isinstance(wanted, int):
        assert (result.exit_code, len(ingested(cache).samples)) == (0, wanted), result.output
    else:
        assert_told(result, wanted)


JSONL_ROWS: dict[str, tuple[bytes, int]] = {
    "plain": (b'{"image": "2.png", "caption": "a cat"}', 3), "list": (b'{"image": "2.png", "caption": ["a", "b cat"]}', 3), "text": (b"hello", 2),
    "array": (b'["2.png", "a cat"]', 2), "number": (b"7", 2), "null": (b"null", 2), "cut": (b'{"image": "2.png", "ca', 2), "lacks": (b'{"image": "2.png"}', 2),
    "deep": (b"[" * 100_000, 2), "digits": (b'{"image": ' + b"9" * 5000 + b"}", 2), "image-number": (b'{"image": 3, "caption": "a cat"}', 2), "image-list": (b'{"image": ["2.png"], "caption": "a"}', 2),
    "caption-object": (b'{"image": "2.png", "caption": {"a": 1}}', 2), "nan": (b'{"image": "2.png", "caption": NaN}', 2), "surrogate": (b'{"image": "\\ud800.png", "caption": "a"}', 2),
    "nul": (b'{"image": "a\\u0000.png", "caption": "a"}', 2), "not-utf8": (b'{"image": "2.png", "caption": "caf\xe9"}', 2), "blank": (b"   ", 2), "twice": (b'{"image": "1.png", "image": "2.png", "caption": "a cat"}', 3),
}  # fmt: skip


def test_jsonl_and_tsv_in_another_form_are_one_error(tmp_path, data, tiny_clip_path):
    line = json.dumps({"image": "0.png", "caption": "a bird"}) + "\n"
    tables = {"a.jsonl": line.encode("utf-16"), "b.tsv": b"image,caption\n0.png,a bird\n"}
    for (name, content), told in zip(tables.items(), ("is encoded in UTF-16", "separated by ','"), strict=True):
        write(data / name, content)
        assert_told(ingest(tmp_path, data / name, tiny_clip_path, "table")[0], told, codes={3})


@pytest.mark.parametrize("name", JSONL_ROWS)
def test_a_bad_line_of_jsonl_costs_itself(tmp_path, data, tiny_clip_path, name):
    row, images = JSONL_ROWS[name]
    good = b"".join(json.dumps({"image": f"{n}.png", "caption": "a bird"}).encode() + b"\n" for n in (0, 1))
    write(data / "all.jsonl", good + row + b"\n")
    result, cache = ingest(tmp_path, data / "all.jsonl", tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert len(ingested(cache).samples) == images


def parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


def not_utf8(*texts: str) -> pa.Array:
    """Strings of Arrow whose bytes are Latin-1."""
    return pa.Array.from_buffers(pa.string(), len(texts), pa.array([t.encode("latin-1") for t in texts]).buffers())


PARQUET = {
    "structs": (lambda p: parquet(p, image=[{"bytes": picture(1), "path": None}, {"bytes": b"junk", "path": "x"}], caption=["a", "b"]), 1),
    "binary": (lambda p: parquet(p, image=pa.array([picture(1), b"", b"junk"], pa.binary()), caption=["a", "b", "c"]), 1),
    "large-binary": (lambda p: parquet(p, image=pa.array([picture(1), None], pa.large_binary()), caption=["a", "b"]), 1),
    "numbers": (lambda p: parquet(p, image=[1, 2], caption=["a", "b"]), "no usable sample"),
    "nulls": (lambda p: parquet(p, image=pa.nulls(2), caption=["a", "b"]), "no usable sample"),
    "captions-numbers": (lambda p: parquet(p, image=["0.png", "1.png"], caption=[1, 2]), "no usable sample"),
    "captions-lists": (lambda p: parquet(p, image=["0.png", "1.png"], caption=[["a", "b"], []]), 1),
    "captions-null": (lambda p: parquet(p, image=["0.png", "1.png"], caption=["a", None]), 1),
    "dictionary-of-images": (lambda p: parquet(p, image=pa.array([picture(1), None, picture(2)]).dictionary_encode(), caption=["a", "b", "c"]), 2),
    "dictionary": (lambda p: parquet(p, image=pa.array(["0.png", "1.png"]).dictionary_encode(), caption=["a", "b"]), 2),
    "dates": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.array([2**61, None], pa.timestamp("ms"))), "cannot be read: a value of type timestamp[ms]"),
    "paths-dates": (lambda p: parquet(p, image=pa.array([2**30, 1], pa.date32()), caption=["a", "b"]), "cannot be read: a value of type date32[day]"),
    "durations": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.array([2**61, 1], pa.duration("ms"))), "cannot be read: a value of type duration[ms]"),
    "fixed-lists": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.FixedSizeListArray.from_arrays(not_utf8("a cat", "\xff"), 1)), 1),
    "maps": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.MapArray.from_arrays([0, 1, 2], pa.array(["a", "b"]), not_utf8("a", "\xff"))), "no usable sample"),
    "category": (lambda p: parquet(p, image=["0.png", "1.png"], caption=pa.DictionaryArray.from_arrays([0, 1], not_utf8("a", "\xff"))), "write the column as plain strings"),
    "no-rows": (lambda p: parquet(p, image=pa.array([], pa.string()), caption=pa.array([], pa.string())), "no usable sample"),
    "no-column": (lambda p: parquet(p, picture=["0.png"], caption=["a"]), "no column image"),
    "cut": (lambda p: (parquet(p, image=["0.png"], caption=["a"]), p.write_bytes(p.read_bytes()[:-20])), "not a complete Parquet"),
    "text": (lambda p: p.write_bytes(b"image,caption\n"), "not a complete Parquet"), "empty": (lambda p: p.write_bytes(b""), "not a complete Parquet"),
    "flipped": (lambda p: (parquet(p, image=["0.png"], caption=["a"]), p.write_bytes(b"PAR1" + b"\xff" * 200 + b"PAR1")), "not a complete Parquet"),
    "fifo": (lambda p: os.mkfifo(p), "a pipe"), "folder": (lambda p: p.mkdir(), "is a folder"), "device": (lambda p: p.symlink_to("/dev/zero"), "a device"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_of_every_kind(tmp_path, data, tiny_clip_path, name):
    make, wanted = PARQUET[name]
    make(data / "all.parquet")
    result, cache = ingest(
        tmp_path, data if name in ("fifo", "folder", "device") else data / "all.parquet", tiny_clip_path, "table"
    )
    if isinstance(wanted, int):
        assert (result.exit_code, len(ingested(cache).samples)) == (0, wanted), result.output
    else:
        assert_told(result, wanted)


def tar_with(change) -> bytes:
    """A tar of one good sample and of a second one that `change` made odd."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in {"a.png": picture(1), "a.txt": b"a bird"}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
        change(archive)
    return buffer.getvalue()


def member(name: str, content: bytes = b"x", **fields: object):
    def add(archive: tarfile.TarFile) -> None:
        header = tarfile.TarInfo(name)
        header.size = len(content)
        for field, value in fields.items():
            setattr(header, field, value)
        archive.addfile(header, io.BytesIO(content))

    return add


def with_header(at: int, value: bytes):
    """Bytes written over the last member's header; its checksum stays as it was."""

    def change(data: bytes) -> bytes:
        start = data.rindex(b"b.png") if b"b.png" in data else 0
        return data[: start + at] + value + data[start + at + len(value) :]

    return change


TARS: dict[str, bytes] = {
    "plain": tar_with(member("b.png", picture(2))), "link": tar_with(member("b.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hardlink": tar_with(member("b.png", b"", type=tarfile.LNKTYPE, linkname="a.png")), "device": tar_with(member("b.png", b"", type=tarfile.CHRTYPE)),
    "fifo": tar_with(member("b.png", b"", type=tarfile.FIFOTYPE)), "out": tar_with(member("../../b.png", picture(2))), "absolute": tar_with(member("/etc/b.png", picture(2))),
    "empty-name": tar_with(member("", b"x")), "escape-name": tar_with(member("\x1b[31mb.png", picture(2))), "macos": tar_with(member("._a.png", b"x")),
    "pax-size": tar_with(member("b.png", b"x", pax_headers={"size": "many"})), "pax-negative": tar_with(member("b.png", b"x", pax_headers={"size": "-5"})),
    "pax-huge": tar_with(member("b.png", b"x", pax_headers={"size": "9" * 30})), "pax-mtime": tar_with(member("b.png", b"x", pax_headers={"mtime": "inf"})), "pax-sparse": tar_with(member("b.png", b"x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.map": "1,x"})),
    "twice": tar_with(lambda a: (member("a.txt", b"x")(a), member("a.txt", b"y")(a))), "json-bad": tar_with(lambda a: (member("b.png", picture(2))(a), member("b.json", b"{")(a))),
    "json-list": tar_with(lambda a: (member("b.png", picture(2))(a), member("b.json", b'["x"]')(a))), "caption-huge": tar_with(lambda a: (member("b.png", picture(2))(a), member("b.txt", b"x" * 2_000_000)(a))),
    "cut": tar_with(member("b.png", picture(2)))[:3000], "size-field": with_header(124, b"\xff" * 12)(tar_with(member("b.png", picture(2)))), "size-text": with_header(124, b"abcdefghijk\0")(tar_with(member("b.png", picture(2)))),
    "dot": tar_with(member(".", b"x")), "slash": tar_with(member("/", b"x")), "dots": tar_with(member("..", b"x")), "checksum": with_header(148, b"zzzzzz\0 ")(tar_with(member("b.png", picture(2)))), "type": with_header(156, b"\xff")(tar_with(member("b.png", picture(2)))),
    "base-256": with_header(124, b"\x80" + b"\xff" * 11)(tar_with(member("b.png", picture(2)))),
}  # fmt: skip


@pytest.mark.parametrize("name", TARS)
def test_an_odd_member_of_a_tar_costs_itself_or_the_rest_of_its_shard(tmp_path, tiny_clip_path, name):
    write(tmp_path / "data" / "0.tar", TARS[name])
    tar_shard(tmp_path / "data" / "1.tar", {"c.png": picture(3), "c.txt": b"a cat"})
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")
    assert result.exit_code == 0, result.output
    assert {"a", "c"} <= ingested(cache).samples
    assert "\x1b" not in result.output


def header(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member's header that states a size, which may be negative."""
    block = bytearray(tarfile.TarInfo("b.png").tobuf(tarfile.GNU_FORMAT))
    stated = size % 256**12 if size < 0 else size + 128 * 256**11  # in base 256, as GNU tar writes large numbers
    block[124:136], block[156:157], block[148:156] = stated.to_bytes(12, "big"), kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(("name", "added", "why"), [
    ("itself", header(-512), "has a negative size"), ("before", header(-1024), "has a negative size"), ("first", header(-10**9), "has a negative size"),
    ("name", header(1500 * 2**20, tarfile.GNUTYPE_LONGNAME), "a header of 1,572,864,000 bytes"), ("pax", header(1500 * 2**20, tarfile.XHDTYPE), "a header of 1,572,8"),
    ("globals", header(1500 * 2**20, tarfile.XGLTYPE), "a header of 1,572,8"), ("two-tars", bytes(10240) + header(0) + bytes(1024), "store each in a file"),
])  # fmt: skip
def test_headers_that_lead_back_or_are_huge_cost_the_rest_of_a_shard(tmp_path, tiny_clip_path, name, added, why):
    path = tar_shard(tmp_path / "data" / "0.tar", {"a.png": picture(1), "a.txt": b"a bird"})
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole + bytes(-len(whole) % 512) + added)
    if name in ("name", "pax", "globals"):
        os.truncate(path, 1600 * 2**20)
    with bounded():
        result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")
    assert result.exit_code == 0, result.output
    found = ingested(cache)
    assert found.samples == {"a"}
    assert [why in reason for _, _, reason in found.rejects] == [True], found.rejects


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "dangling", "sparse", "empty", "text", "gzip"])
def test_a_shard_that_is_no_tar_is_a_reject(tmp_path, tiny_clip_path, kind):
    path = tmp_path / "data" / "0.tar"
    tar_shard(tmp_path / "data" / "1.tar", {"c.png": picture(3), "c.txt": b"a cat"})
    {"fifo": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir, "dangling": lambda: path.symlink_to("no"),
     "sparse": lambda: os.truncate(write(path, b""), 40 * 2**30), "empty": lambda: path.write_bytes(b""), "text": lambda: path.write_bytes(b"x" * 5000),
     "gzip": lambda: path.write_bytes(b"\x1f\x8b" + bytes(600))}[kind]()  # fmt: skip
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")
    assert result.exit_code == 0, result.output
    assert ingested(cache).samples == {"c"}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_an_endless_line_is_an_error_before_the_table_is_hashed(tmp_path, tiny_clip_path, suffix):
    path = write(tmp_path / "data" / f"all.{suffix}", b"")
    os.truncate(path, 400 * 2**30)
    with bounded():
        result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "table")
    assert_told(result, f"all.{suffix}")


def test_a_file_that_is_no_table_does_not_fill_the_terminal(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "all.csv", b"\xfd\xfe\xff" * 5000)
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "table")
    assert_told(result, "no column image, caption; found ")
    assert len(result.output) < 6000


COCO = {
    "string-ids": {"images": [{"id": "1", "file_name": "x.jpg"}], "annotations": []}, "float-ids": {"images": [{"id": 1.5, "file_name": "x.jpg"}], "annotations": []},
    "list": [], "text": "x", "null": None, "no-images": {"annotations": []}, "images-object": {"images": {}, "annotations": []}, "rows-text": {"images": ["x"], "annotations": []},
    "twice": {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}], "annotations": []}, "no-captions": {"images": [{"id": 1, "file_name": "000000000001.jpg"}], "annotations": [{"id": 1, "image_id": 1}]},
}  # fmt: skip


@pytest.mark.parametrize("name", [*COCO, "cut", "empty", "latin", "deep", "fifo", "utf-16"])
def test_annotations_of_the_wrong_shape_are_one_error(tmp_path, tiny_clip_path, name):
    coco_dataset(tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "captions_train2017.json"
    whole = path.read_bytes()
    path.unlink()
    if name == "fifo":
        os.mkfifo(path)
    else:
        odd = {
            "cut": whole[:100],
            "empty": b"",
            "latin": b'{"a": "\xe9"}',
            "deep": b"[" * 100_000,
            "utf-16": whole.decode().encode("utf-16"),
        }
        path.write_bytes(odd[name] if name in odd else json.dumps(COCO[name]).encode())
    result, _ = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert_told(result, "captions_train2017.json")


def test_odd_captions_and_files_of_coco_cost_themselves(tmp_path, tiny_clip_path):
    coco_dataset(tmp_path / "data")
    path = tmp_path / "data" / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_bytes())
    content["annotations"] += [
        {"id": 900 + n, "image_id": 1, "caption": caption} for n, caption in enumerate([None, 3, [], "", "\x1b[31m"])
    ]
    content["annotations"].append({"id": 999, "image_id": 12345, "caption": "of nothing"})
    content["images"] += [
        {"id": 50, "file_name": "../../../etc/passwd"},
        {"id": 51, "file_name": "absent.jpg"},
        {"id": 52, "file_name": ""},
        {"id": 53, "file_name": "\ud800.jpg"},
        {"id": 54, "file_name": "a\0.jpg"},
    ]
    path.write_text(json.dumps(content))
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "coco")
    assert result.exit_code == 0, result.output
    assert len(ingested(cache).samples) == 4


def test_a_deeply_nested_caption_can_be_sent_to_a_worker(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "0.png", picture(0))
    rows = ['{"image": "0.png", "caption": "a bird"}', '{"image": "0.png", "caption": ' + "[" * 900 + "]" * 900 + "}"]
    table = write(tmp_path / "data" / "all.jsonl", "\n".join(rows))
    path = manifest(tmp_path / "m.yaml", table, tiny_clip_path, source="table", processes=2)
    result = hspcgan("ingest", path)
    assert result.exit_code == 0, result.output
    assert ingested(path.with_suffix(".cache")).rejects == [("0#1", "caption", f"not a string: '{'[' * 40}'")]
