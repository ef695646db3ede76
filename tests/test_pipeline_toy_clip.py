"""The toy CLIPs: their losses against numbers by hand, their training, and the shipped weights' measures."""

import math
from dataclasses import replace

import pytest
import torch

from hspcgan.model.clip import load_clip
from hspcgan.pipeline.manifest import weights_path
from hspcgan.pipeline.toybirds import assets, toy_clip
from hspcgan.pipeline.toybirds.clip_bars import bars
from hspcgan.pipeline.toybirds.scene import COLOURS


def test_retrieval_loss_is_the_log_probability_of_all_true_partners_together():
    logits = torch.tensor([[0.0, math.log(3)], [math.log(2), 0.0]])
    held = torch.tensor([[True, True], [True, False]])
    texts = (0 + -math.log(2 / 3)) / 2  # row 0: all are true; row 1: e^log2 of 2 + 1
    images = (0 + -math.log(3 / 4)) / 2  # column 0: both true; column 1: 3 of 3 + 1
    assert toy_clip.retrieval_loss(logits, held).item() == pytest.approx((texts + images) / 2)


def test_texts_true_of_no_picture_drop_out_of_the_retrieval_loss():
    logits = torch.tensor([[0.0, 1.0], [5.0, 9.0]])
    held = torch.tensor([[False, True], [False, False]])
    by_text = math.log(1 + math.exp(-1))
    by_image = math.log(1 + math.exp(8))  # only picture 1 has a true text; the other text scores 9 against 1
    assert toy_clip.retrieval_loss(logits, held).item() == pytest.approx((by_text + by_image) / 2)


def test_naming_loss_is_cross_entropy_over_the_colours_of_parts_that_are_there():
    logits = torch.zeros(len(COLOURS) * 2, 1)  # two parts, rows in blocks of a colour
    held = torch.zeros_like(logits, dtype=torch.bool)
    held[3 * 2] = True  # part 0 has colour 3, part 1 is absent
    logits[3 * 2] = 2.0
    expected = math.log(math.exp(2) + len(COLOURS) - 1) - 2
    assert toy_clip.naming_loss(logits, held).item() == pytest.approx(expected, rel=1e-6)


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
    assert assets.verify() == []


@pytest.mark.parametrize("name", ["toy-clip", "toy-scorer"])
def test_shipped_clips_tell_places_and_body_colours_on_unseen_scenes(name):
    measures = bars(load_clip(weights_path(name)), scenes=200)
    assert all(measures[f"presence/{place}"] >= 0.9 for place in ("branch", "grass", "water", "sky"))
    assert measures["colour/body"] >= 0.7
    assert measures["recall"] > 20 / 100  # chance is 1 in 100
