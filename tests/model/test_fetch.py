"""Fetching OpenAI's CLIP weights: checked before they take their name; nothing wrong is left, nothing overwritten."""

import hashlib
from pathlib import Path

import pytest
from click.testing import Result
from helpers.cli import hspcgan

from hspcgan.model.clip import load_clip
from hspcgan.model.clip_file import openai_clip, published


@pytest.fixture
def content(tiny_clip_path) -> bytes:
    return tiny_clip_path.read_bytes()


@pytest.fixture
def offer(tmp_path, monkeypatch, content):
    """Puts `data` where clip's table, after this, has ViT-B/32 under the sha256 of `content`; gives the address."""
    monkeypatch.chdir(tmp_path)

    def put(data: bytes | None, home: str = "") -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        place = tmp_path / "there" / sha256
        place.mkdir(parents=True)
        if data is not None:
            (place / "ViT-B-32.pt").write_bytes(data)
        url = f"{home or place.parent.as_uri()}/{sha256}/ViT-B-32.pt"
        monkeypatch.setitem(openai_clip().clip._MODELS, "ViT-B/32", url)
        return url

    return put


def fetch(*arguments: str) -> Result:
    return hspcgan("models", "fetch", *arguments)


def refused(*arguments: str) -> str:
    result = fetch(*arguments)
    assert result.exit_code == 3, result.output
    assert result.output.startswith("Error: ")
    return result.output


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-B-32"])
def test_weights_are_downloaded_once_and_load_under_openais_name(offer, content, name):
    offer(content)
    assert "fetched" in fetch(name).output
    path = Path("weights/ViT-B-32.pt")
    assert path.read_bytes() == content
    assert names(path.parent) == [path.name]
    assert load_clip(path).name == "ViT-B/32"
    before = path.stat().st_mtime_ns
    assert "weights/ViT-B-32.pt: already there" in fetch(name).output
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"<html>", lambda data: b""])
def test_another_file_at_the_address_is_rejected_and_not_kept(offer, content, tmp_path, change):
    url = offer(change(content))
    message = refused("ViT-B/32", "--to", str(tmp_path / "clip"))
    assert f"{url} did not give what was published" in message
    assert hashlib.sha256(change(content)).hexdigest() in message
    assert names(tmp_path / "clip") == []


def test_another_file_at_the_target_is_kept_and_named(offer, content, tmp_path):
    offer(content)
    (tmp_path / "ViT-B-32.pt").write_bytes(b"mine")
    message = refused("ViT-B/32", "--to", str(tmp_path))
    assert hashlib.sha256(b"mine").hexdigest() in message
    assert hashlib.sha256(content).hexdigest() in message
    assert (tmp_path / "ViT-B-32.pt").read_bytes() == b"mine"


@pytest.mark.parametrize("home", ["", "http://127.0.0.1:1"])  # no file; nobody listens
def test_an_unreachable_address_is_named_with_the_target_path(offer, content, monkeypatch, home):
    monkeypatch.setenv("no_proxy", "*")
    url = offer(None, home)
    message = refused("ViT-B/32")
    assert f"{url} cannot be fetched" in message
    assert f"put it here as weights/ViT-B-32.pt (sha256 {hashlib.sha256(content).hexdigest()})" in message
    assert names(Path("weights")) == []


@pytest.mark.parametrize(("name", "reason"), [
    ("RN50", "RN50 is a CLIP with a ResNet: it has no class token"),
    ("ViT-B/8", "published no CLIP 'ViT-B/8'; give one of ViT-B/32, ViT-B/16, ViT-L/14"),
])  # fmt: skip
def test_an_unusable_name_is_rejected_with_the_usable_ones(tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in refused(name)
    assert names(tmp_path) == []


def test_addresses_and_hashes_are_those_that_clip_downloads_itself():
    one = published("ViT-B/32")
    # as published with the weights
    assert one.sha256 == "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    assert one.file == "ViT-B-32.pt"
    assert [published(name).file for name in ("ViT-B/16", "ViT-L/14")] == ["ViT-B-16.pt", "ViT-L-14.pt"]
