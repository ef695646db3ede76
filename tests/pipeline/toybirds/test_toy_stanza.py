"""The toy treebank is a treebank; stanza trains on it offline; the shipped models give the gold concept sets."""

import json
import logging
import re
import socket
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from hspcgan.pipeline.concepts.annotate.stanza import Stanza
from hspcgan.pipeline.concepts.concept_types import Token
from hspcgan.pipeline.concepts.config import ParseConfig
from hspcgan.pipeline.concepts.extract.concept_sets import concepts_from_tokens
from hspcgan.pipeline.concepts.parser import Parser
from hspcgan.pipeline.toybirds import grammar
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import sample_scenes
from hspcgan.pipeline.toybirds.weights import toy_stanza, treebank

SHIPPED = Path(str(resources.files("hspcgan.pipeline.assets"))) / "toy-stanza"


@pytest.fixture(scope="module")
def spoken():
    return [caption for scene in sample_scenes(80, 5) for caption in captions(scene)]


@pytest.fixture(scope="module")
def shipped():
    return Stanza(str(SHIPPED))


def assert_tree(text, tokens):
    """One root, heads in range, no cycle, no crossing arcs, spans that are the words."""
    heads = [token.head for token in tokens]
    assert heads.count(-1) == 1
    assert [token.deprel for token in tokens].count("root") == 1
    assert all(-1 <= head < len(tokens) for head in heads)
    for i in range(len(tokens)):
        seen = []
        while i >= 0:
            assert i not in seen
            seen.append(i)
            i = heads[i]
    arcs = [sorted((i, head)) for i, head in enumerate(heads) if head >= 0]
    assert not [(a, b) for a in arcs for b in arcs if a[0] < b[0] < a[1] < b[1]]
    assert [text[token.start : token.end] for token in tokens] == [token.text for token in tokens]


def test_gold_annotations_are_projective_trees(spoken):
    for caption in spoken:
        assert_tree(caption.text, caption.tokens)


def test_stanza_reads_the_gold_conllu_back(spoken):
    from stanza.utils.conll import CoNLL

    document = CoNLL.conll2doc(input_str="".join(grammar.conllu(c.text, c.tokens) for c in spoken[:40]))
    for sentence, caption in zip(document.sentences, spoken[:40], strict=True):
        assert sentence.text == caption.text
        read = [(w.text, w.lemma, w.upos, w.xpos, w.head - 1, w.deprel) for w in sentence.words]
        assert read == [(t.text, t.lemma, t.upos, t.xpos, t.head, t.deprel) for t in caption.tokens]


def test_rules_on_gold_annotations_give_the_gold_concept_sets(spoken):
    for caption in spoken:
        tokens = [Token(t.text, t.lemma, t.upos, t.xpos, t.head, t.deprel, t.start, t.end) for t in caption.tokens]
        assert toy_stanza.found_sets(concepts_from_tokens(tokens)) == toy_stanza.gold_sets(caption)


def test_gold_sets_of_one_caption_by_hand():
    pattern = re.compile(r"this (\w+) bird has (\w+) wings and a crest")
    caption = next(c for scene in sample_scenes(3000, 9) for c in captions(scene) if pattern.fullmatch(c.text))
    said, colour = pattern.fullmatch(caption.text).groups()
    entities, attributes, relations = toy_stanza.gold_sets(caption)
    assert entities == {("bird", 2): 1, ("wing", 5): 1, ("crest", 8): 1}
    assert attributes == {(said, 2): 1, (colour, 5): 1}
    assert relations == {("have", 2, 5): 1, ("have", 2, 8): 1, ("and", 5, 8): 1}


@pytest.mark.parametrize("vary", treebank.VARIATIONS, ids=lambda vary: vary.__name__)
def test_variations_stay_projective_trees(vary, spoken):
    rng = np.random.default_rng(0)
    texts = set()
    for caption in spoken:
        text, tokens, _ = grammar.linearise(vary(treebank.tree(caption.tokens), rng))
        assert_tree(text, tokens)
        texts.add(text)
    assert texts != {caption.text for caption in spoken}


def test_variations_say_what_their_examples_say(spoken):
    rng = np.random.default_rng(0)

    def varied(vary, caption):
        return grammar.linearise(vary(treebank.tree(caption.tokens), rng))[0]

    perched = next(c for c in spoken if "is perched" in c.text and " has " not in c.text)
    assert varied(treebank.reduced, perched) == perched.text.replace(" is perched", " perched")
    assert varied(treebank.placed, perched) == perched.text.replace(" is perched on", " on")
    assert varied(treebank.telegram, perched) == re.sub(r"\b(an?|the) ", "", perched.text)
    has = next(c for c in spoken if re.match(r"this \w+ bird has", c.text))
    assert varied(treebank.relative, has) in (has.text.replace(" has", f" {word} has") for word in ("that", "which"))
    assert varied(treebank.pronoun, has) == re.sub(r"this \w+ bird", "it", has.text)


def test_paragraphs_hold_every_text_once_and_do_not_depend_on_scene_order():
    scenes = sample_scenes(30, 3)
    made = treebank.paragraphs(scenes, seed=1)
    assert sum(map(len, made)) == len({c.text for scene in scenes for c in captions(scene)})
    assert {len(sentences) for sentences in made} == {1, 2}
    assert treebank.paragraphs(scenes[::-1], seed=1) == made
    for sentences in made:
        for sentence in sentences:
            assert_tree(sentence.text, sentence.tokens)


# stanza's scorer leaves the file of gold trees to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_training_writes_models_that_load_by_path(tmp_path, monkeypatch):
    few = {"tokenize": " --steps 2 --eval_steps 2", "lemma": "", "pos": " --max_steps 2 --eval_interval 2"}
    few["depparse"] = few["pos"]
    stages = {name: (module, options + few[name]) for name, (module, options) in toy_stanza.STAGES.items()}
    monkeypatch.setattr(toy_stanza, "STAGES", stages)
    monkeypatch.setattr(socket, "socket", _refused)
    work = tmp_path / "tmp__of_any_name"  # stanza makes one "_" of "__" in the name of what it saves
    work.mkdir()
    monkeypatch.setattr(toy_stanza.tempfile, "tempdir", str(work))
    level = logging.getLogger("stanza").level
    toy_stanza.train(tmp_path / "models", scenes=8, seed=1)
    assert logging.getLogger("stanza").level == level
    card = json.loads((tmp_path / "models" / "card.json").read_text())
    assert list(card["models"]) == ["tokenize", "pos", "lemma", "depparse"]
    for name in card["models"]:
        saved = torch.load(tmp_path / "models" / f"{name}.pt", weights_only=True)
        assert all(tensor.dtype == torch.float16 for tensor in (saved["model"] or {}).values())
        assert str(Path(toy_stanza.tempfile.gettempdir())) not in str(saved["config"])
    assert Stanza(str(tmp_path / "models")).annotate(["a red bird"])[0]


def test_slim_says_that_a_training_left_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pos\.pt"):
        toy_stanza.save_half_precision(tmp_path / "pos.pt", tmp_path / "slim.pt")


def _refused(*_, **__):
    raise AssertionError("the network was asked for")


def test_shipped_models_load_offline_and_are_small(monkeypatch):
    monkeypatch.setattr(socket, "socket", _refused)
    assert Stanza(str(SHIPPED)).annotate(["a red bird"])[0][2].lemma == "bird"
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 3e6


def test_shipped_models_give_the_gold_sets_of_unseen_captions():
    scenes = [scene for scene in sample_scenes(200, 990) if scene.split == "test"][:25]
    parser = Parser(ParseConfig(annotator="stanza", model=str(SHIPPED)))
    assert toy_stanza.accuracy(parser, scenes) >= 0.99


@pytest.mark.parametrize("typed", [
    "a large yellow bird with a blue belly is perched on a branch",
    "a large yellow bird with a blue belly is perched on a branch.",
    "A large yellow bird with a blue belly is perched on a branch",
    "A large yellow bird with a blue belly perched on a branch.",
    "Large yellow bird with blue belly perched on branch",
])  # fmt: skip
def test_shipped_models_read_what_people_type(shipped, typed):
    concepts = concepts_from_tokens(shipped.annotate([typed])[0])
    heads = [entity.head for entity in concepts.entities]
    assert heads == ["bird", "belly", "branch"]
    assert [(a.text, heads[a.entity]) for a in concepts.attributes] == [
        ("large", "bird"), ("yellow", "bird"), ("blue", "belly"),
    ]  # fmt: skip
    assert [(heads[r.subject], r.text, heads[r.object]) for r in concepts.relations] == [
        ("bird", "with", "belly"), ("bird", "perch on", "branch"),
    ]  # fmt: skip


def test_shipped_models_tell_two_sentences_apart(shipped):
    tokens = shipped.annotate(["The red bird flies in the sky. It has a long black beak."])[0]
    assert [token.text for token in tokens if token.head < 0] == ["flies", "has"]
    assert [token.text for token in tokens if token.upos == "PUNCT"] == [".", "."]
