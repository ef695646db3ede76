"""What goes wrong in a command is one clear message; what is a bug keeps its traceback."""

import click
import pytest
from click.testing import CliRunner
from helpers.datasets import write

from hspcgan.pipeline.cli.group import RootGroup
from hspcgan.pipeline.cli.root import main


def test_an_optional_package_that_is_missing_is_named_with_its_extra():
    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def draw() -> None:
        raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")

    result = CliRunner().invoke(root, ["draw"])
    assert result.exit_code == 1
    assert "pip install '.[evaluate]' in hspcgan's checkout" in result.output


def test_a_full_disk_is_a_message_not_a_traceback():
    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def write() -> None:
        with open("/dev/full", "w") as file:
            file.write("x")

    result = CliRunner().invoke(root, ["write"])
    assert result.exit_code == 1
    assert "No space left on device; what is finished is kept" in result.output


@pytest.mark.parametrize("out", ["captions.jsonl/out", "x" * 300])
def test_a_place_that_cannot_be_written_is_a_message_not_a_traceback(tmp_path, out):
    write(tmp_path / "captions.jsonl", '{"caption": "a bird"}')
    result = CliRunner().invoke(main, ["parse", "--jsonl", str(tmp_path / "captions.jsonl"), str(tmp_path / out)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert out[:14] in result.output


def test_bugs_keep_their_traceback():
    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def fail() -> None:
        raise KeyError("a bug")

    assert isinstance(CliRunner().invoke(root, ["fail"]).exception, KeyError)
