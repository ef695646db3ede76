"""Cached text features are OpenAI's own, whatever the batch; unknown words and damaged weights are told."""

import json
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from helpers.datasets import folder_dataset, manifest, write

from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.arrays.collate import collate
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages.encode import EncodeConfig, Templates, encode_texts
from hspcgan.pipeline.stages.prepare import prepare
from hspcgan.pipeline.stages.unknown_words import unknown_words, warn_unknown

TEXTS = ["a bird", "a photo of a beak", "Two dogs, running on the beach; one is wet!", "ein Vögelchen 🐦", "x " * 200]

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import clip as openai


@pytest.fixture(scope="module")
def reference(tiny_clip_path):
    """OpenAI's own network and its own `encode_text`, in float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = openai.model.build_model(torch.load(tiny_clip_path, weights_only=True)).float()

    def encode(text: str) -> np.ndarray:
        with torch.no_grad():
            return network.encode_text(openai.tokenize([text], truncate=True))[0].numpy()

    return encode


def test_sentence_features_equal_openais_at_full_context(tiny_clip, reference):
    sentences, _, _ = encode_texts(tiny_clip, TEXTS)
    assert sentences.dtype == np.float32
    for text, row in zip(TEXTS, sentences, strict=True):
        assert np.abs(row - reference(text)).max() < 1e-5


def test_token_features_run_from_begin_to_end_of_text_whose_row_is_the_sentence(tiny_clip):
    sentences, tokens, _ = encode_texts(tiny_clip, TEXTS)
    for text, sentence, features in zip(TEXTS, sentences, tokens, strict=True):
        ids = openai.tokenize([text], truncate=True)[0]
        assert len(features) == int(ids.argmax()) + 1
        assert np.abs(features[-1] - sentence).max() < 1e-6


def test_texts_that_clip_reads_the_beginning_of_are_told(tiny_clip):
    _, _, truncated = encode_texts(tiny_clip, TEXTS)
    assert truncated.tolist() == [False, False, False, False, True]


def test_features_do_not_depend_on_the_other_texts_of_the_batch(tiny_clip):
    _, together, _ = encode_texts(tiny_clip, TEXTS)
    for text, features in zip(TEXTS, together, strict=True):
        alone = encode_texts(tiny_clip, [text])[1][0]
        assert np.abs(alone - features).max() < 1e-5


def test_the_cache_holds_openais_features_of_captions_and_prompts_in_half_precision(
    tmp_path, tiny_clip_path, reference
):
    path = manifest(tmp_path / "small.yaml", folder_dataset(tmp_path / "data", 3), tiny_clip_path)
    prepare(load_manifest(str(path)))
    cache = Cache(tmp_path / "small.cache")
    for row, text in enumerate(cache.captions["text"].to_pylist()):
        assert np.abs(cache.sentence[row] - reference(text)).max() < 2e-3
        assert np.array_equal(cache.tokens(row)[-1], cache.sentence[row])
        assert len(cache.tokens(row)) == cache.captions["n_tokens"][row].as_py()
    for row, prompt in enumerate(cache.phrases["prompt"].to_pylist()):
        assert np.abs(cache.phrase_text[row] - reference(prompt)).max() < 2e-3
    assert cache.sentence.dtype == np.float16
    assert cache.info["normalised"] is False


def test_weights_that_give_infinite_features_are_refused(tmp_path, tiny_clip_path):
    state = torch.load(tiny_clip_path, weights_only=True)
    state["ln_final.weight"][3] = 1e38
    torch.save(state, tmp_path / "huge.pt")
    with pytest.raises(ValueError, match=r"CLIP huge computed features that are NaN.*'a bird'"):
        encode_texts(load_clip(tmp_path / "huge.pt"), ["a bird"])


def test_damaged_clip_weights_are_noticed_before_anything_is_written(tmp_path, tiny_clip_path):
    (tmp_path / "cut.pt").write_bytes(tiny_clip_path.read_bytes()[:5000])
    path = manifest(tmp_path / "cut.yaml", folder_dataset(tmp_path / "data", 1), tmp_path / "cut.pt")
    with pytest.raises(ValueError, match=r"cut\.pt"):
        prepare(load_manifest(str(path)))
    assert not (tmp_path / "cut.cache.partial").exists()


def test_unknown_words_are_those_outside_the_vocabulary_beside_the_weights(tmp_path):
    write(tmp_path / "toy.json", json.dumps({"vocabulary": ["a", "bird", "red", "photo", "of"]}))
    texts = ["A red bird.", "a photo of a zebra", "a zebra, a zebra & 2 birds"]
    assert unknown_words(texts, tmp_path / "toy.pt") == Counter({"zebra": 2, "2": 1, "birds": 1})
    assert unknown_words(texts, tmp_path / "other.pt") == Counter()


def test_the_warning_lists_unknown_words_by_how_often_they_occur(tmp_path, caplog):
    write(tmp_path / "toy.json", json.dumps({"vocabulary": ["a"]}))
    warn_unknown(["a cat", "a dog", "a dog"], tmp_path / "toy.pt")
    assert "never trained on 2 words in these captions" in caplog.text
    caplog.clear()
    warn_unknown(["a", "A!"], tmp_path / "toy.pt")
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["a photo", "a {} and a {}", "a {0}", "a {} }"])
def test_templates_hold_exactly_one_slot(text):
    with pytest.raises(UserError, match="exactly once"):
        Templates(entity=text)


def test_an_absent_gpu_is_an_error(tiny_clip_path, monkeypatch):
    from hspcgan.pipeline.stages.encode import stage

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"encode\.device is cuda, but torch finds no GPU"):
        stage(EncodeConfig(clip=str(tiny_clip_path), device="cuda"))


def test_without_token_features_all_else_is_the_same_and_their_readers_are_refused(tmp_path, tiny_clip_path):
    data = folder_dataset(tmp_path / "data", 3)
    caches = {}
    for kept in (True, False):
        path = manifest(tmp_path / f"{kept}.yaml", data, tiny_clip_path)
        prepare(load_manifest(str(path), [f"encode.tokens={json.dumps(kept)}"]))
        caches[kept] = Cache(path.with_suffix(".cache"))
        validate(caches[kept].path)
    whole, small = caches[True], caches[False]
    assert np.array_equal(small.sentence, whole.sentence)
    assert np.array_equal(small.phrase_text, whole.phrase_text)
    assert small.captions.equals(whole.captions)
    assert (small.token_rows.shape, small.offsets.tolist()) == ((0, whole.sentence.shape[1]), [0] * 7)
    assert not collate(small.texts, np.arange(6))["token_mask"].any()
    whole.require_tokens("a model")
    with pytest.raises(ValueError, match=r"encode\.tokens: false.*, but a model needs them; .*--rebuild"):
        small.require_tokens("a model")
    with pytest.raises(ValueError, match=r"encode\.tokens: cache has nothing, manifest wants False"):
        prepare(load_manifest(str(tmp_path / "True.yaml"), ["encode.tokens=false"]))
