"""What `sample`, `interpolate` and `edit` refuse before anything is drawn, and what their messages say."""

import json
import shutil

import pytest
from helpers import scored_runs as world
from helpers.cli import hspcgan

from hspcgan.evaluate.checkpoints import open_checkpoint
from hspcgan.pipeline.manifest import weights_path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_clip_path):
    return world.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", tiny_clip_path)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sample", ""), "caption 1 of 1: empty; describe the image"),
        (("sample", "a bird", "a \udcff bird"), "caption 2 of 2: not valid Unicode"),
        (("interpolate", "a bird", " "), "caption 2 of 2: empty"),
        (("interpolate", "a bird"), "nothing to interpolate"),
        (("interpolate", "a bird", "a cat", "a dog", "--frames", 2), "2 frames are too few for 3 captions"),
        (("edit", "bird", "--replace", "bird", ""), "caption 2 of 2: empty"),
    ],
)
def test_a_dry_run_refuses_the_texts_that_the_command_refuses(checkpoint, tmp_path, command, said):
    for flags in ((), ("--dry-run",)):
        result = hspcgan(*command, *flags, "--checkpoint", checkpoint, "--out", tmp_path / "out")
        assert (result.exit_code in (2, 3), said in result.output) == (True, True), result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [("sample", "a bird"), ("interpolate", "a bird", "a cat"), ("edit", "a bird", "--replace", "bird", "cat")],
)
def test_a_folder_that_cannot_be_written_to_is_told_before_the_weights_are_opened(tmp_path, command):
    (tmp_path / "file").write_text("x")
    out = tmp_path / "file" / "out"
    result = hspcgan(*command, "--checkpoint", tmp_path / "nowhere", "--out", out)
    assert result.exit_code == 3
    assert f"{tmp_path / 'file'} is a file, expected a folder; move it away and run the command again" in result.output


def test_a_run_that_was_moved_is_drawn_with_a_shipped_clip_and_asks_for_another_one(tmp_path, checkpoint):
    moved = tmp_path / "deep" / "down" / "step-000001"
    shutil.copytree(weights_path("toy-hspcgan"), moved)
    clip = open_checkpoint(moved).clip
    assert clip.path == weights_path("toy-clip").resolve()
    card = json.loads((moved / "model.json").read_text())
    card["clip"]["sha256"] = "0" * 64
    (moved / "model.json").write_text(json.dumps(card))
    other = hspcgan("sample", "a red bird", "--checkpoint", moved, "--out", tmp_path / "out")
    assert (other.exit_code, f"got toy-clip (sha256 {clip.sha256})" in other.output) == (3, True), other.output
    shutil.rmtree(moved)
    shutil.copytree(checkpoint, moved)
    asked = hspcgan("sample", "a red bird", "--checkpoint", moved, "--out", tmp_path / "out")
    assert (
        asked.exit_code,
        "tiny-clip.pt (relative to the checkpoint folder); give its path with --clip" in asked.output,
    ) == (
        3,
        True,
    )
