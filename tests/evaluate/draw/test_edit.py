"""Between texts and noises, with words replaced, from a file of texts: what moves, and what stays as it was."""

import os

import numpy as np
import pytest
import torch
from helpers import runs
from helpers import scored_runs as world
from helpers.cli import hspcgan
from helpers.models.networks import random_condition
from PIL import Image

from hspcgan.evaluate.draw.edit import Edits, replace_words
from hspcgan.evaluate.draw.interpolate import Interpolation, slerp
from hspcgan.evaluate.draw.sample import read_texts
from hspcgan.model.checkpoint import save_weights
from hspcgan.model.clip.frozen import load_clip
from hspcgan.model.config import ModelConfig
from hspcgan.model.networks.build import build

TEXTS = ("a red bird", "a blue bird on a branch")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_clip_path):
    return world.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", tiny_clip_path)


@pytest.mark.parametrize("values", [{}, {"gate": "append"}, {"kind": "galip"}])
def test_a_blend_begins_and_ends_with_its_captions_and_is_smooth_between(tiny_clip, values):
    torch.manual_seed(0)
    generator, _, _ = build(ModelConfig(**runs.MODEL | values), tiny_clip)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    first, second = random_condition(2), random_condition(2, seed=6)
    second.entity_mask[:, 2] = True  # a slot that the first caption leaves empty
    first.entity_mask[1] = False
    noise = torch.randn(2, 8)
    with torch.no_grad():
        ends = generator(noise, first), generator(noise, second)
        steps = torch.linspace(0, 1, 101)
        way = torch.stack([generator.blend(noise, first, second, step.expand(2)) for step in steps])
    tolerance = 1e-5 * ends[0].abs().max().item()
    torch.testing.assert_close(way[0], ends[0], atol=tolerance, rtol=0)
    torch.testing.assert_close(way[-1], ends[1], atol=tolerance, rtol=0)
    moves = (way[1:] - way[:-1]).flatten(1).norm(dim=1)
    assert moves.max() < 0.1 * moves.sum()  # no jump where a slot comes or goes
    assert moves.min() > 0


def test_noise_goes_along_the_arc():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    np.testing.assert_allclose(slerp(a, b, 0.5), [0.5**0.5, 0.5**0.5])
    np.testing.assert_allclose(slerp(a, b, 1 / 3), [3**0.5 / 2, 0.5])
    np.testing.assert_allclose(slerp(a, a, 0.3), a)


def test_interpolate_writes_a_strip_and_a_gif_there_and_back(checkpoint, tmp_path):
    command = ("interpolate", *TEXTS, "--checkpoint", checkpoint, "--frames", 5, "--seed", 2, "--to-seed", 3)
    result = hspcgan(*command, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    stem = "a-red-bird-to-a-blue-bird-on-a-branch_041464cc_seed2-to-3"  # sha256 of the texts, a line each
    assert result.stdout.splitlines() == [str(tmp_path / "out" / f"{stem}{end}") for end in (".png", ".gif")]
    with Image.open(tmp_path / "out" / f"{stem}.gif") as gif:
        assert (gif.n_frames, gif.size) == (8, (56, 56))  # 5 frames there, 3 back
    with Image.open(tmp_path / "out" / f"{stem}.png") as strip:
        assert strip.width == 5 * 180 + 12
    dry = hspcgan(*command, "--out", tmp_path / "dry", "--dry-run")
    assert (dry.exit_code, (tmp_path / "dry").exists()) == (0, False)


def test_ways_through_other_texts_have_other_files(tmp_path):
    a, b, c = TEXTS[0], TEXTS[1], "a bird"
    long = "a large yellow bird with a blue belly perches on a"
    ways = [(a, b), (a, b, a), (a, c, a), (b, a), (a, f"{a}!"), (a, a.upper()), (a, f"{long} bed"), (a, f"{long} hand")]
    names = {path.name for texts in ways for path in Interpolation(texts, (0, 0), 9, tmp_path).files()}
    assert len(names) == 2 * len(ways)
    (longest, _) = Interpolation(("鳥" * 90, "木" * 90), (0, 2**31), 9, tmp_path).files()
    assert len((longest.name + ".partial").encode()) <= 255  # what file systems take


def test_between_two_noises_the_text_stays_and_ends_are_the_seeds_own_images(checkpoint):
    from hspcgan.evaluate.draw.checkpoint import CheckpointChoice, open_for_texts
    from hspcgan.evaluate.draw.generate import generate
    from hspcgan.evaluate.draw.interpolate import _frames

    frames = _frames(Interpolation(TEXTS[:1], (2, 3), 4, checkpoint), CheckpointChoice(str(checkpoint)))
    loaded, condition = open_for_texts(CheckpointChoice(str(checkpoint)), TEXTS[:1] * 2)
    own = generate(loaded.generator, condition, TEXTS[:1] * 2, [2, 3])
    assert np.abs(frames[[0, -1]].astype(int) - own).max() <= 1
    assert len({frame.tobytes() for frame in frames}) == 4


def test_edit_keeps_the_noise_and_changes_the_words(checkpoint, tmp_path):
    result = hspcgan("edit", TEXTS[0], "--replace", "red", "blue", "--replace", "bird", "branch", "--count", 2,
                 "--checkpoint", checkpoint, "--out", tmp_path)  # fmt: skip
    assert result.exit_code == 0, result.output
    names = [
        f"{text}_seed{seed}.png" for text in ("00-a-red-bird", "01-a-blue-bird", "02-a-red-branch") for seed in (0, 1)
    ]
    assert result.stdout.splitlines() == [str(tmp_path / name) for name in [*names, "a-red-bird_edits.png"]]
    images = {name: np.asarray(Image.open(tmp_path / name)).astype(int) for name in names}
    assert len({image.tobytes() for image in images.values()}) == 6
    plain = hspcgan("sample", TEXTS[0], "--checkpoint", checkpoint, "--out", tmp_path / "plain", "--no-grid")
    assert plain.exit_code == 0, plain.output
    original = np.asarray(Image.open(tmp_path / "plain" / "a-red-bird_seed0.png")).astype(int)
    assert np.abs(images[names[0]] - original).max() <= 1


def test_words_are_replaced_whole():
    assert replace_words("a red bird, redder than red", "red", "blue") == "a blue bird, redder than blue"
    assert replace_words("a bird", "bird", "bird with a red crown") == "a bird with a red crown"
    assert replace_words("cafe\u0301 bird", "caf\u00e9", "cat") == "cat bird"
    for old in ("bir", "", " "):
        with pytest.raises(ValueError, match="give words from the caption"):
            replace_words("a bird", old, "cat")


def test_what_changes_nothing_is_refused(checkpoint, tmp_path):
    for texts in (["a bird"], ["a bird", "a  <b>bird</b>"]):
        still = hspcgan("interpolate", *texts, "--checkpoint", checkpoint, "--out", tmp_path)
        assert (still.exit_code, "nothing to interpolate" in still.output) == (2, True)
    few = hspcgan("interpolate", *TEXTS, "a bird", "--frames", 2, "--checkpoint", checkpoint, "--out", tmp_path)
    assert (few.exit_code, "2 frames are too few for 3 captions" in few.output) == (2, True)
    with pytest.raises(ValueError, match="nothing is replaced"):
        Edits("a bird", (), (0,), tmp_path).texts()
    absent = hspcgan("edit", "a bird", "--replace", "cat", "dog", "--out", tmp_path, "--dry-run")
    assert (absent.exit_code, "'cat'" in absent.output) == (2, True)
    assert not list(tmp_path.iterdir())


def test_texts_come_from_a_file_too(checkpoint, tmp_path):
    (tmp_path / "texts.txt").write_text("a red bird\n\n  a blue bird \n", encoding="utf-8")
    options = ("--checkpoint", checkpoint, "--out", tmp_path, "--no-grid", "--dry-run")
    result = hspcgan("sample", "a bird", "--texts", tmp_path / "texts.txt", *options)
    assert result.stdout.splitlines() == [
        str(tmp_path / f"{name}_seed0.png") for name in ("a-bird", "a-red-bird", "a-blue-bird")
    ]
    assert hspcgan("sample").exit_code == 2
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\xff")
    os.mkfifo(tmp_path / "pipe.txt")
    reasons = {"empty": "contains no captions", "binary": "UTF-8", "none": "no such file", "pipe": "a pipe, expected a"}
    for name, says in reasons.items():
        with pytest.raises(ValueError, match=says):
            read_texts(tmp_path / f"{name}.txt")


def test_galip_needs_no_parser(tmp_path, tiny_clip_path):
    clip, config = load_clip(tiny_clip_path), ModelConfig(**runs.MODEL, kind="galip")
    torch.manual_seed(0)
    path = save_weights(tmp_path / "galip", *build(config, clip), config, clip)
    result = hspcgan("sample", *TEXTS, "--checkpoint", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3
