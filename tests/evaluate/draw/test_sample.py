"""Noise by seed and sample alone, uint8 images, own texts that become what the cache holds, the command `sample`."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import datasets, runs
from helpers import scored_runs as world
from helpers.cli import hspcgan
from helpers.models.networks import random_condition
from PIL import Image

from hspcgan.evaluate.checkpoints import find_checkpoint, open_checkpoint, text_settings
from hspcgan.evaluate.draw import generate as sampling
from hspcgan.evaluate.draw import pictures, sample
from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
from hspcgan.model.image_views import to_uint8


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_clip_path) -> Path:
    return world.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", tiny_clip_path)


@pytest.fixture(scope="module")
def generator(checkpoint, tiny_clip):
    return open_checkpoint(checkpoint, tiny_clip).generator


def test_noise_of_a_sample_depends_on_its_seed_and_id_alone():
    rows = sampling.noise([0, 0, 1], ["a", "b", "a"], 8)
    assert rows.shape == (3, 8)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows[1], sampling.noise([0], ["b"], 8)[0])
    assert len({row.tobytes() for row in rows}) == 3


def test_noise_is_standard_normal():
    rows = sampling.noise([3] * 400, [f"image {i}" for i in range(400)], 100)
    assert abs(rows.mean()) < 0.02
    assert abs(rows.std() - 1) < 0.02
    assert abs(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]) < 0.2


def test_pixels_are_rounded_to_the_nearest_level_and_clamped():
    levels = torch.tensor([-1.0, -0.999, -2.0, 0.0, 0.9999, 1.0, 7.0])
    pixels = levels.expand(1, 3, 1, 7)
    assert to_uint8(pixels)[0, 0, :, 0].tolist() == [0, 0, 0, 128, 255, 255, 255]
    half_way = (torch.tensor([100.4, 100.6]) / 127.5 - 1).expand(1, 3, 1, 2)
    assert to_uint8(half_way)[0, 0, :, 0].tolist() == [100, 101]


def test_pixels_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        to_uint8(torch.full((1, 3, 2, 2), torch.nan))


def test_images_do_not_depend_on_the_batch_they_are_drawn_in(generator):
    condition, ids = random_condition(5), [f"caption {i}" for i in range(5)]
    together = sampling.generate(generator, condition, ids, seeds=3)
    assert together.shape == (5, 56, 56, 3)
    assert together.dtype == np.uint8
    in_pairs = sampling.generate(generator, condition, ids, seeds=3, batch_size=2)
    alone = sampling.generate(generator, condition[[4]], ids[4:], seeds=[3])
    # Sums in another order can move a pixel that lies between two levels by one of them.
    assert np.abs(together.astype(int) - in_pairs).max() <= 1
    assert np.abs(together[4].astype(int) - alone[0]).max() <= 1
    assert not np.array_equal(together, sampling.generate(generator, condition, ids, seeds=4))


def test_own_texts_become_the_conditions_that_a_cache_of_them_holds(tmp_path, tiny_clip_path, tiny_clip):
    from hspcgan.evaluate.draw.texts import conditions_from_texts
    from hspcgan.model.condition import Condition
    from hspcgan.pipeline.cache.arrays.collate import collate
    from hspcgan.pipeline.cache.reader import Cache
    from hspcgan.pipeline.concepts import ParseConfig, Parser
    from hspcgan.pipeline.manifest import load_manifest
    from hspcgan.pipeline.stages.prepare import prepare

    dataset = datasets.folder_dataset(tmp_path / "data", count=3)
    manifest = load_manifest(str(datasets.manifest(tmp_path / "m.yaml", dataset, tiny_clip_path)))
    prepare(manifest)
    cache = Cache(manifest.raw["cache"])
    rows = np.arange(4)
    expected = Condition.from_arrays(collate(cache.texts, rows))
    texts = cache.captions["text"].to_pylist()[:4]
    own = conditions_from_texts(texts, tiny_clip, cache.info["templates"], Parser(ParseConfig(annotator="spacy")))
    assert own.entity_mask.any()
    for name in ("entity_mask", "entity_word", "attribute_entity", "relation_subject", "relation_object", "token_mask"):
        assert torch.equal(getattr(own, name), getattr(expected, name)), name
    for name in ("sentence", "tokens", "entities", "attributes", "relations"):
        torch.testing.assert_close(getattr(own, name), getattr(expected, name), atol=2e-3, rtol=2e-3)


def test_own_texts_lose_markup_and_invisible_characters_as_captions_of_a_cache_do(checkpoint):
    raw = ["a <b>red</b> bird with a blue&nbsp;belly", "a red bi\u00adrd with\u200b a blue\tbelly"]
    plain = ["a red bird with a blue belly"] * 2
    got, expected = (open_for_texts(CheckpointChoice(str(checkpoint)), texts)[1] for texts in (raw, plain))
    assert int(expected.entity_mask.sum()) == 4
    for field in fields(expected):
        assert torch.equal(getattr(got, field.name), getattr(expected, field.name)), field.name


def test_the_command_writes_an_image_for_each_text_and_seed_and_a_grid(checkpoint, tmp_path):
    texts = ["a red bird", "a blue bird on a branch"]
    result = hspcgan("sample", *texts, "--checkpoint", checkpoint, "--seed", 5, "--count", 2, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = ["a-red-bird_seed5.png", "a-red-bird_seed6.png", "a-blue-bird-on-a-branch_seed5.png",
             "a-blue-bird-on-a-branch_seed6.png", "grid.png"]  # fmt: skip
    assert result.stdout.splitlines() == [str(tmp_path / "out" / name) for name in names]
    images = [np.asarray(Image.open(tmp_path / "out" / name)) for name in names]
    assert [image.shape for image in images[:4]] == [(56, 56, 3)] * 4
    assert len({image.tobytes() for image in images}) == 5
    again = hspcgan(
        "sample", texts[1], "--checkpoint", checkpoint, "--seed", 6, "--out", tmp_path / "again", "--no-grid"
    )
    assert again.exit_code == 0, again.output
    alone = np.asarray(Image.open(tmp_path / "again" / names[3])).astype(int)
    assert np.abs(alone - images[3]).max() <= 1
    assert not (tmp_path / "again" / "grid.png").exists()


def test_texts_of_a_file_are_those_typed_with_and_without_a_byte_order_mark(checkpoint, tmp_path):
    (tmp_path / "texts.txt").write_bytes("\ufeffa red bird\n\na blue bird\n".encode())
    result = hspcgan(
        "sample", "--texts", tmp_path / "texts.txt", "--checkpoint", checkpoint, "--out", tmp_path / "file"
    )
    assert result.exit_code == 0, result.output
    typed = hspcgan("sample", "a red bird", "a blue bird", "--checkpoint", checkpoint, "--out", tmp_path / "typed")
    assert typed.exit_code == 0, typed.output
    for path in (tmp_path / "typed").iterdir():
        assert path.read_bytes() == (tmp_path / "file" / path.name).read_bytes()


def test_a_dry_run_names_the_files_and_writes_none(checkpoint, tmp_path):
    result = hspcgan("sample", "a red bird", "--checkpoint", checkpoint, "--out", tmp_path / "out", "--dry-run")
    assert result.stdout.splitlines() == [
        str(tmp_path / "out" / "a-red-bird_seed0.png"),
        str(tmp_path / "out" / "grid.png"),
    ]
    assert not (tmp_path / "out").exists()


def test_texts_that_share_a_file_name_do_not_overwrite_each_other(checkpoint, tmp_path):
    result = hspcgan("sample", "a red bird", "A red bird!", "--checkpoint", checkpoint, "--out", tmp_path, "--no-grid")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01-a-red-bird_seed0.png", "02-a-red-bird_seed0.png"]


def test_overlong_texts_and_unknown_words_are_warned_of(checkpoint, tmp_path, tiny_clip_path, caplog):
    vocabulary = tiny_clip_path.with_suffix(".json")
    vocabulary.write_text(json.dumps({"vocabulary": ["a", "red", "bird"]}))
    try:
        result = hspcgan("sample", "a red zebra", "a red bird " * 40, "--checkpoint", checkpoint, "--out", tmp_path)
    finally:
        vocabulary.unlink()
    assert result.exit_code == 0, result.output
    assert "not trained on 'zebra'" in caplog.text
    assert "more tokens than CLIP's 77" in caplog.text
    assert "zebra" not in result.stdout.replace("a-red-zebra", "")


def test_an_empty_text_and_a_missing_checkpoint_are_refused(checkpoint, tmp_path):
    empty = hspcgan("sample", "a red bird", " ", "--checkpoint", checkpoint, "--out", tmp_path)
    assert (empty.exit_code, "caption 2 of 2: empty; describe the image" in empty.output) == (3, True)
    torn = hspcgan("sample", "a red \udcff bird", "--checkpoint", checkpoint, "--out", tmp_path)
    assert (torn.exit_code, "caption 1 of 1: not valid Unicode" in torn.output) == (3, True)
    missing = hspcgan("sample", "a red bird", "--checkpoint", tmp_path / "nowhere", "--out", tmp_path)
    assert (missing.exit_code, "nowhere" in missing.output) == (3, True)
    assert not list(tmp_path.iterdir())


def test_a_run_folder_stands_for_its_latest_checkpoint(tmp_path, tiny_clip_path):
    older = world.write_checkpoint(tmp_path / "checkpoints" / "step-000001", tiny_clip_path)
    newer = world.write_checkpoint(tmp_path / "checkpoints" / "step-000002", tiny_clip_path)
    (tmp_path / "checkpoints" / "latest").write_text("step-000002\n")
    assert find_checkpoint(tmp_path) == newer
    assert find_checkpoint(older) == older
    (tmp_path / "checkpoints" / "latest").write_text("step-000003\n")
    with pytest.raises(ValueError, match="step-000003, which is missing"):
        find_checkpoint(tmp_path)
    (tmp_path / "checkpoints" / "latest").write_text("")
    with pytest.raises(ValueError, match="checkpoints/latest is empty; write the name"):
        find_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="neither a checkpoint"):
        find_checkpoint(tmp_path / "checkpoints")


@pytest.mark.parametrize("name", ["toy-clip", "toy-stanza", __file__])
def test_weights_that_are_no_checkpoint_are_refused(name):
    with pytest.raises(ValueError, match=r"is not a checkpoint: expected a folder with model\.json.*hspcgan train"):
        find_checkpoint(name)


def test_a_missing_run_is_refused_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(ValueError, match=r"no checkpoint '.*nowhere': give a run folder from `hspcgan train`"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"neither a checkpoint.*nor a run.*`hspcgan train` creates"):
        find_checkpoint(tmp_path)


def test_how_texts_were_read_comes_from_the_card_or_from_the_runs_manifest(tmp_path, tiny_clip_path):
    card = text_settings(world.write_checkpoint(tmp_path / "shipped", tiny_clip_path))
    assert (card.parse.annotator, card.templates) == ("spacy", runs.TEMPLATES)
    bare = world.write_checkpoint(tmp_path / "run" / "checkpoints" / "step-000001", tiny_clip_path, texts=None)
    for texts in (None, {"parse": {"annotator": "spacy"}}, {"templates": runs.TEMPLATES}):
        world.write_checkpoint(bare, tiny_clip_path, texts=texts)
        with pytest.raises(ValueError, match=r"has no extra.texts"):
            text_settings(bare)
    (tmp_path / "run" / "manifest.yaml").write_text("parse: {annotator: spacy}\nencode: {clip: x}\n")
    assert text_settings(bare).templates["entity"] == "a photo of a {}"


def test_captions_are_drawn_in_groups_and_a_grid_is_limited(checkpoint, tiny_clip_path, tmp_path, monkeypatch):
    (tmp_path / "texts.txt").write_text("a red bird\na blue bird on a branch\na bird with a long beak\n")
    found = []
    for name, size in (("whole", 256), ("groups", 2)):
        monkeypatch.setattr(sample, "GROUP", size)
        monkeypatch.setattr(pictures, "MOST_IN_GRID", 9 if size > 9 else 4)
        options = ("--checkpoint", checkpoint, "--clip", tiny_clip_path, "--out", tmp_path / name)
        result = hspcgan("sample", "--texts", tmp_path / "texts.txt", "--count", 3, *options)
        assert result.exit_code == 0, result.output
        found.append({path.name: np.asarray(Image.open(path)).astype(int) for path in (tmp_path / name).iterdir()})
    whole, groups = found
    assert whole.keys() == groups.keys()
    assert len(whole) == 10
    assert whole.pop("grid.png").shape != groups.pop("grid.png").shape  # nine and four images
    for name, image in whole.items():
        assert abs(image - groups[name]).max() <= 1, name


def test_a_grid_shows_at_most_so_many_images(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_IN_GRID", 3)
    images, texts = np.zeros((5, 8, 8, 3), np.uint8), list("abcde")
    np.testing.assert_array_equal(
        pictures.captioned_grid(images, texts, 2), pictures.captioned_grid(images[:3], texts[:3], 2)
    )
