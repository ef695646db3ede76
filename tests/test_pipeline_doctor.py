"""Doctor: it looks where the stages look, and names what they would ask for."""

import importlib.util
import sys

import pytest
from stanza.resources import common

from hspcgan.pipeline import doctor
from hspcgan.pipeline.concepts.annotators import Stanza


def finding(name: str) -> doctor.Finding:
    return next(found for found in doctor.examine() if found.name == name)


@pytest.mark.parametrize("there", [(), ("en",), ("resources.json",)])
def test_stanza_english_is_absent_where_the_annotator_refuses_it(tmp_path, monkeypatch, there):
    monkeypatch.setattr(common, "DEFAULT_MODEL_DIR", str(tmp_path))
    for name in there:
        (tmp_path / name).mkdir() if name == "en" else (tmp_path / name).write_text("{}")
    found = finding("stanza en")
    assert not found.present
    assert all((str(tmp_path / name) in found.detail) == (name not in there) for name in ("en", "resources.json"))
    with pytest.raises(ValueError, match="stanza's English models are not here"):
        Stanza("en")


def test_stanza_english_is_present_with_its_folder_and_its_list(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "DEFAULT_MODEL_DIR", str(tmp_path))
    (tmp_path / "en").mkdir()
    (tmp_path / "resources.json").write_text("{}")
    assert finding("stanza en").detail == str(tmp_path / "en")


def test_without_stanza_the_report_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "stanza.resources.common", None)
    assert "not installed" in finding("stanza en").detail
    assert "Inception" in doctor.report()


def test_a_spacy_model_that_the_annotator_never_tries_does_not_count(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "en_core_web_lg" else None)
    assert not doctor._spacy_model().present
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name == "en_core_web_sm" else None)
    assert doctor._spacy_model().detail == "en_core_web_sm"
