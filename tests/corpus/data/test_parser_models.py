"""Models of parsers that are damaged or of another kind: one message with the fix, before any caption is parsed."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded, put, saved

from hspcgan.pipeline.assets import assets_folder
from hspcgan.pipeline.concepts.annotate.spacy import installed_model


def parsed(tmp_path: Path, annotator: str, model: object):
    """The result of `hspcgan parse --jsonl` on one caption."""
    captions = tmp_path / "captions.jsonl"
    captions.write_text('{"caption": "a red bird"}\n')
    with bounded():
        return hspcgan("parse", "--jsonl", captions, tmp_path / "out", "--annotator", annotator, "--model", model)


def linked(source: Path, target: Path) -> Path:
    """A folder of links to the files of a model; `put` replaces one of them."""
    return Path(shutil.copytree(source, target, copy_function=os.symlink))


SPACY = {
    "absent": ("vocab", None, "is not a spaCy model: vocab missing"), "config": ("config.cfg", "[nlp\nlang=", "cannot be used (ConfigValidationError: Config"), "meta": ("meta.json", "[]", "cannot be used (ValueError: [E054]"), "weights": ("parser/model", "hello", "cannot be used ("),
    "fifo": ("parser/model", "fifo", "parser/model is a pipe, expected a regular file"), "device": ("meta.json", "device", "meta.json is a device, expected a regular file"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACY)
def test_a_damaged_spacy_model(tmp_path, name):
    path, content, told = SPACY[name]
    package = Path(importlib.util.find_spec(installed_model()).origin).parent
    model = linked(next(path.parent for path in package.rglob("config.cfg")), tmp_path / "model")
    if content is None:
        shutil.rmtree(model / path)
    else:
        put(model / path, content)
    assert_told(parsed(tmp_path, "spacy", model), str(model), told, "leave parse.model", codes={3})


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_spacy_model_without_an_english_parser(tmp_path, language):
    spacy = pytest.importorskip("spacy")
    spacy.blank(language).to_disk(tmp_path / "model")
    told = f"has no English tagger and parser (language {language}, components none)"
    assert_told(parsed(tmp_path, "spacy", tmp_path / "model"), told, codes={3})


@pytest.mark.parametrize("name", ["no_such", "no.such", "..", "a b", ".hidden", "os"])
def test_a_name_of_no_spacy_model(tmp_path, name):
    assert_told(parsed(tmp_path, "spacy", name), "model", codes={3})


def changed(change):
    """A part of a stanza model with other content."""

    def content(path: Path) -> bytes:
        state = torch.load(path, weights_only=True)
        change(state)
        return saved(state)

    return content


def of_nan(state: dict) -> None:
    for value in state["model"].values():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            value.fill_(torch.nan)


STANZA = {
    "text": ("pos.pt", "hello", "pos.pt cannot be read as a part of a stanza model: the file is damaged, or was not written by torch.save"), "pickle": ("lemma.pt", b"\x80\x04cos\nsystem\n(S'echo hi'\ntR.", "lemma.pt cannot be read"), "fifo": ("pos.pt", "fifo", "got a pipe"),
    "list": ("pos.pt", saved([1]), "cannot be used (TypeError"), "keys": ("pos.pt", saved({"a": torch.zeros(2)}), "cannot be used (KeyError"), "optional": ("ner.pt", b"", "ner.pt cannot be read"),
    "no-weights": ("depparse.pt", changed(lambda state: state["model"].clear()), "depparse.pt lacks 66 of 66 weights, such as"), "less": ("tokenize.pt", changed(lambda state: state["model"].popitem()), "tokenize.pt lacks 1 of 23 weights, such as"),
    "nan": ("depparse.pt", changed(of_nan), "The model of the annotator stanza cannot be used"), "no-words": ("pos.pt", changed(lambda state: state.update(vocab={})), "cannot be used ("),
}  # fmt: skip


@pytest.mark.parametrize("name", STANZA)
def test_a_damaged_stanza_model(tmp_path, name):
    pytest.importorskip("stanza")
    path, content, told = STANZA[name]
    model = linked(assets_folder() / "toy-stanza", tmp_path / "model")
    put(model / path, content(model / path) if callable(content) else content)
    result = parsed(tmp_path, "stanza", model)
    assert_told(result, told, codes={3})
    assert "weights_only" not in result.output


T5 = {
    "empty": ("config.json", ""), "list": ("config.json", "[]"), "another": ("config.json", '{"model_type": "bert", "num_layers": 2}'), "many": ("config.json", '{"model_type": "t5", "num_layers": 1000000}'), "weights": ("model.safetensors", "hello"), "fifo": ("generation_config.json", "fifo"),
}  # fmt: skip


@pytest.mark.parametrize("name", T5)
def test_a_damaged_factual_parser(tmp_path, name):
    pytest.importorskip("transformers")
    (tmp_path / "model").mkdir()
    for file, content in (
        ("config.json", '{"model_type": "t5", "num_layers": 2}'),
        ("model.safetensors", "{}"),
        ("spiece.model", "{}"),
    ):
        put(tmp_path / "model" / file, content)
    path, content = T5[name]
    put(tmp_path / "model" / path, content)
    assert_told(parsed(tmp_path, "factual", tmp_path / "model"), "hspcgan models fetch factual", codes={3})
