"""The toy CLIPs: their losses against numbers by hand, their training, and the shipped weights' measures."""

import math
from dataclasses import replace

import pytest
import torch

from hspcgan.model.clip.frozen import FrozenClip, load_clip
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.toybirds.scene import COLOURS
from hspcgan.pipeline.toybirds.weights import build, clip_losses, toy_clip
from hspcgan.pipeline.toybirds.weights.clip_measures import bars
from hspcgan.pipeline.toybirds.weights.training_data import LOCATED, TrainingScenes
from hspcgan.pipeline.toybirds.weights.true_texts import FIELDS


def test_retrieval_loss_is_the_log_probability_of_all_true_partners_together():
    logits = torch.tensor([[0.0, math.log(3)], [math.log(2), 0.0]])
    held = torch.tensor([[True, True], [True, False]])
    texts = (0 + -math.log(2 / 3)) / 2  # row 0: all are true; row 1: e^log2 of 2 + 1
    images = (0 + -math.log(3 / 4)) / 2  # column 0: both true; column 1: 3 of 3 + 1
    assert clip_losses.retrieval_loss(logits, held).item() == pytest.approx((texts + images) / 2)


def test_texts_true_of_no_picture_drop_out_of_the_retrieval_loss():
    logits = torch.tensor([[0.0, 1.0], [5.0, 9.0]])
    held = torch.tensor([[False, True], [False, False]])
    by_text = math.log(1 + math.exp(-1))
    by_image = math.log(1 + math.exp(8))  # only picture 1 has a true text; the other text scores 9 against 1
    assert clip_losses.retrieval_loss(logits, held).item() == pytest.approx((by_text + by_image) / 2)


def test_naming_loss_is_cross_entropy_over_the_colours_of_parts_that_are_there():
    logits = torch.zeros(len(COLOURS) * 2, 1)  # two parts, rows in blocks of a colour
    held = torch.zeros_like(logits, dtype=torch.bool)
    held[3 * 2] = True  # part 0 has colour 3, part 1 is absent
    logits[3 * 2] = 2.0
    expected = math.log(math.exp(2) + len(COLOURS) - 1) - 2
    assert clip_losses.naming_loss(logits, held).item() == pytest.approx(expected, rel=1e-6)


def test_naming_loss_counts_every_part_alike_however_many_pictures_have_it():
    logits = torch.zeros(len(COLOURS) * 2, 3)
    held = torch.zeros_like(logits, dtype=torch.bool)
    held[0, :] = True  # all three pictures have part 0 in colour 0 …
    held[5 * 2 + 1, 2] = True  # … and one of them part 1, in colour 5, which is well known
    logits[5 * 2 + 1, 2] = 3.0
    rare = math.log(math.exp(3) + len(COLOURS) - 1) - 3
    assert clip_losses.naming_loss(logits, held).item() == pytest.approx((math.log(len(COLOURS)) + rare) / 2, rel=1e-6)


def test_phrase_loss_counts_the_true_and_the_false_of_a_phrase_alike():
    logits = torch.tensor([[0.0, 0.0, 0.0, math.log(3)]])
    held = torch.tensor([[True, True, True, False]])  # the one false picture weighs as much as the three true ones
    assert clip_losses.phrase_loss(logits, held).item() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-6)


def test_a_quieter_residual_stream_gives_the_same_features():
    recipe = replace(toy_clip.RECIPES["toy-scorer"], vision_width=64, vision_layers=3, text_layers=1)
    model = toy_clip.build(recipe)
    clip = FrozenClip(model, "test", sha256="")
    images = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        (tap,), features = clip.image_taps(images, blocks=(1,))
        toy_clip.scale_down_residuals(model.visual, 0.25)
        (quiet,), same = clip.image_taps(images, blocks=(1,))
    assert torch.allclose(quiet, 0.25 * tap, rtol=1e-2, atol=1e-3)
    assert torch.allclose(same, features, rtol=1e-2, atol=1e-3)


def test_locating_loss_asks_for_colours_only_where_a_thing_is_seen():
    width = 1 + len(COLOURS)
    guesses = torch.zeros(1, 2, 1, len(LOCATED), width)
    places = torch.zeros(1, len(LOCATED), 2, 1)
    places[0, 3, 0, 0] = 0.5  # a beak fills half of the upper patch
    guesses[0, 0, 0, 3, 1 + 4] = 2.0  # it is taken for yellow, which it is
    colours = torch.full((1, len(LOCATED)), 4)
    named = math.log(math.exp(2) + len(COLOURS) - 1) - 2
    loss = clip_losses.locating_loss(guesses.flatten(3), places, colours)
    assert loss.item() == pytest.approx(named + math.log(2), rel=1e-6)  # all shares guessed at one half


def test_places_are_where_the_drawing_changes():
    pictures = TrainingScenes(40, seed=3, size=56, patch=8)
    beak, crown = (pictures.places[:, LOCATED.index(name)].sum(0) for name in ("beak", "crown"))
    down, across = torch.arange(7.0), torch.arange(7.0)
    assert (beak.sum(0) @ across) / beak.sum() > (crown.sum(0) @ across) / crown.sum() + 0.5  # birds face right
    assert (beak.sum(1) @ down) / beak.sum() > (crown.sum(1) @ down) / crown.sum() + 0.5  # the crown is above
    absent = pictures.bits[:, FIELDS.index("beak")] == 0
    assert absent.any()
    assert pictures.places[absent, LOCATED.index("beak")].sum() == 0
    assert 0 < pictures.places.max() <= 1


def test_the_patch_transform_sees_every_pattern_of_a_patch_when_it_is_wide_enough():
    transform = toy_clip._cosines(8, 192).flatten(1)
    unit = transform / transform.norm(dim=1, keepdim=True)
    assert torch.allclose(unit @ unit.T, torch.eye(192), atol=1e-5)
    narrow = toy_clip._cosines(8, 128).flatten(1)
    gray = torch.randn(64).repeat(
        3
    )  # any pattern of brightness comes back from 128 features, the colours' finest do not
    seen = narrow / narrow.norm(dim=1, keepdim=True)
    assert torch.allclose(seen.T @ (seen @ gray), gray, atol=1e-4)
    flat = torch.tensor([1.0, 0.0, 0.0]).repeat_interleave(64)
    assert torch.allclose(seen.T @ (seen @ flat), flat, atol=1e-4)


def test_a_short_training_gives_a_state_dict_that_openais_own_builder_loads(tmp_path):
    from clip.model import build_model

    recipe = replace(toy_clip.RECIPES["toy-scorer"], vision_width=64, vision_layers=1, text_layers=1, scenes=20,
                     batch=8, steps=2)  # fmt: skip
    toy_clip.save(toy_clip.train(recipe), tmp_path / "clip.pt")
    network = build_model(torch.load(tmp_path / "clip.pt", weights_only=True)).float()
    loaded = load_clip(tmp_path / "clip.pt")
    tokens, _ = loaded.tokenize(["a red bird"])
    padded = torch.nn.functional.pad(tokens, (0, 77 - tokens.shape[1]))
    assert torch.allclose(network.encode_text(padded), loaded.encode_text(tokens)[0], atol=1e-5)


def test_shipped_weights_are_as_listed():
    assert build.verify() == []


@pytest.mark.parametrize("name", ["toy-clip", "toy-scorer"])
def test_shipped_clips_hold_their_bars_on_unseen_scenes(name):
    measures = bars(load_clip(weights_path(name)), scenes=1000)
    assert measures["recall"] >= 0.95 * measures["oracle"]
    low = {what: value for what, value in measures.items() if "/" in what and value < 0.90}
    assert not low
