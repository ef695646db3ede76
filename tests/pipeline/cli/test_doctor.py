"""Doctor: it looks where the stages look, and names what they would ask for."""

import importlib.util
import sys

import pytest
from stanza.resources import common

from hspcgan.model.clip.openai_package import published_urls
from hspcgan.pipeline import assets
from hspcgan.pipeline.cli import doctor
from hspcgan.pipeline.concepts.annotate.stanza import Stanza
from hspcgan.pipeline.manifest import weights_path


def finding(name: str) -> doctor.Finding:
    return next(found for found in doctor.examine() if found.name == name and found.group == "weights, fetched")


@pytest.mark.parametrize("there", [(), ("en",), ("resources.json",)])
def test_stanza_english_is_absent_where_the_annotator_refuses_it(tmp_path, monkeypatch, there):
    monkeypatch.setattr(common, "DEFAULT_MODEL_DIR", str(tmp_path))
    for name in there:
        (tmp_path / name).mkdir() if name == "en" else (tmp_path / name).write_text("{}")
    found = finding("stanza")
    assert not found.present
    assert all((str(tmp_path / name) in found.detail) == (name not in there) for name in ("en", "resources.json"))
    with pytest.raises(ValueError, match="stanza's English models are missing"):
        Stanza("en")


def test_stanza_english_is_present_with_its_folder_and_its_list(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "DEFAULT_MODEL_DIR", str(tmp_path))
    (tmp_path / "en").mkdir()
    (tmp_path / "resources.json").write_text("{}")
    assert finding("stanza").detail.startswith(f"{tmp_path / 'en'}, 0.0 MB")


def test_without_stanza_the_report_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "stanza.resources.common", None)
    assert "not installed" in finding("stanza").detail
    assert "inception" in doctor.report()


def test_a_spacy_model_that_the_annotator_never_tries_does_not_count(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "en_core_web_lg" else None)
    assert not doctor._spacy_model().present
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "en_core_web_sm" else None)
    assert doctor._spacy_model().detail == "en_core_web_sm"


def test_openais_clip_is_asked_for_by_its_address_and_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = finding("ViT-B/32")
    assert not found.present
    assert str(tmp_path / "weights" / "ViT-B-32.pt") in found.detail
    # as published with the weights
    sha256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    assert "hspcgan models fetch ViT-B/32" in found.fix
    assert f"{sha256}/ViT-B-32.pt (sha256 {sha256})" in found.fix
    with pytest.raises(ValueError, match=r"hspcgan doctor.*OpenAI's ViT-B-32\.pt"):
        weights_path("weights/ViT-B-32.pt")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "ViT-B-32.pt").write_bytes(bytes(2_000_000))
    assert finding("ViT-B/32").detail.startswith("weights/ViT-B-32.pt, 2.0 MB")


def test_openais_clip_is_a_finding_where_clip_does_not_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "clip", None)
    monkeypatch.setattr("hspcgan.model.clip.file.published_urls", published_urls.__wrapped__)  # without its cache
    assert "when the clip package can be imported" in finding("ViT-B/32").fix


def test_factuals_parser_is_present_with_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights" / "factual"
    assert "no such folder" in finding("factual").detail
    folder.mkdir(parents=True)
    (folder / "pytorch_model.bin").write_bytes(b"")
    found = finding("factual")
    assert not found.present
    assert "model.safetensors" in found.detail
    assert "pickles" in found.detail
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(b"")
    assert finding("factual").present


def test_the_default_parsers_weights_are_listed_with_the_command_that_builds_them(tmp_path, monkeypatch):
    found = next(one for one in doctor.examine() if one.name == "caption-parser")
    assert (found.present, found.group) == (True, "weights, shipped")
    monkeypatch.setattr(assets, "__path__", [str(tmp_path)])
    found = next(one for one in doctor.examine() if one.name == "caption-parser")
    assert not found.present
    assert "`hspcgan assets build caption-parser --factual train.csv`" in found.fix
