"""Fetching weights: verified before they take their names, found by the commands, nothing wrong kept or overwritten."""

import hashlib
import io
import json
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from click.testing import Result
from helpers.cli import hspcgan
from helpers.web.loopback import serve

from hspcgan.model.clip.file import published
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.clip.openai_package import published_urls
from hspcgan.model.published_weights import ALL, FACTUAL_REPO
from hspcgan.pipeline.cli import doctor
from hspcgan.pipeline.manifest import weights_path


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
        monkeypatch.setitem(published_urls(), "ViT-B/32", url)
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
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-B-32"])
def test_weights_are_downloaded_once_and_load_under_openais_name(offer, content, name):
    offer(content)
    assert "fetched" in fetch(name).output
    path = Path("weights/ViT-B-32.pt")
    assert path.read_bytes() == content
    assert names(path.parent) == ["SHA256SUMS", path.name]
    assert load_clip(path).name == "ViT-B/32"
    before = path.stat().st_mtime_ns
    assert "weights/ViT-B-32.pt: already present" in fetch(name).output
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"<html>", lambda data: b""])
def test_another_file_at_the_address_is_rejected_and_not_kept(offer, content, tmp_path, change):
    url = offer(change(content))
    message = refused("ViT-B/32", "--to", str(tmp_path / "clip"))
    assert f"{url} is not the published file" in message
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
    assert f"{url} cannot be downloaded" in message
    assert f"copy it to weights/ViT-B-32.pt (sha256 {hashlib.sha256(content).hexdigest()})" in message
    assert names(Path("weights")) == []


def test_lines_of_a_user_in_a_list_of_checksums_stay(offer, content):
    offer(content)
    mine = b"# of mine\n0123 *other.iso\n\xff\n"
    Path("weights").mkdir()
    Path("weights/SHA256SUMS").write_bytes(mine)
    assert "fetched" in fetch("ViT-B/32").output
    line = f"{hashlib.sha256(content).hexdigest()}  ViT-B-32.pt\n".encode()
    assert Path("weights/SHA256SUMS").read_bytes() == mine + line


@pytest.mark.parametrize(("name", "reason"), [
    ("RN50", "RN50 is a CLIP with a ResNet: it has no class token"),
    ("ViT-B/8", "published no CLIP named 'ViT-B/8'; give one of ViT-B/32, ViT-B/16, ViT-L/14"),
    ("factul", "; or one of the other weights: stanza, inception, factual"),
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


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server in the place of all public addresses."""
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as made:
        yield made


def offer_stanza(site, monkeypatch) -> None:
    """The shipped toy models as stanza's English ones, listed as stanza lists them."""
    from stanza.resources import common

    toy = weights_path("toy-stanza")
    listing: dict = {"url": site.url + "/stanza-{lang}/v{resources_version}/{filename}", "en": {"lang_name": "English"}}
    files = {name: (toy / f"{name}.pt").read_bytes() for name in ("tokenize", "pos", "lemma", "depparse")}
    for name, content in files.items():
        listing["en"][name] = {"toy": {"md5": hashlib.md5(content).hexdigest()}}
        site.files[f"/stanza-en/v{common.DEFAULT_RESOURCES_VERSION}/{name}/toy.pt"] = content
    listing["en"]["packages"] = {"default": dict.fromkeys(files, "toy")}
    site.files[f"/list/resources_{common.DEFAULT_RESOURCES_VERSION}.json"] = json.dumps(listing).encode()
    monkeypatch.setattr(common, "DEFAULT_RESOURCES_URL", f"{site.url}/list")


def offer_inception(site, monkeypatch) -> None:
    """A TorchScript module in the place of Inception."""
    from cleanfid import downloads_helper

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    site.files["/inception-2015-12-05.pt"] = buffer.getvalue()
    monkeypatch.setattr(downloads_helper, "inception_url", f"{site.url}/inception-2015-12-05.pt")
    monkeypatch.setattr(
        "hspcgan.model.published_weights.INCEPTION_SHA256", hashlib.sha256(buffer.getvalue()).hexdigest()
    )


def offer_factual(site, monkeypatch) -> None:
    """The three files that a FACTUAL parser needs, where Hugging Face keeps them."""
    page = f"/{FACTUAL_REPO}/resolve/main"
    weights = safetensors.torch.save({"shared.weight": torch.zeros(4, 2)})
    site.files |= {f"{page}/config.json": b"{}", f"{page}/model.safetensors": weights, f"{page}/spiece.model": b"x"}
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                        site.url + "/{repo_id}/resolve/{revision}/{filename}")  # fmt: skip
    monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE",
                        site.url + "/{repo_id}/resolve/{revision}/{filename}", raising=False)  # fmt: skip
    monkeypatch.setattr("huggingface_hub.file_download.ENDPOINT", site.url, raising=False)


def test_stanzas_english_is_fetched_as_stanza_lists_it_and_annotates(site, monkeypatch):
    from hspcgan.pipeline.concepts.annotate.stanza import Stanza

    offer_stanza(site, monkeypatch)
    result = fetch("stanza")
    assert result.exit_code == 0, result.output
    assert finding("stanza").present
    words = Stanza("en").annotate(["a red bird"])[0]
    assert [word.text for word in words] == ["a", "red", "bird"]
    (Path("weights") / "stanza" / "en" / "pos" / "toy.pt").write_bytes(b"damaged")
    again = fetch("stanza")
    assert (again.exit_code, "has changed since its download" in again.output) == (3, True)


def test_inception_is_fetched_to_where_the_evaluation_looks(site, monkeypatch):
    offer_inception(site, monkeypatch)
    assert fetch("inception").exit_code == 0
    assert torch.jit.load("weights/inception-2015-12-05.pt")(torch.zeros(1, 2)).shape == (1, 2)
    assert finding("inception").present


def test_factuals_parser_is_fetched_with_the_files_that_its_page_has(site, monkeypatch):
    offer_factual(site, monkeypatch)
    site.linked = True
    assert fetch("factual").exit_code == 0
    assert names(Path("weights/factual")) == ["config.json", "model.safetensors", "spiece.model"]
    assert finding("factual").present


def test_all_that_doctor_misses_is_fetched_at_once_and_listed_with_its_sums(site, monkeypatch, content):
    assert not any(finding(name).present for name in ALL)
    for offer_one in (offer_stanza, offer_inception, offer_factual):
        offer_one(site, monkeypatch)
    for name in ("ViT-B/32", "ViT-B/16"):
        file = name.replace("/", "-") + ".pt"
        path = f"/{hashlib.sha256(content).hexdigest()}/{file}"
        monkeypatch.setitem(published_urls(), name, site.url + path)
        if name == "ViT-B/16":
            incomplete = fetch("--all")
            assert (incomplete.exit_code, "ViT-B/16: " in incomplete.output) == (3, True)
        site.files[path] = content
    result = fetch("--all")
    assert result.exit_code == 0, result.output
    assert all(finding(name).present for name in ALL)
    sums = dict(reversed(line.split("  ")) for line in Path("weights/SHA256SUMS").read_text().splitlines())
    files = [path for path in Path("weights").rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert sums == {str(path.relative_to("weights")): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    listed = fetch().stdout.splitlines()
    assert sum(" present " in line for line in listed) == len(ALL)


def finding(name: str) -> doctor.Finding:
    return next(found for found in doctor.examine() if found.name == name and found.group == "weights, fetched")


def test_only_files_that_were_compared_are_called_verified(site, monkeypatch):
    offer_stanza(site, monkeypatch)
    assert "checksums of 4 of 5 files verified" in fetch("stanza").output  # the list itself has none
    assert "checksums verified" in fetch("stanza").output  # SHA256SUMS has all
    (Path("weights") / "SHA256SUMS").unlink()
    assert "already present" in (again := fetch("stanza").output)
    assert "checksums of 4 of 5 files verified" in again
    (Path("weights") / "stanza" / "en" / "pos" / "toy.pt").write_bytes(b"damaged")
    damaged = fetch("stanza")
    assert (damaged.exit_code, "toy.pt exists, but differs from the published file (md5" in damaged.output) == (3, True)


@pytest.mark.parametrize(("name", "module", "package", "extra"), [
    ("inception", "cleanfid.downloads_helper", "clean-fid", "evaluate"),
    ("stanza", "stanza.resources", "stanza", "pipeline"),
    ("factual", "huggingface_hub", "huggingface_hub", "factual"),
])  # fmt: skip
def test_a_package_that_states_an_address_is_named_with_its_extra(tmp_path, monkeypatch, name, module, package, extra):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    message = refused(name)
    assert f"the download URL comes from {package}, which is not installed; pip install -e '.[{extra}]'" in message
