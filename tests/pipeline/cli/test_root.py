"""The command line: quick help, thin commands, refusals as one clear message."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import click
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import hspcgan
from helpers.datasets import folder_dataset, manifest, write

from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cli.root import main
from hspcgan.pipeline.manifest.sections import section_models

HEAVY = {"torch", "numpy", "pyarrow", "h5py", "spacy", "stanza", "PIL", "pydantic", "yaml", "cleanfid", "jinja2"}


@pytest.fixture(scope="module")
def small(tmp_path_factory, tiny_clip_path) -> Path:
    """A manifest prepared through the command."""
    root = tmp_path_factory.mktemp("cli")
    path = manifest(root / "small.yaml", folder_dataset(root / "data"), tiny_clip_path)
    result = hspcgan("prepare", path)
    assert result.exit_code == 0, result.output
    assert "6 images" in result.output
    return path


@pytest.fixture
def cache(small) -> Path:
    return small.with_suffix(".cache")


def refused(*arguments: object) -> str:
    result = hspcgan(*arguments)
    assert result.exit_code in (2, 3), result.output
    assert result.output.startswith("Error: ") or "\nError: " in result.output
    assert "Traceback" not in result.output
    return result.output


def test_help_lists_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom hspcgan.pipeline.cli.root import main\nmain(['--help'], standalone_mode=False)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    text, modules = out.rsplit("\n", 2)[:2]
    assert HEAVY.isdisjoint(modules.split())
    for command in (
        "prepare",
        "ingest",
        "parse",
        "encode",
        "inspect",
        "stats",
        "validate",
        "export",
        "doctor",
        "train",
    ):
        assert f"\n  {command} " in text
    assert text.index("  prepare ") < text.index("  train ") < text.index("  doctor ")


def test_prepare_again_does_nothing_and_dry_run_writes_nothing(small, tmp_path):
    assert "Nothing to do" in hspcgan("prepare", small).output
    result = hspcgan("prepare", small, "-o", f"cache={tmp_path / 'other'}", "--dry-run")
    assert result.exit_code == 0
    assert "folder: 6 entries" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "reason"), [
    ("nmae: x\n", "unknown key 'nmae' (did you mean 'name'?)"),
    ("data: {source: folder, path: ., image_sise: 3}\n", "data.image_sise: unknown key (did you mean 'image_size'?)"),
    ("data: {source: folder}\n", "needs `path`"),
    ("data: [1]\n", "expected keys below it"),
    ("data: {source: {\n", "is not YAML"),
])  # fmt: skip
def test_a_faulty_manifest_is_explained(tmp_path, text, reason):
    assert reason in refused("prepare", write(tmp_path / "faulty.yaml", text))


def test_a_missing_manifest_names_the_shipped_ones():
    assert "toybirds" in refused("prepare", "no-such-manifest")


def test_debug_shows_the_traceback():
    result = hspcgan("--debug", "prepare", "no-such-manifest")
    assert result.exit_code == 2
    assert "Traceback" in result.output
    assert "ManifestError: no manifest 'no-such-manifest'" in result.output


def test_a_broken_coco_json_is_named_with_the_place(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "annotations" / "captions_train2017.json", '{"images": ["x')
    (tmp_path / "data" / "train2017").mkdir()
    path = manifest(tmp_path / "broken.yaml", tmp_path / "data", tiny_clip_path, source="coco")
    message = refused("prepare", path)
    assert "captions_train2017.json is not valid JSON: Unterminated string starting at line 1, column 13" in message


def test_inspect_shows_the_parse_and_draws_it(cache, tmp_path):
    result = hspcgan("inspect", cache, "--caption", "img002#1", "--svg", tmp_path / "new" / "graph.svg")
    assert result.exit_code == 0
    assert "a bird with a long beak" in result.output
    assert "long ⊕ beak" in result.output
    assert "bird ─with→ beak" in result.output
    assert ElementTree.parse(tmp_path / "new" / "graph.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize(("options", "ids"), [
    (("--caption", "img001"), ["img001#0", "img001#1"]),
    (("--search", "YELLOW bird"), ["img002#0"]),
    (("--number", "3"), ["img001#1"]),
    ((), ["img000#0", "img000#1", "img001#0"]),
])  # fmt: skip
def test_inspect_finds_captions(cache, options, ids):
    output = hspcgan("inspect", cache, *options).output
    assert [line.split()[0] for line in output.splitlines() if "#" in line] == ids


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--caption", "nobody"), "no caption or sample"),
        (("--search", "zebra"), "contains 'zebra'"),
        (("--number", "99"), "no caption row 99"),
    ],
)
def test_inspect_says_when_nothing_is_found(cache, options, reason):
    assert reason in refused("inspect", cache, *options)


def test_inspect_takes_one_way_of_choosing(cache):
    assert hspcgan("inspect", cache, "--search", "bird", "--number", "1").exit_code == 2


def test_stats_balance_rows_in_and_out(cache):
    output = hspcgan("stats", cache).output
    assert "18 in = 6 images + 12 captions + 0 rejected" in output
    assert "beak 6" in output
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.strip()}
    assert rows["entity"][:3] == ["3", "24", "0"]  # by hand: bird 12, branch 6, beak 6, each more than once
    assert int(rows["attribute"][2]) >= 6  # each of six colours is there once


def test_validate_accepts_a_good_cache_and_refuses_what_is_none(cache, tmp_path):
    assert hspcgan("validate", cache).exit_code == 0
    assert "hspcgan prepare" in refused("validate", tmp_path)


def test_export_is_plain_parquet_with_the_caches_values(cache, tmp_path):
    result = hspcgan("export", cache, tmp_path / "plain", "--tokens")
    assert result.exit_code == 0, result.output
    captions, phrases = (pd.read_parquet(tmp_path / "plain" / f"{name}.parquet") for name in ("captions", "phrases"))
    opened = Cache(cache)
    assert np.array_equal(np.stack(captions["sentence"].tolist()), opened.sentence.astype(np.float32))
    assert np.array_equal(np.stack(phrases["feature"].tolist()), opened.phrase_text.astype(np.float32))
    assert np.array_equal(np.stack(captions["token_features"][5].tolist()), opened.tokens(5).astype(np.float32))
    assert "already exists" in refused("export", cache, tmp_path / "plain")


def test_export_writes_nothing_into_a_cache(cache):
    assert "is inside the cache" in refused("export", cache, cache / "plain")
    assert not (cache / "plain").exists()


def test_export_leaves_an_unfinished_cache_of_that_name_alone(cache, tmp_path):
    work = tmp_path / "other.partial" / "parse"
    work.mkdir(parents=True)
    assert hspcgan("export", cache, tmp_path / "other").exit_code == 0
    assert work.is_dir()


def test_duckdb_reads_the_export_and_its_fixed_size_lists(cache, tmp_path):
    assert hspcgan("export", cache, tmp_path / "plain").exit_code == 0
    opened = Cache(cache)
    ask = duckdb.connect().execute
    found = ask(
        f"select caption_id, list_dot_product(sentence, sentence), len(sentence), entities[1].head "
        f"from '{tmp_path}/plain/captions.parquet' order by caption_id"
    ).fetchall()
    vectors = opened.sentence.astype(np.float64)
    assert [row[0] for row in found] == opened.captions["caption_id"].to_pylist()
    np.testing.assert_allclose([row[1] for row in found], (vectors**2).sum(axis=1), rtol=1e-5)
    assert {row[2:] for row in found} == {(32, "bird")}
    total = ask(f"select sum(count) from '{tmp_path}/plain/phrases.parquet' where kind = 'entity'").fetchone()
    assert total == (24,)  # by hand: bird 12, branch 6, beak 6
    width = pq.read_schema(tmp_path / "plain" / "phrases.parquet").field("feature").type
    assert width == pa.list_(pa.float32(), 32)


def test_doctor_reports_and_always_succeeds():
    result = hspcgan("doctor")
    assert result.exit_code == 0
    for name in ("torch", "stanza", "toy-clip", "inception", "spaCy English"):
        assert name in result.output


def test_an_invalid_cache_is_a_failed_check_and_an_absent_one_is_not(cache, tmp_path):
    assert "is valid" in hspcgan("validate", cache).output
    damaged = shutil.copytree(cache, tmp_path / "damaged")
    (damaged / "captions.parquet").write_bytes(b"PAR1")
    assert hspcgan("validate", damaged).exit_code == 1
    assert hspcgan("validate", tmp_path / "nowhere").exit_code == 3


def test_every_command_has_its_place_in_the_list_and_every_section_its_name_in_the_help():
    listed = main.list_commands(click.Context(main))
    assert set(listed) <= set(main.order)
    assert listed.index("study") == listed.index("train") + 1
    sections = hspcgan("keys", "--help").output.partition("SECTION is")[2].partition(";")[0]
    assert set(re.findall(r"\w+", sections)) - {"or"} == set(section_models())
