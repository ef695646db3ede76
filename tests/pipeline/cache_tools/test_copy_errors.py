"""What `copy` refuses: targets that hold other things, sources that are no finished cache."""

import shutil
from pathlib import Path

import pytest
import upath
from helpers.caches import World, make_cache, run_stages
from helpers.files import file_bytes, leftovers, stored
from helpers.web.loopback import serve

from hspcgan.pipeline.cache import schema
from hspcgan.pipeline.cache.partial.partial_cache import PartialCache
from hspcgan.pipeline.cache_tools.copy import copy_cache


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return make_cache(tmp_path_factory.mktemp("cache") / "cache", World(0))


@pytest.fixture
def url(tmp_path) -> str:
    """A place of this test's own in fsspec's in-memory store."""
    return f"memory://{tmp_path.name}/cache"


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_cache_is_never_overwritten(path, tmp_path, url, replace):
    (upath.UPath(url) / "thesis.tex").write_bytes(b"x")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for target in (url, str(tmp_path / "copy")):
        with pytest.raises(ValueError, match=r"contains files that are not part of a cache \(thesis\.tex\)"):
            copy_cache(str(path), target, replace)
    with pytest.raises(ValueError, match="file is a file"):
        copy_cache(str(path), str(tmp_path / "file"), replace)
    with pytest.raises(ValueError, match="the same folder"):
        copy_cache(str(path), f"{path.parent}/../{path.parent.name}/cache/", replace)
    assert leftovers(tmp_path) == ["copy", "file"]


def test_a_source_that_is_no_finished_cache_is_refused(path, tmp_path, url):
    with pytest.raises(ValueError, match="no cache in"):
        copy_cache(str(tmp_path), url)
    with pytest.raises(ValueError, match="no finished cache at memory"):
        copy_cache(url, str(tmp_path / "back"))
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:1/c cannot be reached \(ClientConnectorError: .*network"):
        copy_cache("http://127.0.0.1:1/c", str(tmp_path / "back"))
    copy_cache(str(path), url)
    (upath.UPath(url) / schema.IMAGES_FILE).write_bytes((path / schema.IMAGES_FILE).read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"files missing or of the wrong size: images\.h5"):
        copy_cache(url, str(tmp_path / "back"))
    (upath.UPath(url) / schema.IMAGES_FILE).unlink()
    with pytest.raises(ValueError, match=r"files missing or of the wrong size: images\.h5"):
        copy_cache(url, str(tmp_path / "back"))
    (upath.UPath(url) / schema.INFO).write_bytes(b'{"format": 99}')
    with pytest.raises(ValueError, match="format 99, but this version reads 1"):
        copy_cache(url, str(tmp_path / "back"))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, r"cache\.json is missing"),
        (403, r"answers 403 Forbidden for http.*/c/cache\.json; check"),
        (500, "answers 500"),
    ],
)
def test_the_status_of_a_web_server_that_denies_a_file_is_stated(path, tmp_path, status, told):
    with serve() as site:
        site.absent = status
        with pytest.raises(ValueError, match=told):
            copy_cache(f"{site.url}/c", str(tmp_path / "back"))
        site.ranges = False
        site.files = {f"/c/{schema.INFO}": (path / schema.INFO).read_bytes()}
        with pytest.raises(ValueError, match="files missing" if status == 404 else f"answers {status} .*/c/samples"):
            copy_cache(f"{site.url}/c", str(tmp_path / "back"))


@pytest.mark.parametrize("name", [schema.SAMPLES_FILE, schema.CAPTIONS_FILE, schema.PHRASES_FILE, schema.REJECTS_FILE])
def test_a_table_cut_short_is_refused_from_a_folder_and_from_a_url(path, tmp_path, url, name):
    damaged = Path(shutil.copytree(path, tmp_path / "damaged"))
    cut = (path / name).read_bytes()[:1000]
    copy_cache(str(path), f"{url}-0")
    (upath.UPath(f"{url}-0") / name).write_bytes(cut)
    (damaged / name).write_bytes(cut)
    for target in (url, str(tmp_path / "copy")):
        with pytest.raises(ValueError, match=rf"{name} is truncated or damaged: .*--rebuild"):
            copy_cache(str(damaged), target)
        with pytest.raises(ValueError, match=rf"files missing or of the wrong size: {name}"):
            copy_cache(f"{url}-0", target)
    assert stored(url) == {}
    assert leftovers(tmp_path) == ["damaged"]


def test_an_unfinished_prepare_at_the_target_is_kept(path, tmp_path):
    with PartialCache(tmp_path / "copy") as partial:
        run_stages(partial, World(0), "ingest")
        before = file_bytes(partial.path)
        with pytest.raises(ValueError, match="another process is using"):
            copy_cache(str(path), str(tmp_path / "copy"))
    with pytest.raises(ValueError, match="an unfinished `hspcgan prepare`"):
        copy_cache(str(path), str(tmp_path / "copy"))
    assert file_bytes(partial.path) == before
