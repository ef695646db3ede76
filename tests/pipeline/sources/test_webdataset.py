"""Tar shards as img2dataset writes them: read in place, nothing unpacked, broken ones kept as far as they are whole."""

import bz2
import gzip
import io
import json
import lzma
import tarfile

import pytest
from helpers.datasets import picture, tar_shard, webdataset, write

from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.ingest import pack
from hspcgan.pipeline.stages.ingest_items import check_items


def opened(path, **options):
    return open_source(DataConfig(source="webdataset", path=path, image_size=16, **options))


def items(source):
    return {entry.where: source.read(entry) for entry in source.entries()}


def test_samples_come_in_the_order_of_the_shards(tmp_path):
    source = opened(webdataset(tmp_path), test_fraction=0)
    entries = source.entries()
    assert [(e.key, e.where) for e in entries] == [
        ("000000000", "00000.tar:000000000"), ("000000001", "00000.tar:000000001"),
        ("000010000", "00001.tar:000010000"), ("000010001", "00001.tar:000010001"),
    ]  # fmt: skip
    item = source.read(entries[3])
    assert item.image == picture(3, kind="JPEG")
    assert item.captions == (b"a photo of bird 000010001",)
    assert item.problem is None


def test_folders_named_test_are_the_test_split(tmp_path):
    for folder in ("train", "val"):  # img2dataset counts from 0 in each run
        tar_shard(tmp_path / folder / "00000.tar", {"000000000.jpg": picture(1), "000000000.txt": b"x"})
    split = {entry.key: entry.split for entry in opened(tmp_path).entries()}
    assert split == {"train/000000000": "train", "val/000000000": "test"}


@pytest.mark.parametrize(("about", "captions"), [
    ({"caption": "one"}, ("one",)),
    ({"captions": ["one", "two"], "caption": "three"}, ("one", "two")),
])  # fmt: skip
def test_without_a_txt_the_json_holds_the_captions(tmp_path, about, captions):
    members = {"dir/a.b.png": picture(), "dir/c.png": picture(1), "dir/c.json": json.dumps(about).encode()}
    found = items(opened(tar_shard(tmp_path / "0.tar", members).parent))
    assert found["0.tar:dir/c"].captions == captions
    assert found["0.tar:dir/a"].problem == "no image: the sample has only .b.png"


@pytest.mark.parametrize(("members", "reason"), [
    ({"a.txt": b"x"}, "no image: the sample has only .txt"),
    ({"a.jpg": b"x"}, "no captions: neither .txt nor .json among .jpg"),
    ({"a.jpg": b"x", "a.json": b"{"}, "not valid JSON"),
    ({"a.jpg": b"x", "a.json": b'{"caption": null}'}, "no captions: KEY.json has"),
    ({"a.jpg": b"x", "a.txt": b"x" * (2**20 + 1)}, ".txt has 1,048,577 bytes, more than 1,048,576"),
])  # fmt: skip
def test_what_is_wrong_with_a_sample_is_named(tmp_path, members, reason):
    found = items(opened(tar_shard(tmp_path / "0.tar", members).parent))
    assert reason in found["0.tar:a"].problem


def test_links_devices_and_names_that_lead_out_touch_nothing(tmp_path):
    secret = write(tmp_path / "secret.txt", "secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, target in (("a.txt", tarfile.SYMTYPE, str(secret)), ("b.txt", tarfile.LNKTYPE, "../secret.txt"),
                                   ("c.jpg", tarfile.FIFOTYPE, "")):  # fmt: skip
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, target
            archive.addfile(header)
        for name, content in (("../../up.jpg", picture()), ("../../up.txt", b"a bird"), ("/etc/root.jpg", picture())):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    write(tmp_path / "data" / "0.tar", buffer.getvalue())
    found = items(opened(tmp_path / "data"))
    for name in ("a.txt", "b.txt", "c.jpg"):
        assert found[f"0.tar:{name}"].problem.startswith("a link, a device")
        assert found[f"0.tar:{name}"].image is None
    assert found["0.tar:../../up"].image == picture()  # a strange key, read from inside the tar
    assert found["0.tar:../../up"].captions == (b"a bird",)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.tar", "data", "secret.txt"]


@pytest.mark.parametrize("cut", [700, 512, 100, 0])
def test_a_shard_cut_short_gives_what_is_whole_and_a_reject_for_the_rest(tmp_path, cut):
    first = {"a.txt": b"a bird", "a.jpg": b"x" * 600}
    whole = tar_shard(tmp_path / "0.tar", first).read_bytes()[: 512 * (2 + 3)]
    second = tar_shard(tmp_path / "1.tar", {"b.jpg": b"y" * 600}).read_bytes()
    write(tmp_path / "0.tar", whole + second[:cut])  # cut in the content, behind the header, in the header, before it
    (tmp_path / "1.tar").unlink()
    found = items(opened(tmp_path))
    assert found["0.tar:a"].problem is None
    problems = [item.problem for where, item in found.items() if where != "0.tar:a"]
    assert problems
    assert all("ends inside this member" in text or "if the download was interrupted" in text for text in problems)


def test_a_file_that_is_no_tar_is_a_reject(tmp_path):
    webdataset(tmp_path)
    write(tmp_path / "00001.tar", b"<html>404</html>" * 100)
    write(tmp_path / "00002.tar", b"")
    found = items(opened(tmp_path))
    assert found["00000.tar:000000001"].problem is None
    assert "not a complete tar" in found["00001.tar:?"].problem
    assert "not a complete tar" in found["00002.tar:?"].problem


@pytest.mark.parametrize("name", ["00001.tar", "00002.tar.gz", "00002.TGZ", "00002.tar.xz"])
@pytest.mark.parametrize(
    ("compress", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")]
)
def test_a_compressed_shard_is_a_reject_that_says_so(tmp_path, name, compress, kind):
    webdataset(tmp_path)
    plain = opened(tmp_path).signature()
    write(tmp_path / name, compress((tmp_path / "00001.tar").read_bytes()))
    source = opened(tmp_path)
    found = items(source)
    assert found["00000.tar:000000001"].problem is None
    assert found[f"{name}:?"].problem.startswith(f"compressed with {kind}, ")
    assert source.signature() != plain


def test_linked_folders_of_shards_are_read(tmp_path):
    webdataset(tmp_path / "elsewhere")
    tar_shard(tmp_path / "data" / "0.TAR", {"a.jpg": picture(), "a.txt": b"x"})
    (tmp_path / "data" / "test").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "up").symlink_to(tmp_path / "data")
    found = items(opened(tmp_path / "data"))
    assert {item.entry.split for where, item in found.items() if where.startswith("test/")} == {"test"}
    assert len(found) == 1 + 4 + 1
    assert "a link back to a folder" in found["up:?"].problem


def test_captions_are_counted_one_by_one(tmp_path):
    about = b'{"captions": ["a bird", 3]}'
    tar_shard(tmp_path / "0.tar", {"a.jpg": picture(), "a.json": about, "b.json": about})
    checked = check_items(16, list(items(opened(tmp_path)).values()))
    assert [row["text"] for row in checked.captions] == ["a bird"]
    assert [(row["where"], row["why"]) for row in checked.rejects] == [
        ("a#1", "not a string: '3'"),
        ("b#1", "not a string: '3'"),
        ("0.tar:b", "no image: the sample has only .json"),
        ("b#0", "its image was rejected: no image: the sample has only .json"),
    ]


def test_names_that_are_no_unicode_become_rejects_that_parquet_can_hold(tmp_path):
    members = {"\udcff.jpg": picture(), "\udcff.txt": b"a bird", "b.\udcfe": b"x"}
    members |= {"c.jpg": picture(), "c.txt": b"a cat"}
    source = opened(tar_shard(tmp_path / "0.tar", members).parent)
    checked = check_items(16, [source.read(entry) for entry in source.entries()])
    tables = pack(16, checked).tables
    assert tables["samples"]["key"].to_pylist() == ["c"]
    assert {(row["where"], row["why"]) for row in tables["rejects"].to_pylist()} == {
        ("0.tar:\\udcff", "the name is not valid Unicode; rename the file"),
        ("\\udcff#0", "its image was rejected: the name is not valid Unicode; rename the file"),
        ("0.tar:b", "no image: the sample has only .\\udcfe"),
    }
    assert source.signature()


def test_a_key_in_two_shards_is_used_once(tmp_path):
    for shard in (0, 1):
        tar_shard(tmp_path / f"{shard}.tar", {"a.jpg": picture(shard), "a.txt": b"x"})
    found = items(opened(tmp_path))
    assert (found["0.tar:a"].image, found["0.tar:a"].problem) == (picture(0), None)
    assert found["1.tar:a"].problem == (
        "the key is already used: 0.tar:a has the same key a; rename or remove one of them, or put the shards of each "
        "run into a separate folder"
    )


def test_of_several_images_of_one_key_the_first_suffix_is_used(tmp_path):
    members = {"8.jpg": picture(), "8.tiff": b"II*", "8.seg.png": picture(), "8.txt": b"a bird", "9.gif": b"GIF89a"}
    found = items(opened(tar_shard(tmp_path / "0.tar", members).parent))
    assert list(found) == ["0.tar:8", "0.tar:9", "0.tar:8.tiff"]
    assert (found["0.tar:8"].image, found["0.tar:8"].problem) == (picture(), None)
    assert found["0.tar:8.tiff"].problem == "not a supported image format: .tiff"
    tar_shard(tmp_path / "0.tar", {"8.png": picture(1), **members})
    found = items(opened(tmp_path))
    assert list(found) == ["0.tar:8", "0.tar:9", "0.tar:8.png", "0.tar:8.tiff"]
    assert (found["0.tar:8"].image, found["0.tar:8"].captions) == (picture(), (b"a bird",))
    assert found["0.tar:8.png"].problem.startswith("the key is already used: 0.tar:8 has the same key 8; rename")


def test_another_tree_shows_what_was_found_and_expected(tmp_path):
    write(tmp_path / "00000.tar.gz", b"")
    with pytest.raises(ValueError, match=r"no tar shards: found .*00000\.tar\.gz; expected PATH/.*uncompressed"):
        opened(tmp_path)


def test_the_signature_moves_with_captions_and_sizes_not_with_times(tmp_path):
    before = opened(webdataset(tmp_path)).signature()
    content = (tmp_path / "00000.tar").read_bytes()
    write(tmp_path / "00000.tar", content.replace(b"a photo of bird 000000001", b"a photo of bird 000000002"))
    assert opened(tmp_path).signature() != before
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size, header.mtime = len(data), 12345
            archive.addfile(header, io.BytesIO(data))
    write(tmp_path / "00000.tar", buffer.getvalue())
    assert opened(tmp_path).signature() == before


def test_the_signature_moves_with_an_image_that_keeps_its_size(tmp_path):
    before = opened(webdataset(tmp_path)).signature()
    content = (tmp_path / "00000.tar").read_bytes()
    write(tmp_path / "00000.tar", content.replace(b"JFIF", b"JFIG", 1))
    assert opened(tmp_path).signature() != before
