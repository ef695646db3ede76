"""Downloads from a server on loopback: resumed, verified, through a proxy; nothing wrong is kept."""

import hashlib
import random

import pytest
from helpers.web.loopback import serve

from hspcgan.model.common.download import MissingError, Remote, download
from hspcgan.model.common.errors import UserError

CONTENT = random.Random(0).randbytes(3_000_000)  # equal in every test process
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as made:
        made.files["/deep/file.bin"] = CONTENT
        yield made


def names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_arrives_whole_and_once(site, tmp_path):
    remote = Remote(f"{site.url}/deep/file.bin", "below/file.bin", SHA256)
    assert download(remote, tmp_path).new
    assert (tmp_path / "below" / "file.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["below/file.bin"]
    assert not download(remote, tmp_path).new
    assert len(site.asked) == 1


def test_an_interrupted_download_is_resumed_where_it_ended(site, tmp_path):
    remote = Remote(f"{site.url}/deep/file.bin", "file.bin", SHA256)
    site.break_after = 1_234_567
    with pytest.raises(UserError, match=r"cannot be downloaded .*1\.2 MB are kept; run the command again"):
        download(remote, tmp_path)
    assert names(tmp_path) == ["file.bin.part"]
    assert download(remote, tmp_path).new
    assert site.asked[-1][1] == "bytes=1234567-"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("left", [CONTENT, CONTENT[:5], b"other" * 10, CONTENT + b"more"])
@pytest.mark.parametrize("ranges", [True, False])
def test_whatever_an_earlier_run_left_ends_as_the_file_or_as_nothing(site, tmp_path, left, ranges):
    site.ranges = ranges
    (tmp_path / "file.bin.part").write_bytes(left)
    remote = Remote(f"{site.url}/deep/file.bin", "file.bin", SHA256)
    if ranges and left not in (CONTENT, CONTENT[:5]):  # bytes that are appended to, and found wrong
        with pytest.raises(UserError, match="is not the published file"):
            download(remote, tmp_path)
        assert names(tmp_path) == []
    download(remote, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("sums", [{"sha256": "0" * 64}, {"md5": "0" * 32}])
def test_a_wrong_checksum_leaves_nothing(site, tmp_path, sums):
    with pytest.raises(UserError, match=r"is not the published file .*expected 000"):
        download(Remote(f"{site.url}/deep/file.bin", "file.bin", **sums), tmp_path)
    assert names(tmp_path) == []


def test_the_checksum_that_the_server_states_is_verified_across_a_redirect(site, tmp_path):
    site.linked = True
    remote = Remote(f"{site.url}/deep/file.bin", "file.bin")
    (tmp_path / "file.bin.part").write_bytes(b"not its beginning")
    with pytest.raises(UserError, match=rf"sha256 [0-9a-f]{{64}}, expected {SHA256}"):
        download(remote, tmp_path)
    assert names(tmp_path) == []
    assert download(remote, tmp_path).new
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_that_the_server_lacks_and_one_that_cannot_be_reached_are_told_apart(site, tmp_path):
    with pytest.raises(MissingError, match="404"):
        download(Remote(f"{site.url}/nowhere", "file.bin"), tmp_path)
    with pytest.raises(UserError, match=r"1:1/x cannot be downloaded .*copy it to .*file\.bin \(sha256 "):
        download(Remote("http://127.0.0.1:1/x", "file.bin", SHA256), tmp_path)
    assert names(tmp_path) == []


def test_the_environments_proxy_is_used(site, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "")
    assert download(Remote("http://somewhere.invalid/deep/file.bin", "file.bin", SHA256), tmp_path).new
    assert site.asked == [("http://somewhere.invalid/deep/file.bin", "")]


def test_another_file_in_its_place_is_kept(site, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(UserError, match="move it away"):
        download(Remote(f"{site.url}/deep/file.bin", "file.bin", SHA256), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_an_existing_file_is_compared_with_the_known_checksum(tmp_path, kind):
    wanted = hashlib.new(kind, CONTENT).hexdigest()
    remote = Remote("http://127.0.0.1:1/x", "file.bin", **{kind: wanted})
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert download(remote, tmp_path) == (False, True)
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(UserError, match=rf"differs from the published file \({kind} \w+, expected {wanted}\)"):
        download(remote, tmp_path)


def test_a_file_without_a_known_checksum_is_not_called_verified(site, tmp_path):
    remote = Remote(f"{site.url}/deep/file.bin", "file.bin")
    assert download(remote, tmp_path) == (True, False)
    assert download(remote, tmp_path) == (False, False)
    site.linked = True
    (tmp_path / "file.bin").unlink()
    assert download(remote, tmp_path) == (True, True)
