"""Scene graphs against gold: SPICE F1 and set match by hand."""

import json
import random

import pytest
from helpers.cli import hspcgan
from helpers.corpus import bounded

from hspcgan.pipeline.graphs import score


@pytest.fixture
def wordnet_folder(tmp_path):
    """dog and hound share a synset; so do large and big; mice is irregular."""
    synsets = {"dog": "1 2", "hound": "2 3", "large": "4", "big": "4", "mouse": "5", "box": "6", "ride": "7", "is": "8"}
    (tmp_path / "english.synsets").write_text("".join(f"{word}\n{ids}\n" for word, ids in synsets.items()))
    (tmp_path / "english.exceptions").write_text("mouse\nmice\n")
    return tmp_path


@pytest.fixture
def wordnet(wordnet_folder):
    return score.WordNet.load(wordnet_folder)


def test_words_are_reduced_to_known_nouns(wordnet):
    lemmas = {"dogs": "dog", "boxes": "box", "mice": "mouse", "gas": "gas", "dog": "dog", "zorks": "zorks"}
    assert {word: wordnet.lemma(word) for word in lemmas} == lemmas
    assert score.WordNet().lemma("dogs") == "dogs"


def test_a_graph_is_lower_case_lemmas_without_blank_parts(wordnet):
    assert wordnet.graph([["Dogs", "ride", "big  boxes"], ["dog", " ", "box"], []]) == {("dog", "ride", "big box")}


def test_propositions_are_objects_attributes_and_relations():
    graph = {("man", "ride", "horse"), ("horse", "is", "big"), ("sky",), ("sky", "blue")}
    assert score.propositions(graph) == [
        ("horse",), ("horse", "big"), ("man",), ("man", "ride", "horse"), ("sky",), ("sky", "blue"),
    ]  # fmt: skip


def test_spice_by_hand(wordnet):
    gold = {("hound", "is", "large"), ("hound", "ride", "box")}  # 4 propositions
    predicted = {("dog", "is", "big"), ("dog", "on", "box")}  # 4, of which the relation is wrong: P = R = 3/4
    assert score.spice(predicted, gold, wordnet) == pytest.approx(0.75)
    assert score.spice(predicted, gold, score.WordNet()) == pytest.approx(1 / 4)  # the box alone
    assert score.spice(gold, gold, wordnet) == 1
    assert score.spice({("sky",)}, gold, wordnet) == 0
    assert score.spice(set(), gold, wordnet) == 0


def test_what_only_restates_something_counts_once(wordnet):
    # dog and hound are one proposition: 1 of 1 predicted, 1 of 2 gold
    assert score.spice({("dog",), ("hound",)}, {("dog",), ("box",)}, wordnet) == pytest.approx(2 / 3)


def test_each_gold_proposition_is_matched_once():
    words = score.WordNet({"a": frozenset({1}), "b": frozenset({1, 2}), "c": frozenset({2})})
    # b equals b first, so that a and c, which are not alike, stay unmatched: 1 of 2 and 1 of 1 after merging a into b
    assert score.spice({("b",), ("c",)}, {("b",)}, words) == 1  # c restates b
    assert score.spice({("a",), ("c",)}, {("b",)}, words) == pytest.approx(2 / 3)


def brute_force(predicted, gold, words):
    """SPICE by comparing all pairs."""
    ours, theirs = [], []
    for graph, kept in ((predicted, ours), (gold, theirs)):
        for one in score.propositions(graph):
            if not any(words.are_synonymous(one, other) for other in kept):
                kept.append(one)
    hits, left = len({*ours} & {*theirs}), [one for one in theirs if one not in ours]
    for one in ours:
        match = next((other for other in left if one not in theirs and words.are_synonymous(one, other)), None)
        if match:
            left.remove(match)
            hits += 1
    return 2 * hits / (len(ours) + len(theirs)) if hits else 0.0


def test_the_score_is_that_of_all_pairs_compared():
    rng = random.Random(3)
    letters = "abcdefghij"
    for _ in range(200):
        words = score.WordNet({word: frozenset(rng.sample(range(9), rng.randint(1, 3))) for word in letters[:8]})
        graphs = [
            {tuple(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 12))} for _ in range(2)
        ]
        assert score.spice(*graphs, words) == brute_force(*graphs, words)


def test_a_graph_of_many_tuples_is_scored_in_seconds():
    words = score.WordNet({f"w{n}": frozenset({n, n + 1}) for n in range(0, 100, 2)})
    many = {("bird", f"has w{n % 100}", f"part{n}") for n in range(20_000)}
    with bounded():
        assert score.spice(many, many | {("sky",)}, words) == pytest.approx(2 * 40_001 / 80_003)


def files(tmp_path, predictions, gold):
    lines = [json.dumps({"caption": caption, "tuples": tuples}) for caption, tuples in predictions]
    (tmp_path / "out.jsonl").write_text("\n".join(lines) + "\n", encoding="utf8")
    (tmp_path / "gold.csv").write_text("caption,scene_graph\n" + gold, encoding="utf8")
    return [str(tmp_path / "out.jsonl"), str(tmp_path / "gold.csv")]


def test_the_command_prints_both_figures_and_counts_what_is_missing(tmp_path, wordnet_folder):
    gold = '"a dog","( dog )"\n" big dogs ","( dogs , is , big )"\nthree,"( box , in , box ) , ( box , is , 3 )"\n'
    predictions = [["a dog", [["dog"]]], ["big dogs", [["dog", "is", "large"]]]]
    paths = files(tmp_path, predictions, gold)
    result = hspcgan("graphs", *paths, "--wordnet", str(wordnet_folder))
    assert result.exit_code == 0, result.output
    # SPICE: 1, 1 and 0 of 3; equal sets: the first alone, as large is no big
    assert "3 captions, 1 without a prediction, SPICE F1 66.67, set match 33.33" in result.output
    plain = hspcgan("graphs", *paths)
    # without WordNet, "dogs" is no "dog"
    assert "SPICE F1 33.33, set match 33.33 (words as written)" in plain.output


def test_a_folder_without_wordnet_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"english\.synsets and english\.exceptions missing.*--wordnet"):
        score.WordNet.load(tmp_path)
