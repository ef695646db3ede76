"""Links and URLs that cannot be followed cost themselves or are one error; long scene graphs are read in time."""

import errno
import json
from types import SimpleNamespace

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, ingested, put
from helpers.datasets import folder_dataset, manifest, write

from hspcgan.pipeline.sources.readers.path_or_url import path_or_url


@pytest.mark.parametrize("name", ["link", "link.png", "link.txt"])
def test_a_link_to_a_name_that_is_too_long_costs_itself(tmp_path, tiny_clip_path, name):
    (folder_dataset(tmp_path / "data", 2) / name).symlink_to("n" * 300)
    path = manifest(tmp_path / "m.yaml", tmp_path / "data", tiny_clip_path)
    result = hspcgan("ingest", path)
    assert result.exit_code == 0, result.output
    found = ingested(path.with_suffix(".cache"))
    assert len(found.samples) == 2
    assert [where for where, what, _ in found.rejects if what == "image"] == [name]


@pytest.mark.parametrize("source", ["folder", "table", "coco"])
def test_a_dataset_that_is_a_link_to_itself_is_an_error(tmp_path, tiny_clip_path, source):
    (tmp_path / "data").symlink_to("data")
    path = manifest(tmp_path / "m.yaml", tmp_path / "data", tiny_clip_path, source=source)
    assert_told(hspcgan("ingest", path), str(tmp_path / "data"), codes={3})


@pytest.mark.parametrize("source", ["", "/", "..", "."])
def test_a_cache_without_a_name_is_an_error(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    told = hspcgan("copy", source, tmp_path / "out")
    assert_told(told, "no cache in" if source else "the path is empty; give a path", codes={2, 3})


@pytest.mark.parametrize("error", [OSError("Max retries exceeded"), LookupError("no such repository"),
                                   OSError(errno.ECONNREFUSED, "Connection refused")])  # fmt: skip
def test_errors_of_the_libraries_that_read_urls_name_the_url(tmp_path, tiny_clip_path, monkeypatch, error):
    memory = pytest.importorskip("fsspec.implementations.memory")
    pytest.importorskip("upath")

    def fail(*_, **__):
        raise error

    for method in ("info", "isdir", "ls", "cat_file", "open"):
        monkeypatch.setattr(memory.MemoryFileSystem, method, fail)
    content = json.loads(manifest(tmp_path / "m.yaml", tmp_path, tiny_clip_path, source="webdataset").read_text())
    content["data"]["path"] = "memory://bucket/shards"
    told = f"memory://bucket/shards cannot be read or written ({type(error).__name__}: "
    assert_told(hspcgan("ingest", write(tmp_path / "m.yaml", json.dumps(content))), told, "check the URL", codes={3})
    assert_told(hspcgan("copy", "memory://bucket/cache", tmp_path / "out"), "memory://bucket/cache", codes={3})
    assert_told(hspcgan("copy", tmp_path, "memory://b/cache"), "memory://b/cache would be lost when", codes={3})


def test_a_url_that_cannot_be_parsed_is_an_error(tmp_path):
    assert_told(hspcgan("copy", "http://[::1", tmp_path / "out"), "http://[::1 is not a valid URL: ", codes={3})
    told = hspcgan("ingest", "toybirds", "-o", "data={source: webdataset, path: 'http://[::1'}", "--dry-run")
    assert_told(told, "http://[::1 is not a valid URL: ", codes={2})


@pytest.mark.parametrize(
    "url", ["zip://t.csv::file://{folder}/t.zip", "reference://x/t.csv", "ftp://127.0.0.1:1/t.csv"]
)
def test_a_url_that_cannot_be_connected_is_an_error(tmp_path, tiny_clip_path, url):
    pytest.importorskip("upath")
    write(tmp_path / "t.zip", b"no zip")
    url = url.format(folder=tmp_path)
    content = json.loads(manifest(tmp_path / "m.yaml", tmp_path, tiny_clip_path, source="table").read_text())
    content["data"]["path"] = url
    told = f"{url} cannot be opened ("
    assert_told(hspcgan("ingest", write(tmp_path / "m.yaml", json.dumps(content))), told, codes={2})
    assert_told(hspcgan("copy", url, tmp_path / "out"), told, "check the URL and the network", codes={3})


def test_a_slash_at_the_end_of_a_url_has_no_effect(monkeypatch):
    upath = pytest.importorskip("upath")
    given: list[str] = []
    monkeypatch.setattr(upath, "UPath", lambda url: given.append(url) or SimpleNamespace(fs=None))
    for url in ("http://host/shards/", "s3://bucket//", "memory://", "memory:///"):
        path_or_url(url)
    assert given == ["http://host/shards", "s3://bucket", "memory://", "memory:///"]


LINE = {"caption": "a", "tuples": [["bird", "on", "branch"]]}


def test_a_gold_graph_of_many_spaces_is_an_error_in_time(tmp_path):
    predictions = write(tmp_path / "p.jsonl", json.dumps(LINE))
    gold = write(tmp_path / "g.csv", f'caption,scene_graph\na,"{" " * 120_000}x"\n')
    with bounded():
        assert_told(hspcgan("graphs", predictions, gold), "g.csv, line 2: expected a scene_graph such as", codes={3})


WORDNET = {
    "cut": ("synsets", "bird\n1 2\nfowl\n"), "text": ("synsets", "bird\nno number\n"), "fraction": ("synsets", "bird\n1.5\n"), "empty": ("synsets", ""), "no-forms": ("exceptions", "bird\n\n"), "binary": ("exceptions", b"\xff"),
}  # fmt: skip


@pytest.mark.parametrize("name", WORDNET)
def test_wordnet_files_of_another_kind_are_named_with_their_line(tmp_path, name):
    graphs = write(tmp_path / "graphs.jsonl", json.dumps(LINE))
    for file, content in ("synsets", "bird\n1\n"), ("exceptions", "bird\nbirds\n"), WORDNET[name]:
        put(tmp_path / f"english.{file}", content)
    assert_told(
        hspcgan("graphs", graphs, graphs, "--wordnet", tmp_path), f"english.{WORDNET[name][0]}, line ", codes={3}
    )


def test_graphs_of_thousands_of_tuples_are_scored_in_time(tmp_path):
    files = [
        write(
            tmp_path / f"{side}.jsonl", json.dumps({**LINE, "tuples": [[f"{side}{n}", "on", "b"] for n in range(8000)]})
        )
        for side in ("p", "g")
    ]
    with bounded():
        result = hspcgan("graphs", *files)
    assert "SPICE F1 0.01" in result.output, result.output
