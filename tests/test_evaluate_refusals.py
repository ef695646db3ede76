"""What `sample`, `interpolate` and `edit` refuse before anything is drawn, and what their messages say."""

import evaluate_world as world
import pytest
from click.testing import CliRunner

from hspcgan.pipeline.cli import main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_clip_path):
    return world.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", tiny_clip_path)


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sample", ""), "text 1 of 1: empty; describe what to draw"),
        (("sample", "a bird", "a \udcff bird"), "text 2 of 2: not valid Unicode"),
        (("interpolate", "a bird", " "), "text 2 of 2: empty"),
        (("interpolate", "a bird"), "nothing lies between"),
        (("interpolate", "a bird", "a cat", "a dog", "--frames", 2), "2 frames for 3 texts"),
        (("edit", "bird", "--replace", "bird", ""), "text 2 of 2: empty"),
    ],
)
def test_a_dry_run_refuses_the_texts_that_the_command_refuses(checkpoint, tmp_path, command, said):
    for flags in ((), ("--dry-run",)):
        result = run(*command, *flags, "--checkpoint", checkpoint, "--out", tmp_path / "out")
        assert (result.exit_code, said in result.output) == (1, True), result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [("sample", "a bird"), ("interpolate", "a bird", "a cat"), ("edit", "a bird", "--replace", "bird", "cat")],
)
def test_a_folder_that_cannot_be_written_to_is_told_before_the_weights_are_opened(tmp_path, command):
    (tmp_path / "file").write_text("x")
    out = tmp_path / "file" / "out"
    result = run(*command, "--checkpoint", tmp_path / "nowhere", "--out", out)
    assert result.exit_code == 1
    assert f"--out {out} cannot be written to (Not a directory); name another folder" in result.output
