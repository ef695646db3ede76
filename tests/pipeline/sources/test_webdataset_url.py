"""Tar shards at a URL: read as those on the disk, opened once each, then asked for the bytes of an item alone."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import upath
from helpers.datasets import picture, tar_shard, webdataset

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.sources.config import DataConfig, open_source
from hspcgan.pipeline.stages import ingest


def opened(path, **options):
    return open_source(DataConfig(source="webdataset", path=path, image_size=16, **options))


def items(source):
    return {entry.where: source.read(entry) for entry in source.entries()}


def test_shards_at_a_url_are_read_through_fsspec(tmp_path):
    webdataset(tmp_path)
    home = upath.UPath("memory://bucket/shards")
    home.mkdir(parents=True, exist_ok=True)
    for path in tmp_path.glob("*.tar"):
        (home / path.name).write_bytes(path.read_bytes())
    there, here = opened("memory://bucket/shards"), opened(tmp_path)
    assert there.signature() == here.signature()
    read = {where: (item.image, item.captions) for where, item in items(there).items()}
    assert read == {where: (item.image, item.captions) for where, item in items(here).items()}


def test_a_url_is_opened_once_a_shard_and_then_asked_for_the_bytes_of_an_item_alone(tmp_path, monkeypatch):
    members = {"a.jpg": picture(), "a.txt": b"a bird", "b.jpg": picture(1), "b.json": b'{"caption": "x"}', "b.txt": b""}
    home = upath.UPath(f"memory://{tmp_path.name}")
    home.mkdir(parents=True)
    for shard in (0, 1):
        names = {f"{shard}{name}": content for name, content in members.items()}
        (home / f"{shard}.tar").write_bytes(tar_shard(tmp_path / f"{shard}.tar", names).read_bytes())
    opens, fetched = [], []
    store = type(home.fs)
    open_file, cat_file = store._open, store.cat_file

    def opening(self, path, *rest, **options):
        opens.append(path.rpartition("/")[2])
        return open_file(self, path, *rest, **options)

    def fetching(self, path, start=None, end=None):
        fetched.append(cat_file(self, path, start, end))
        return fetched[-1]

    monkeypatch.setattr(store, "_open", opening)
    monkeypatch.setattr(store, "cat_file", fetching)
    source = opened(str(home))
    assert source.signature() == opened(tmp_path).signature()
    entries = {entry.key: entry for entry in source.entries()}
    assert (opens, fetched) == (["0.tar", "1.tar"], [])
    item = source.read(entries["1a"])
    assert (item.image, item.captions) == (picture(), (b"a bird",))
    assert sorted(fetched) == sorted([picture(), b"a bird"])
    assert opens == ["0.tar", "1.tar"]
    assert source.read(entries["0b"]).captions == ("x",)  # its text is empty
    assert len(fetched) == 4  # image and JSON; a range of no bytes would be refused, or mean the whole file


def test_a_web_server_without_ranges_is_one_error_that_names_the_cause(tmp_path, monkeypatch):
    """Python's own server sends whole files, so that each member of a tar would be the whole tar."""
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with aiohttp")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    webdataset(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        with pytest.raises(
            UserError, match=r"does not send parts of files \(range requests\); download the files, .*wget"
        ):
            ingest.stage(DataConfig(source="webdataset", path=url, image_size=16))
    finally:
        server.shutdown()
        server.server_close()


def test_a_failing_network_ends_the_run_and_rejects_no_row(tmp_path, monkeypatch):
    home = upath.UPath(f"memory://{tmp_path.name}-failing")
    home.mkdir(parents=True)
    (home / "0.tar").write_bytes(tar_shard(tmp_path / "0.tar", {"a.jpg": picture(), "a.txt": b"x"}).read_bytes())
    source = opened(str(home))
    entry = source.entries()[0]

    def fail(*_, **__):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(type(home.fs), "cat_file", fail)
    with pytest.raises(ConnectionResetError):
        source.read(entry)
    monkeypatch.setattr(type(home.fs), "_open", fail)
    with pytest.raises(ConnectionResetError):
        opened(str(home)).entries()
