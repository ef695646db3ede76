"""Refusals in summaries: one kind of fault is one line, with its count and an example."""

from pathlib import Path

import pyarrow as pa
import pytest
from helpers.cli import hspcgan
from helpers.datasets import folder_dataset, manifest, picture, write

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache_tools.show import reasons
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages.ingest_items import check_items


def counted(*rows: tuple[str, str]) -> list[tuple[int, str, str, str]]:
    table = [{"stage": "ingest", "where": "x", "what": what, "why": why} for what, why in rows]
    return reasons(pa.Table.from_pylist(table, schema=schema.REJECTS))


def test_details_and_numbers_do_not_tell_kinds_apart():
    assert counted() == []
    assert counted(
        ("image", "no captions: expected a.txt"), ("image", "no captions: expected b.txt"), ("image", "empty"),
        ("image", "no captions: expected b.txt"), ("caption", "empty"),
        ("image", "its box (-1, 2, 3, 4) has no area"), ("image", "its box (5, 67, 8, 9.5) has no area"),
    ) == [
        (3, "ingest", "image", "no captions: expected b.txt (one of 2 variants)"),
        (2, "ingest", "image", "its box (-1, 2, 3, 4) has no area (one of 2 variants)"),
        (1, "ingest", "caption", "empty"),
        (1, "ingest", "image", "empty"),
    ]  # fmt: skip


def test_captions_that_go_with_their_image_are_told_apart_by_its_reason():
    image = "its image was rejected: "
    assert counted(
        ("caption", f"{image}empty file (0 bytes)"), ("caption", f"{image}unreadable header: a"),
        ("caption", f"{image}empty file (0 bytes)"), ("caption", f"{image}unreadable header: b"),
        ("caption", f"{image}unreadable header: b"),
    ) == [
        (3, "ingest", "caption", f"{image}unreadable header: b (one of 2 variants)"),
        (2, "ingest", "caption", f"{image}empty file (0 bytes)"),
    ]  # fmt: skip


FAULTS: dict[str, dict[str, bytes]] = {
    "no captions": {"{}.png": picture()},
    "not valid JSON": {"{}.png": picture(), "{}.json": b"{"},
    "no captions: first.json has": {"{}.png": picture(), "{}.json": b"[]"},
    "two caption files": {"{}.png": picture(), "{}.TXT": b"y", "{}.txt": b"x"},
    "truncated or corrupt PNG": {"{}.png": picture()[:-60], "{}.txt": b"x"},
    "not a supported image format": {"{}.png": b"junk", "{}.txt": b"x"},
}


@pytest.mark.parametrize("kind", FAULTS)
def test_files_with_the_same_fault_are_one_kind(tmp_path, kind):
    for name in ("first", "second"):
        for file, content in FAULTS[kind].items():
            write(tmp_path / file.format(name), content)
    source = open_source(DataConfig(source="folder", path=tmp_path, image_size=16))
    refused = check_items(16, [source.read(entry) for entry in source.entries()]).rejects
    ((count, _, what, why),) = counted(*((row["what"], row["why"]) for row in refused if row["what"] == "image"))
    assert (count, what) == (2, "image")
    assert why.startswith(kind)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_clip_path) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("refusals")
    folder_dataset(root / "data", 2)
    write(root / "data" / "img000.txt", b"a bird\n...\n!!\n???\n\ncaf\xe9\n")
    for name in "abcdef":
        write(root / "data" / f"{name}.png", picture())
    path = manifest(root / "mine.yaml", root / "data", tiny_clip_path)
    return path, hspcgan("prepare", path).output


def test_prepare_ends_with_a_line_for_each_kind(prepared):
    lines = prepared[1].splitlines()
    start = lines.index("11 rows rejected (rejects.parquet):")
    assert [line.strip() for line in lines[start + 1 : start + 5]] == [
        "6 image: no captions: expected a.txt or a.json (one of 6 variants)",
        "3 caption: no letter or digit: '...' (one of 3 variants)",
        "1 caption: empty",
        "1 caption: not UTF-8: unexpected end of data at byte 3",
    ]
    assert "other reasons" not in prepared[1]


def test_stats_count_the_same(prepared):
    lines = [line.split(maxsplit=3) for line in hspcgan("stats", prepared[0].with_suffix(".cache")).output.splitlines()]
    assert [line for line in lines if line[1:2] == ["ingest"]] == [
        ["6", "ingest", "image", "no captions: expected a.txt or a.json (one of 6 variants)"],
        ["3", "ingest", "caption", "no letter or digit: '...' (one of 3 variants)"],
        ["1", "ingest", "caption", "empty"],
        ["1", "ingest", "caption", "not UTF-8: unexpected end of data at byte 3"],
    ]


def test_a_dataset_of_which_nothing_is_usable_is_refused_with_the_commonest_kinds(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "a.png", b"junk")
    write(tmp_path / "data" / "a.txt", "a bird")
    for name in "bcd":
        write(tmp_path / "data" / f"{name}.png", picture())
    said = hspcgan("prepare", manifest(tmp_path / "none.yaml", tmp_path / "data", tiny_clip_path)).output
    assert "no usable sample: 3 image: no captions: expected b.txt or b.json (one of 3 variants); " in said
    assert "1 image: not a supported image format" in said


@pytest.mark.parametrize("name", ["cache", "run"])
@pytest.mark.parametrize("place", ["made", "deep/down/made", ""])
def test_a_cache_or_a_run_inside_the_folder_of_data_is_refused_at_the_start(tmp_path, tiny_clip_path, name, place):
    data = folder_dataset(tmp_path / "data", 2)
    (tmp_path / "link").symlink_to(data)
    before = sorted(data.rglob("*"))
    path = manifest(tmp_path / "mine.yaml", data, tiny_clip_path)
    said = hspcgan("prepare", path, "-o", f"{name}={tmp_path / 'link' / place}", "--dry-run").output
    if (name, place) == ("cache", ""):
        assert "contains files that are not part of a cache" in said
    else:
        assert f"{name} {tmp_path / 'link' / place} is inside data.path {data}" in said
        assert f"such as -o {name}=runs/small/{name}" in said
    assert sorted(data.rglob("*")) == before


def test_a_cache_in_a_hidden_folder_of_the_data_is_made_once(tmp_path, tiny_clip_path):
    data = folder_dataset(tmp_path / "data", 2)
    path = manifest(tmp_path / "mine.yaml", data, tiny_clip_path)
    inside = f"cache={data / '.hspcgan' / 'cache'}"
    assert "2 images" in hspcgan("prepare", path, "-o", inside).output
    assert "Nothing to do" in hspcgan("prepare", path, "-o", inside).output
