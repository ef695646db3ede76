"""Checkpoint folders: round trip, what the card holds, and refusals."""

import hashlib
import json
import shutil
import warnings

import pytest
import torch
from helpers.models.networks import random_condition

from hspcgan.model.checkpoint import load, read_card, save_weights
from hspcgan.model.clip.file import openai_clip
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build

CONFIG = ModelConfig(
    image_size=56,
    channels=(8, 8, 8, 8, 4),
    code_width=8,
    middle_width=4,
    adapter_blocks=1,
    discriminator_width=8,
    head_width=4,
)


@pytest.fixture(scope="module")
def networks(tiny_clip):
    torch.manual_seed(0)
    return build(CONFIG, tiny_clip, {"entity": torch.randn(32).numpy()})


@pytest.fixture
def saved(networks, tiny_clip, tmp_path):
    return save_weights(tmp_path / "run" / "step", *networks, CONFIG, tiny_clip, extra={"step": 4})


def test_a_saved_model_loads_unchanged(saved, networks, tiny_clip):
    loaded = load(saved, clip=tiny_clip)
    assert loaded.config == CONFIG
    assert loaded.card["extra"] == {"step": 4}
    for before, after in zip(networks, (loaded.generator, loaded.discriminator, loaded.head), strict=True):
        assert before.state_dict().keys() == after.state_dict().keys()
        assert all(
            torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True)
        )
    noise, condition = torch.randn(2, 100), random_condition(2)
    with torch.no_grad():
        assert torch.equal(loaded.generator(noise, condition), networks[0](noise, condition))


def test_the_clip_is_found_by_the_path_hint_or_given_by_path(saved, tiny_clip, tiny_clip_path):
    assert load(saved).clip.sha256 == tiny_clip.sha256
    assert load(saved, clip_path=tiny_clip_path).clip.sha256 == tiny_clip.sha256


def test_the_folder_holds_two_files_and_no_clip(saved, tiny_clip):
    assert sorted(file.name for file in saved.iterdir()) == ["model.json", "model.safetensors"]
    assert [file.name for file in saved.parent.iterdir()] == ["step"]
    card = read_card(saved)
    assert card["clip"]["sha256"] == tiny_clip.sha256
    assert card["weights"]["sha256"] == hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    parameters = sum(card["weights"]["parameters"].values())
    assert (saved / "model.safetensors").stat().st_size < 4 * parameters + 60_000


def test_half_precision_halves_the_file_and_loads_as_float32(saved, networks, tiny_clip, tmp_path):
    half = save_weights(tmp_path / "half", *networks, CONFIG, tiny_clip, half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (half, saved)]
    assert sizes[0] < 0.6 * sizes[1]
    loaded = load(half, clip=tiny_clip)
    expected = networks[1].main.conv_s.weight.half().float()
    assert torch.equal(loaded.discriminator.main.conv_s.weight, expected)


def test_saving_again_replaces_the_folder(saved, networks, tiny_clip):
    save_weights(saved, *networks, CONFIG, tiny_clip, extra={"step": 8})
    assert load(saved, clip=tiny_clip).card["extra"] == {"step": 8}
    assert [file.name for file in saved.parent.iterdir()] == ["step"]


def test_a_folder_with_other_things_in_it_is_not_replaced(saved, networks, tiny_clip):
    (saved / "thesis.tex").write_text("the only copy")
    with pytest.raises(
        ValueError, match=r"contains files that are not part of a checkpoint \(thesis\.tex\); give another folder"
    ):
        save_weights(saved, *networks, CONFIG, tiny_clip)
    assert (saved / "thesis.tex").read_text() == "the only copy"
    assert [file.name for file in saved.parent.iterdir()] == ["step"]


def test_weights_have_the_file_permissions_of_their_card(saved):
    """safetensors writes files that their owner alone can read."""
    assert (saved / "model.safetensors").stat().st_mode == (saved / "model.json").stat().st_mode


def test_an_unverified_clip_archive_opens_only_with_allow_unverified(networks, tiny_clip_path, tmp_path):
    network = openai_clip().model.build_model(torch.load(tiny_clip_path, weights_only=True)).float()
    example = (torch.zeros(1, 3, 56, 56), openai_clip().tokenize("a"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, example).save(str(tmp_path / "traced.pt"))
    clip = load_clip(tmp_path / "traced.pt", allow_unverified=True)
    path = save_weights(tmp_path / "step", *networks, CONFIG, clip)
    with pytest.raises(ValueError, match="give --allow-unverified"):
        load(path)
    assert load(path, allow_unverified=True).clip.sha256 == clip.sha256


def test_a_given_clip_is_loaded_again_for_unrounded_networks(networks, tiny_clip, tiny_clip_path, tmp_path):
    unrounded = load_clip(tiny_clip_path, rounded=False)
    assert not torch.equal(unrounded.network.text_projection, tiny_clip.network.text_projection)
    path = save_weights(tmp_path / "step", *networks, CONFIG, unrounded)
    found = load(path, clip=tiny_clip).clip.network.text_projection
    assert torch.equal(found, unrounded.network.text_projection)


def test_another_clip_is_rejected_and_both_are_named(saved, other_clip_path, tiny_clip):
    other = load_clip(other_clip_path)
    with pytest.raises(ValueError, match=f"{tiny_clip.sha256}.*got other-clip .*{other.sha256}"):
        load(saved, clip=other)


def test_a_clip_that_was_moved_must_be_given_by_path(saved, tmp_path):
    moved = tmp_path / "elsewhere" / "deep" / "down" / "step"
    shutil.copytree(saved, moved)
    message = (
        r"tiny-clip \(sha256 .*\), which is not found at .*tiny-clip\.pt \(relative to the checkpoint folder\); "
        "give its path with --clip"
    )
    with pytest.raises(ValueError, match=message):
        load(moved)


def test_damaged_weights_are_rejected(saved, tiny_clip):
    file = saved / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-8] + b"\1" * 8)
    with pytest.raises(ValueError, match="is damaged: sha256"):
        load(saved, clip=tiny_clip)
    file.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match=r"not a safetensors file: .*incomplete metadata"):
        load(saved, clip=tiny_clip)
    with open(file, "r+b") as sparse:
        sparse.truncate(100 * 2**30)  # would take a minute to hash
    with pytest.raises(ValueError, match=r"not a safetensors file: .*incomplete metadata"):
        load(saved, clip=tiny_clip)
    file.write_bytes(b"garbage" * 9)
    rewrite(saved, lambda card: card["weights"].update(sha256=hashlib.sha256(b"garbage" * 9).hexdigest()))
    with pytest.raises(ValueError, match="not a safetensors file"):
        load(saved, clip=tiny_clip)
    file.unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        load(saved, clip=tiny_clip)
    file.mkdir()
    with pytest.raises(ValueError, match=r"model\.safetensors is a folder, expected a file"):
        load(saved, clip=tiny_clip)
    file.rmdir()
    file.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"model\.safetensors is a device, expected a file"):
        load(saved, clip=tiny_clip)


def rewrite(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.update(format=9), "format 9, but this version of hspcgan reads format 1"),
        (lambda card: card.pop("clip"), r"model\.json is damaged; use another checkpoint:\n  clip: is missing$"),
        (
            lambda card: card.update(clip=[], weights={}),
            r"\n  clip: should have keys, .*\n  weights\.sha256: is missing",
        ),
        (lambda card: card["extra"].update(x=float("nan")), r"model\.json is damaged: it contains NaN or Infinity"),
        (lambda card: card["clip"].pop("sha256"), r"\n  clip\.sha256: is missing$"),
        (
            lambda card: card["weights"].update(sha256=None),
            r"\n  weights\.sha256: should be a valid string \(got None\)",
        ),
        (lambda card: card.update(config={}), r"\n  config\.kind: is missing"),
        (
            lambda card: card["config"].update(widht=1),
            r"model\.json: config is .*\n  widht: unknown key; known: kind, image_size",
        ),
        (lambda card: card["config"].update(head_width="five"), r"\n  head_width: should be a valid integer, .*'five'"),
        (
            lambda card: card["config"].update(head_width=5),
            r"not match the sizes in .*\n  head/first.* shape \[4, .*expected \[5",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_rejected(saved, tiny_clip, change, says):
    rewrite(saved, change)
    with pytest.raises(ValueError, match=says):
        load(saved, clip=tiny_clip)


def test_a_missing_or_broken_card_is_rejected(saved, tmp_path):
    with pytest.raises(ValueError, match="no checkpoint in"):
        load(tmp_path / "nowhere")
    (saved / "model.json").write_text("{")
    with pytest.raises(ValueError, match="is not valid JSON"):
        load(saved)
    (saved / "model.json").write_text("[]")
    with pytest.raises(ValueError, match=r"model\.json is damaged: expected keys, as in \{key: value\}"):
        load(saved)


def test_weights_that_are_not_finite_and_extras_that_are_not_json_are_not_saved(networks, tiny_clip, tmp_path):
    with pytest.raises(ValueError, match="extra must contain only JSON values"):
        save_weights(tmp_path / "a", *networks, CONFIG, tiny_clip, extra={"step": torch.ones(1)})
    generator, discriminator, head = build(CONFIG, tiny_clip)
    with torch.no_grad():
        generator.fc_code.weight[0, 0] = 1e6
    save_weights(tmp_path / "full", generator, discriminator, head, CONFIG, tiny_clip)
    with pytest.raises(ValueError, match=r"not finite in torch\.float16, such as generator/fc_code\.weight"):
        save_weights(tmp_path / "b", generator, discriminator, head, CONFIG, tiny_clip, half=True)
    assert [file.name for file in tmp_path.iterdir()] == ["full"]
