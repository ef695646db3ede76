"""The contrastive term and its wrong captions: those of the batch, and an image's own with one word swapped."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from hspcgan.train import loop
from hspcgan.train.config import TrainConfig
from hspcgan.train.step import losses
from hspcgan.train.step.clock import Clock
from hspcgan.train.step.word_swaps import WordSwaps

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = [["caption", "words"], ["bird", "fish", "tree"], ["red", "blue"]]  # no caption of the tests' cache has a colour


def swaps(*groups: tuple[str, ...], texts=()) -> WordSwaps:
    return WordSwaps(groups, pa.chunked_array([list(texts)], pa.string()), numbered)


def numbered(texts):
    """Stands for CLIP's tokenizer: one number per word, padded."""
    rows = [[sum(map(ord, word)) for word in text.split()] for text in texts]
    length = max(map(len, rows))
    return torch.tensor([row + [0] * (length - len(row)) for row in rows]), torch.zeros(len(rows), dtype=torch.bool)


@pytest.mark.parametrize(
    ("text", "group", "place", "other", "expected"),
    [
        ("a bird with a short beak", ("short", "long"), 0.0, 0.0, "a bird with a long beak"),
        ("a red bird", ("red", "orange"), 0.5, 0.5, "an orange bird"),
        ("an orange bird", ("red", "orange"), 0.5, 0.5, "a red bird"),
        ("Orange wings", ("red", "orange"), 0.5, 0.5, "red wings"),
        ("a red bird with blue wings", ("red", "blue", "pink"), 0.0, 0.0, "a blue bird with blue wings"),
        ("a red bird with blue wings", ("red", "blue", "pink"), 0.5, 0.5, "a red bird with pink wings"),
        ("a red bird with blue wings", ("red", "blue", "pink"), 0.99, 0.49, "a red bird with red wings"),
        ("a redder bird", ("red", "blue"), 0.0, 0.0, None),
        ("it sits on top of a car", ("on top of", "under"), 0.0, 0.0, "it sits under a car"),
    ],
)
def test_one_word_is_replaced_by_another_of_its_group(text, group, place, other, expected):
    assert swaps(group).swapped(text, 0, place, other) == expected


def test_all_words_and_all_places_come_and_depend_on_seed_and_step_alone():
    made = swaps(("red", "blue", "pink"), ("short", "long"), texts=["a red bird and a blue bird"] * 500)
    tokens, there = made.tokens(np.arange(500), seed=3, step=7)
    assert there[:, 0].all()
    assert not there[:, 1].any()
    pairs = [("blue", "blue"), ("pink", "blue"), ("red", "red"), ("red", "pink")]
    wanted, _ = numbered([f"a {one} bird and a {other} bird" for one, other in pairs])
    assert {tuple(row) for row in tokens[:, 0].tolist()} == {tuple(row) for row in wanted.tolist()}
    assert torch.equal(tokens[:, 1], numbered(["a red bird and a blue bird"])[0].expand(500, -1))
    assert torch.equal(tokens, made.tokens(np.arange(500), seed=3, step=7)[0])
    assert not torch.equal(tokens, made.tokens(np.arange(500), seed=3, step=8)[0])
    assert not torch.equal(tokens, made.tokens(np.arange(500), seed=4, step=7)[0])


def test_a_batch_has_the_swapped_captions_of_its_rows(make_run):
    run = make_run(swap_words=WORDS, contrast=1.0)
    batch = run.batches.at(1)
    assert batch.swapped.shape[:2] == batch.has_swapped.shape == (4, 3)
    assert batch.has_swapped.any(axis=0).tolist() == [True, True, False]
    halves = batch.parts(2)
    assert torch.equal(torch.cat([half.swapped for half in halves]), batch.swapped)
    assert np.array_equal(np.concatenate([half.has_swapped for half in halves]), batch.has_swapped)


def test_other_captions_are_those_of_the_batch_and_the_encoded_swapped_ones(make_run):
    run = make_run(swap_words=WORDS, contrast=1.0)
    batch = run.batches.at(1)
    others, valid = loop.other_captions(run, batch)
    assert torch.equal(valid, torch.cat([batch.negatives, torch.from_numpy(batch.has_swapped)], dim=1))
    for row in range(4):
        assert torch.equal(others[row, :4], batch.sentences)
        for group in range(3):
            if batch.has_swapped[row, group]:
                expected = run.clip.encode_text(batch.swapped[row, group][None])[0][0]
                torch.testing.assert_close(others[row, 4 + group], expected)


def test_the_contrastive_term_equals_a_softmax_by_hand():
    rng = np.random.default_rng(0)
    image, own, others = rng.normal(size=(3, 8)), rng.normal(size=(3, 8)), rng.normal(size=(3, 5, 8))
    valid = rng.random((3, 5)) < 0.6
    valid[0] = False  # nothing to tell it from

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    terms = []
    for row in range(3):
        right = np.exp(cosine(image[row], own[row]) / 0.1)
        wrong = sum(np.exp(cosine(image[row], others[row, n]) / 0.1) for n in range(5) if valid[row, n])
        terms.append(-np.log(right / (right + wrong)))
    assert terms[0] == 0
    found = losses.contrastive(*map(torch.from_numpy, (image, own, others, valid)), temperature=0.1)
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("words", [[], WORDS])
def test_the_contrastive_term_raises_the_generators_loss_by_its_weight(make_run, words):
    plain, contrast = make_run(), make_run(swap_words=words, contrast=0.5, contrast_temperature=0.1)
    without = loop.train_step(plain, plain.batches.at(1), Clock())
    report = loop.train_step(contrast, contrast.batches.at(1), Clock())
    assert report["loss_g"].item() == pytest.approx(
        without["loss_g"].item() + 0.5 * report["contrast"].item(), rel=1e-5
    )
    assert report["contrast"].item() > 0


@pytest.mark.parametrize("words", [["short"], ["short", "Short"], ["short", ""]])
def test_a_group_needs_two_different_words(words):
    with pytest.raises(ValueError, match="swap_words"):
        TrainConfig.model_validate({"steps": 1, "swap_words": [words]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"swap_words": WORDS}, r"set train\.contrast, train\.mine_swaps"),
        ({"mine_swaps": True}, r"set train\.swap_words"),
        ({"mine_swaps": True, "swap_words": WORDS, "mining": "none"}, "set mining: mis"),
        ({"mine_swaps": True, "swap_words": WORDS, "hardest": "worst-pair"}, "hardest: per-image"),
    ],
)
def test_settings_of_swapped_words_must_fit_each_other(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate({"steps": 1, **settings})


def test_the_mined_caption_has_the_highest_score_among_batch_and_swapped_captions(make_run):
    """Compared with scoring each candidate of each row by itself."""
    run = make_run(swap_words=WORDS, mine_swaps=True)
    origins = set()
    for step in range(6):
        batch = run.batches.at(step)
        features = run.discriminator(run.real_taps(batch))
        mismatched = loop.mismatched_sentences(run, batch, features)
        for row in range(4):
            candidates = [batch.sentences[n] for n in range(4) if batch.negatives[row, n]]
            own = [
                run.clip.encode_text(batch.swapped[row, n][None])[0][0] for n in range(3) if batch.has_swapped[row, n]
            ]
            scores = [run.head(features[row][None], one[None]).item() for one in candidates + own]
            best = int(np.argmax(scores))
            torch.testing.assert_close(mismatched[row], (candidates + own)[best])
            origins.add("batch" if best < len(candidates) else "swapped")
    assert origins == {"batch", "swapped"}


def test_a_step_with_mined_swaps_computed_in_parts_equals_the_whole_step(make_run):
    """Each part mines the swapped captions of its own rows, so the parts add up to the whole batch."""
    whole = make_run(swap_words=WORDS, mine_swaps=True)
    halves = make_run(swap_words=WORDS, mine_swaps=True, accumulate=2)
    reports = [loop.train_step(run, run.batches.at(1), Clock()) for run in (whole, halves)]
    for name in ("mis", "real", "loss_d"):
        assert reports[0][name].item() == pytest.approx(reports[1][name].item(), rel=1e-5, abs=1e-6)


def test_swapped_captions_are_encoded_once_for_both_losses(make_run, monkeypatch):
    run = make_run(swap_words=WORDS, mine_swaps=True, contrast=0.5)
    encode, calls = run.clip.encode_text, []
    monkeypatch.setattr(run.clip, "encode_text", lambda tokens: calls.append(len(tokens)) or encode(tokens))
    batch = run.batches.at(1)
    loop.train_step(run, batch, Clock())
    assert calls == [int(batch.has_swapped.sum())]
