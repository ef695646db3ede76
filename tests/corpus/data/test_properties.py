"""Captions, tables, caption files and manifests of random texts: each row is kept or a reject, nothing else is raised."""

import json
import unicodedata
from contextlib import suppress
from functools import partial

from helpers.datasets import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.printable import printable
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.manifest.sections import section_models
from hspcgan.pipeline.manifest.yaml_text import YamlTextError, parse
from hspcgan.pipeline.sources.readers.caption_files import captions_of
from hspcgan.pipeline.sources.readers.table_rows import read_rows
from hspcgan.pipeline.stages.caption_text import clean_caption

bounded = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PIECES = ["<b>", "</b", "<red>", "&amp;", "&#0;", "&#x110000;", "\x00", "\x1b[31m", "\u202e", "\u200d", "\ud800", "\ufffd",
          "\u0301", "bird", " ", "\n", "🐦", "鳥", "'", '"', ",", "...", "7" * 30, "x" * 50]  # fmt: skip
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@bounded
@given(st.one_of(texts, texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=40), values))
def test_a_caption_is_one_clean_line_or_refused(value):
    try:
        clean = clean_caption(value)
    except UserError:
        return
    assert clean == unicodedata.normalize("NFC", clean)
    assert clean == " ".join(clean.split())
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in clean)
    assert any(char.isalnum() for char in clean)


@bounded
@given(
    st.one_of(st.none(), st.binary(max_size=60), texts.map(lambda text: text.encode("utf-8", "surrogatepass"))),
    st.one_of(st.none(), st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode()),
              values.map(lambda value: json.dumps({"captions": value}).encode())),
    st.booleans(),
)  # fmt: skip
def test_the_caption_files_of_an_image_give_captions_or_a_reason(text, content, lines):
    files = {".txt": text, ".json": content}
    with suppress(UserError):
        readers = {suffix: partial(bytes, data) for suffix, data in files.items() if data is not None}
        assert captions_of(readers, "name", lines)


csv_lines = st.lists(
    st.one_of(texts.map(lambda text: text.replace("\n", " ").replace("\r", " ")),
              st.sampled_from(['a,b', '"a","b"', '"a,b', 'a"b,c', '""', '"a""b",c', ",", 'x,"y'])),
    max_size=8,
)  # fmt: skip


@bounded
@given(csv_lines, st.sampled_from([".csv", ".tsv"]))
def test_every_line_of_a_table_is_part_of_one_row_or_rejected(tmp_path, lines, suffix):
    comma = "," if suffix == ".csv" else "\t"
    table = tmp_path / f"t{suffix}"
    table.write_bytes(f"image{comma}caption\n".encode() + "\n".join(lines).encode("utf-8", "surrogatepass"))
    rows = list(read_rows(table, ["image", "caption"]))
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))
    assert all(isinstance(row, str) or row.keys() == {"image", "caption"} for _, row in rows)
    breaks = sum(cell.count("\n") for _, row in rows if isinstance(row, dict) for cell in row.values())
    assert len(rows) + breaks >= sum(bool(line.strip("\r")) for line in lines)


@bounded
@given(st.lists(st.one_of(values.map(json.dumps), texts.map(lambda text: text.replace("\n", " "))), max_size=6))
def test_every_line_of_json_is_a_row_or_rejected(tmp_path, lines):
    table = tmp_path / "t.jsonl"
    good = '{"image": "a.png", "caption": "a bird"}\n'
    table.write_bytes((good + "\n".join(lines)).encode("utf-8", "surrogatepass"))
    rows = list(read_rows(table, ["image", "caption"]))
    assert rows[0] == (1, {"image": "a.png", "caption": "a bird"})
    written = [line for line in lines if line.encode("utf-8", "surrogatepass").strip()]
    assert len(rows) == 1 + len(written)


manifests = st.one_of(
    texts,
    values.map(json.dumps),
    st.dictionaries(st.sampled_from(["name", "cache", "data", "train", "model", "base", "x"]), values).map(json.dumps),
    st.lists(st.sampled_from(["a: ", "- ", "{", "}", "[", "]", "&a ", "*a ", "!!int ", "!!binary ", "<<: ", "? ", "|\n ",
                              "1e999", "0x", "2024-01-01", "\n", "\t", "'", '"', "#", ":"]), max_size=12).map("".join),
)  # fmt: skip


@bounded
@given(manifests)
def test_a_text_is_a_manifest_or_one_error(tmp_path, text):
    with suppress(YamlTextError):
        parse(text)
    path = write(tmp_path / "m.yaml", text.encode("utf-8", "surrogatepass"))
    with suppress(UserError):
        load_manifest(str(path), (), section_models())


@bounded
@given(st.sampled_from(["train.steps", "data.path", "model", "cache", "encode.clip", "x", ""]), values.map(json.dumps))
def test_an_override_is_applied_or_one_error(key, value):
    with suppress(UserError):
        load_manifest("toybirds", [f"{key}={value}"], section_models())


@bounded
@given(texts)
def test_what_reaches_a_terminal_cannot_control_it(text):
    shown = printable(text)
    assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs") for char in shown)
    assert printable(shown) == shown
