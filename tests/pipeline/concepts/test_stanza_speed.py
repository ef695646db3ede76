"""The quick ways of stanza and spaCy against the plain ones: the same trees, the same concepts."""

from itertools import product

import numpy as np
import pytest
from stanza.models.depparse import model

from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.annotate.stanza_speed import best_tree, greedy_trees
from hspcgan.pipeline.toybirds.captions import captions
from hspcgan.pipeline.toybirds.scene import sample_scenes

NAMES = [
    "John and his wife attend a party in Paris.",
    "Will runs",
    "a man in New York",
    "mary sleeps",
    "Train on tracks",
]


def is_tree(heads: tuple[int, ...]) -> bool:
    def reaches_root(word: int) -> bool:
        for _ in heads:
            word = heads[word - 1] if word else 0
        return word == 0

    return heads.count(0) == 1 and all(reaches_root(word) for word in range(1, len(heads) + 1))


def brute_force(scores: np.ndarray) -> tuple[int, ...]:
    """The best of all trees with one root: heads of words 1 …, by trying every one."""
    words = range(1, len(scores))
    trees = [heads for heads in product(range(len(scores)), repeat=len(words)) if is_tree(heads)]
    return max(trees, key=lambda heads: sum(scores[word, head] for word, head in zip(words, heads, strict=True)))


def test_best_trees_are_those_of_trying_all_and_of_stanzas_search():
    rng = np.random.default_rng(0)
    searched = 0

    def search(scores):
        nonlocal searched
        searched += 1
        return model.chuliu_edmonds_one_root(scores)

    for n in [2, 3, 4, 5] * 50:
        scores = rng.normal(size=(n, n)).astype(np.float32)
        before = scores.copy()
        heads = best_tree(scores, search)
        assert tuple(heads[1:]) == brute_force(before)
        assert np.array_equal(scores, before)
    assert 40 < searched < 160  # both ways were met


def test_greedy_trees_leaves_stanza_as_it_was():
    search = model.chuliu_edmonds_one_root
    with greedy_trees():
        assert model.chuliu_edmonds_one_root is not search
    assert model.chuliu_edmonds_one_root is search
    with pytest.raises(RuntimeError), greedy_trees():
        raise RuntimeError
    assert model.chuliu_edmonds_one_root is search


@pytest.mark.parametrize(("annotator", "shipped"), [("spacy", ""), ("stanza", "toy-stanza")])
def test_entity_types_are_those_of_a_pipeline_that_looks_for_names_everywhere(annotator, shipped):
    config = ParseConfig(annotator=annotator, model=shipped)
    texts = [*NAMES, *(caption.text for scene in sample_scenes(4, 3) for caption in captions(scene))]
    fast, plain = Parser(config), Parser(config, fast=False)
    assert "ner" in fast.nlp.disabled
    assert "ner" in plain.nlp.pipe_names
    found = fast.parse(texts)
    assert found == [plain.parse([text])[0] for text in texts]
    if annotator == "spacy":
        assert [e.text for e in found[0].entities] == ["person john", "wife", "party", "location paris"]
