"""Tar shards with odd members and headers, and files that are no tar: the samples before and beside them stay."""

import io
import os
import tarfile

import pytest
from helpers.corpus import bounded, ingest, ingested
from helpers.datasets import picture, tar_shard, write


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


def test_a_size_that_no_file_has_is_told_in_our_words(tmp_path, tiny_clip_path):
    whole = tar_with(lambda archive: None).rstrip(b"\0")
    write(tmp_path / "data" / "0.tar", whole + bytes(-len(whole) % 512) + header(256**10) + bytes(1024))
    found = ingested(ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")[1])
    assert found.samples == {"a"}
    assert "b.png: the tar ends inside this member" in [f"{where[6:]}: {why}" for where, _, why in found.rejects]
    assert "not a complete tar: a header has a number that is too large or no number" in found.why("0.tar:?")


@pytest.mark.parametrize("chain", [400 * header(0, tarfile.XHDTYPE), 5000 * header(0, tarfile.GNUTYPE_LONGNAME)])
def test_a_chain_of_extended_headers_costs_the_rest_of_a_shard(tmp_path, tiny_clip_path, chain):
    whole = tar_with(lambda archive: None).rstrip(b"\0")
    write(tmp_path / "data" / "0.tar", whole + bytes(-len(whole) % 512) + chain + bytes(1024))
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")
    assert result.exit_code == 0, result.output
    assert ingested(cache).samples == {"a"}
    assert "too many extended headers before a member" in ingested(cache).why("0.tar")


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "dangling", "sparse", "empty", "text", "gzip", "zip"])
def test_a_shard_that_is_no_tar_is_a_reject(tmp_path, tiny_clip_path, kind):
    path = tmp_path / "data" / "0.tar"
    tar_shard(tmp_path / "data" / "1.tar", {"c.png": picture(3), "c.txt": b"a cat"})
    {"fifo": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir, "dangling": lambda: path.symlink_to("no"),
     "sparse": lambda: os.truncate(write(path, b""), 40 * 2**30), "empty": lambda: path.write_bytes(b""), "text": lambda: path.write_bytes(b"x" * 5000),
     "gzip": lambda: path.write_bytes(b"\x1f\x8b" + bytes(600)), "zip": lambda: path.write_bytes(b"PK\3\4" + bytes(600))}[kind]()  # fmt: skip
    result, cache = ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")
    assert result.exit_code == 0, result.output
    assert ingested(cache).samples == {"c"}
    if kind == "dangling":
        assert ingested(cache).why("0.tar") == "cannot be read: No such file or directory"
    if kind in ("gzip", "zip"):
        assert f"compressed with {kind}" in ingested(cache).why("0.tar")


def test_a_member_without_a_suffix_is_named_so(tmp_path, tiny_clip_path):
    tar_shard(
        tmp_path / "data" / "0.tar", {"a": picture(1), "a.txt": b"a bird", "c.png": picture(3), "c.txt": b"a cat"}
    )
    found = ingested(ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")[1])
    assert found.why("0.tar:a") == "no image: the sample has only a file without a suffix, .txt"


def test_the_reason_for_a_sample_without_an_image_names_the_member_that_is_a_link(tmp_path, tiny_clip_path):
    link = member("b.png", b"", type=tarfile.LNKTYPE, linkname="a.png")
    write(tmp_path / "data" / "0.tar", tar_with(lambda a: (link(a), member("b.txt", b"a cat")(a))))
    found = ingested(ingest(tmp_path, tmp_path / "data", tiny_clip_path, "webdataset")[1])
    assert found.why("0.tar:b").startswith("no image: b.png is not usable: a link, ")
    assert found.why("b#0").startswith("its image was rejected: no image: b.png is not usable")
