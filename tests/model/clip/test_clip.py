"""Frozen CLIP against OpenAI's own forward passes, and the refusals of its loader."""

import hashlib
import warnings

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from helpers.models.networks import random_clip_state
from torch import nn

from hspcgan.model.clip.block import fold_quick_gelu
from hspcgan.model.clip.file import openai_clip
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.clip.openai_package import MAX_WORD, published_urls, tokenizer

TEXTS = ["a bird", "a large yellow bird with a blue belly is perched on a branch", "red"]


@pytest.fixture(scope="module")
def official(tiny_clip_path):
    return openai_clip().model.build_model(torch.load(tiny_clip_path, weights_only=True)).float()


def official_patches(network, x, edit=None):
    """OpenAI's modules on patch features [B, D, g, g]; `edit` maps block numbers to functions around a block."""
    visual = network.visual
    x = x.flatten(2).permute(0, 2, 1)
    x = torch.cat([visual.class_embedding.repeat(len(x), 1, 1), x], dim=1) + visual.positional_embedding
    x = visual.ln_pre(x).permute(1, 0, 2)
    for number, block in enumerate(visual.transformer.resblocks):
        x = edit[number](block, x) if edit and number in edit else block(x)
    return x.permute(1, 2, 0)[:, :, 1:].unflatten(2, (7, 7))


def test_text_features_are_those_of_openai(tiny_clip, official):
    ids = openai_clip().tokenize(TEXTS)
    kept = []
    hook = official.ln_final.register_forward_hook(lambda module, given, result: kept.append(result))
    expected = official.encode_text(ids)
    hook.remove()
    sentence, tokens = tiny_clip.encode_text(ids)
    torch.testing.assert_close(sentence, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens, kept[0] @ official.text_projection, atol=1e-5, rtol=0)


def test_trimming_the_context_changes_nothing(tiny_clip):
    trimmed, _ = tiny_clip.tokenize(TEXTS)
    full = openai_clip().tokenize(TEXTS)
    assert trimmed.shape[1] < full.shape[1] == tiny_clip.context_length
    torch.testing.assert_close(tiny_clip.encode_text(trimmed)[0], tiny_clip.encode_text(full)[0], atol=1e-5, rtol=0)


def test_tokens_are_those_of_openai_and_truncation_is_reported(tiny_clip):
    texts = [*TEXTS, "blue " * 75, "blue " * 76]
    ids, truncated = tiny_clip.tokenize(texts)
    assert torch.equal(ids, openai_clip().tokenize(texts, truncate=True).long())
    assert truncated.tolist() == [False, False, False, False, True]


def test_a_word_of_thousands_of_letters_is_tokenized_in_parts_with_the_same_beginning(tiny_clip):
    letters = np.random.default_rng(1).choice(list("etaoin shrdlu"[:6]), 2500)
    texts = ["".join(letters), "a" * 10_000, f"a red {'bird' * 600} sits", "红色的鸟" * 300]
    ids, truncated = tiny_clip.tokenize(texts)
    assert torch.equal(ids, openai_clip().tokenize(texts, truncate=True).long())
    assert truncated.all()
    assert max(map(len, tokenizer().cache)) <= MAX_WORD


@pytest.mark.parametrize(
    "word", ["<|endoftext|>", "<|startoftext|>", "<|EndOfText|>", "&lt;|endoftext|&gt;", "＜|endoftext|＞"]
)
def test_a_control_token_in_a_text_is_plain_text(tiny_clip, word):
    begin, end = 49406, 49407
    ids = tiny_clip.tokenize([f"a bird {word} red"])[0][0].tolist()
    assert (ids[0], ids[-1], ids.count(begin), ids.count(end)) == (begin, end, 1, 1)
    assert ids[-2] == tiny_clip.tokenize(["red"])[0][0, 1]
    name = word.split("|")[1]
    assert ids == tiny_clip.tokenize([f"a bird <| {name} |> red"])[0][0].tolist()
    red, blue = tiny_clip.encode_text(tiny_clip.tokenize([f"a {word} red bird", f"a {word} blue bird"])[0])[0]
    assert not torch.equal(red, blue)


@pytest.mark.parametrize("reference", ["&#{};", "&amp;#{};", "&#{} "])
def test_a_reference_to_a_character_with_a_huge_number_is_a_replacement_character(tiny_clip, reference):
    short, long = (f"a {reference.format('9' * digits)}bird" for digits in (20, 9000))
    (short_ids, long_ids), _ = tiny_clip.tokenize([short, long])
    assert torch.equal(short_ids, long_ids)


def test_a_context_too_long_is_rejected(tiny_clip):
    with pytest.raises(ValueError, match="length 78 exceed CLIP's context length of 77"):
        tiny_clip.encode_text(torch.ones(1, 78, dtype=torch.int64))


def test_image_features_and_taps_are_those_of_openai(tiny_clip, official):
    pixels = torch.rand(2, 3, 56, 56)
    outputs = {}
    for number in (1, 4, 8):
        official.visual.transformer.resblocks[number].register_forward_hook(
            lambda module, given, result, number=number: outputs.__setitem__(number, result)
        )
    normalised = TF.normalize(pixels, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    expected = official.encode_image(normalised)
    taps, features = tiny_clip.image_taps(pixels * 2 - 1)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny_clip.image_features(pixels * 2 - 1), expected, atol=1e-5, rtol=0)
    assert [tap.shape for tap in taps] == [(2, 64, 7, 7)] * 3
    for tap, only, number in zip(taps, tiny_clip.taps_only(pixels * 2 - 1), (1, 4, 8), strict=True):
        assert torch.equal(tap, only)
        place = outputs[number][1 + 2 * 7 + 3]  # row 2, column 3 of the grid, behind the class token
        torch.testing.assert_close(tap[:, :, 2, 3], place, atol=1e-5, rtol=0)


def test_images_of_another_size_are_resized_with_antialiasing(tiny_clip):
    images = torch.rand(1, 3, 112, 80) * 2 - 1
    resized = TF.resize(images, [56, 56], TF.InterpolationMode.BICUBIC, antialias=True)
    torch.testing.assert_close(tiny_clip.image_features(images), tiny_clip.image_features(resized))


def test_appended_prompts_pass_openais_blocks_as_an_extra_token(tiny_clip, official):
    bridge, prompts = torch.randn(2, 64, 7, 7), torch.randn(2, 2, 64)

    def appended(i):
        return lambda block, x: block(torch.cat([x, prompts[None, :, i]]))[:-1]

    expected = official_patches(official, bridge, {1: appended(0), 2: appended(1)})
    torch.testing.assert_close(tiny_clip.prompted(bridge, prompts, None, [1, 2], None), expected, atol=1e-4, rtol=0)


def test_a_gate_mixes_the_prompt_into_the_class_token(tiny_clip, official):
    bridge, prompts = torch.randn(2, 64, 7, 7), torch.randn(2, 1, 64)

    def mixed(block, x):
        return block(torch.cat([0.75 * x[:1] + 0.25 * prompts[None, :, 0], x[1:]]))

    expected = official_patches(official, bridge, {3: mixed})
    got = tiny_clip.prompted(bridge, prompts, None, [3], lambda slot, cls, prompt: torch.full((2, 1), 0.25))
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("gate", [None, lambda slot, cls, prompt: torch.full((2, 1), 0.7)])
def test_a_block_with_an_empty_slot_runs_as_without_prompt(tiny_clip, official, gate):
    bridge, prompts = torch.randn(2, 64, 7, 7), 50 * torch.randn(2, 2, 64)
    got = tiny_clip.prompted(bridge, prompts, torch.zeros(2, 2, dtype=torch.bool), [1, 5], gate)
    torch.testing.assert_close(got, official_patches(official, bridge), atol=1e-4, rtol=0)


def test_weights_are_frozen_but_gradients_reach_the_pixels(tiny_clip):
    images = torch.zeros(1, 3, 56, 56, requires_grad=True)
    tiny_clip.image_features(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in tiny_clip.parameters())


def test_loading_keeps_hash_name_and_shape(tiny_clip, tiny_clip_path):
    assert tiny_clip.sha256 == hashlib.sha256(tiny_clip_path.read_bytes()).hexdigest()
    assert tiny_clip.name == "tiny-clip"
    assert (tiny_clip.embed_dim, tiny_clip.width, tiny_clip.grid, tiny_clip.layers) == (32, 64, 7, 12)
    assert (tiny_clip.patch, tiny_clip.resolution, tiny_clip.context_length) == (8, 56, 77)


@pytest.fixture(scope="module")
def archive(official, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "traced.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(official, (torch.zeros(1, 3, 56, 56), openai_clip().tokenize("a"))).save(str(path))
    return path


def test_a_torchscript_archive_is_opened_only_when_verified_or_allowed(archive, tiny_clip, monkeypatch):
    with pytest.raises(ValueError, match="TorchScript archive, which can contain code"):
        load_clip(archive)
    allowed = load_clip(archive, allow_unverified=True)
    ids, _ = tiny_clip.tokenize(TEXTS)
    assert torch.equal(allowed.encode_text(ids)[0], tiny_clip.encode_text(ids)[0])
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(published_urls(), "ViT-X", f"https://example.org/{sha256}/x.pt")
    assert load_clip(archive).name == "ViT-X"


def test_a_resnet_is_rejected_with_the_reason(tmp_path):
    network = openai_clip().model.CLIP(32, 32, (1, 1, 1, 1), 2, None, 77, 100, 64, 1, 1)
    torch.save(network.state_dict(), tmp_path / "rn.pt")
    with pytest.raises(ValueError, match="ResNet: it has no class token"):
        load_clip(tmp_path / "rn.pt")


def test_files_that_are_not_a_clip_are_rejected(tmp_path):
    with pytest.raises(ValueError, match="not found"):
        load_clip(tmp_path / "none.pt")
    (tmp_path / "noise.pt").write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="cannot be read as CLIP weights"):
        load_clip(tmp_path / "noise.pt")
    torch.save(random_clip_state(layers=1), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot be read as CLIP weights"):
        load_clip(tmp_path / "cut.pt")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pt")
    with pytest.raises(ValueError, match="not a CLIP state dict"):
        load_clip(tmp_path / "linear.pt")
    state = random_clip_state(layers=1)
    del state["ln_final.weight"]
    torch.save(state, tmp_path / "lacking.pt")
    with pytest.raises(ValueError, match="does not match OpenAI's CLIP"):
        load_clip(tmp_path / "lacking.pt")


def test_a_folded_network_computes_what_openais_does(tiny_clip_path, official):
    folded = load_clip(tiny_clip_path)
    fold_quick_gelu(folded.network)
    fold_quick_gelu(folded.network)  # the second time must change nothing
    assert not any("QuickGELU" in type(module).__name__ for module in folded.network.modules())
    torch.manual_seed(5)
    pixels = torch.randn(3, 3, folded.resolution, folded.resolution)
    mean, std = folded.pixel_mean, folded.pixel_std
    expected = official.encode_image(((pixels + 1) / 2 - mean) / std)
    torch.testing.assert_close(folded.image_features(pixels), expected, atol=1e-5, rtol=1e-5)
    ids = openai_clip().tokenize(TEXTS)
    torch.testing.assert_close(folded.encode_text(ids)[0], official.encode_text(ids), atol=1e-5, rtol=1e-5)
