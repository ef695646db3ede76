"""The weights learned on captions: saved, loaded, shipped, and what the shipped ones read."""

import json

import numpy as np
import pytest
from helpers.concepts import spoken

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.files import file_sha256
from hspcgan.pipeline.caption_parser.train_spacy import save
from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.annotate import spacy_caption_weights
from hspcgan.pipeline.concepts.annotate.spacy import installed_model, load_spacy, spacy_identity


@pytest.fixture(scope="module")
def plain():
    return load_spacy(installed_model())


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


def arrays(nlp) -> dict[str, np.ndarray]:
    return {name: layer.get_param(param).copy() for name, layer, param in spacy_caption_weights.params(nlp)}


def test_weights_come_back_in_half_precision(plain, tmp_path):
    save(plain, tmp_path, {"model": "any"})
    loaded = load_spacy(installed_model())
    for _, layer, param in spacy_caption_weights.params(loaded):
        layer.set_param(param, np.zeros_like(layer.get_param(param)))
    spacy_caption_weights.load(loaded, tmp_path)
    found, wanted = arrays(loaded), arrays(plain)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array.astype(np.float16))


def test_they_are_of_words_tags_and_trees_alone(plain):
    assert {name.partition(".")[0] for name in arrays(plain)} == {"tok2vec", "tagger", "parser"}
    assert len(arrays(plain)) > 20


@pytest.mark.parametrize("change", ["labels", "shapes"])
def test_weights_of_another_model_are_refused(plain, tmp_path, change):
    from safetensors.numpy import load_file, save_file

    save(plain, tmp_path, {"model": "en_other 1.0"})
    if change == "labels":
        card = json.loads((tmp_path / "card.json").read_text())
        card["labels"]["parser"].reverse()
        (tmp_path / "card.json").write_text(json.dumps(card))
    else:
        weights = load_file(tmp_path / "weights.safetensors")
        name = next(iter(weights))
        save_file({**weights, name: weights[name][:-1]}, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=r"for en_other 1\.0, but the installed .*labels; install en_other"):
        spacy_caption_weights.load(plain, tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("weights.safetensors", None),
        ("weights.safetensors", b"no weights"),
        ("card.json", None),
        ("card.json", b"{"),
        ("card.json", b"\xff"),
        ("card.json", b"[]"),
        ("card.json", b'{"model": "any"}'),
        ("card.json", b'{"labels": {}}'),
    ],
)
def test_missing_and_damaged_weights_say_what_to_do(plain, tmp_path, file, content):
    save(plain, tmp_path, {"model": "any"})
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read \(.*reinstall the package, or set parse\.model"):
        spacy_caption_weights.load(plain, tmp_path)


def test_the_default_has_them_and_a_named_model_has_not(plain):
    shipped = load_spacy()
    assert not np.array_equal(arrays(shipped)["tagger.3.W"], arrays(plain)["tagger.3.W"])
    assert file_sha256(spacy_caption_weights.shipped() / "weights.safetensors") in spacy_identity(shipped, "")
    assert "caption weights" not in spacy_identity(plain, installed_model())


# Captions that spaCy's own weights read wrongly, and what they say, by kind. None is a training caption.
KINDS = {
    "a participle after something that does not do it": {
        "two children wearing backpacks riding scooters in the park": "ride (child, scooter)",
        "an old man sitting on a chair by a window reading a newspaper": "read (man, newspaper)",
        "three surfers carrying boards walking along the shore": "walk along (surfer, shore)",
        "a couple sharing an umbrella walking across a street": "walk across (couple, street)",
        "a woman wearing a dress holding an umbrella": "hold (woman, umbrella)",
        "a cook wearing an apron cutting onions on a board": "cut (cook, onion)",
        "a child eating an apple sitting on a bench": "sit on (child, bench)",
        "a man with a beard wearing glasses holding a cup": "hold (man, cup)",
        "a cup filled with tea standing next to two spoons": "stand next to (cup, spoon)",
    },
    "two clauses": {
        "a girl holding a blue umbrella and a woman carrying a white bag": "carry (woman, bag)",
        "a dog chasing a ball and a cat climbing a tree": "climb (cat, tree)",
    },
    "a verb after two nouns": {"elephants and several other animals near a lake": "near (elephant, lake)"},
    "a place": {"spreading butter on a slice of toast": "on (butter, toast)"},
}
WRONG = {
    "a girl holding a blue umbrella and a woman carrying a white bag": {"carry (umbrella, bag)", "carry (girl, bag)"},
    "a dog chasing a ball and a cat climbing a tree": {"climb (ball, tree)", "climb (dog, tree)"},
}


@pytest.mark.parametrize(("caption", "wanted"), [pair for kind in KINDS.values() for pair in kind.items()])
def test_long_captions_read_right(parser, caption, wanted):
    found = set(spoken(parser.parse([caption])[0])["relations"])
    assert wanted in found


@pytest.mark.parametrize("caption", WRONG)
def test_of_two_clauses_each_keeps_its_own_subject(parser, caption):
    assert not WRONG[caption] & set(spoken(parser.parse([caption])[0])["relations"])
