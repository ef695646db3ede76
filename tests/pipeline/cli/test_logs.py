"""The log of a command: on standard error, as text or JSON, apart from the command's result."""

import json
import logging
from datetime import datetime

import click
import pytest
from click.testing import CliRunner, Result
from helpers.datasets import folder_dataset, manifest

from hspcgan.pipeline.cli.group import RootGroup
from hspcgan.pipeline.cli.root import main

ROOM = logging.getLogger("hspcgan.pipeline")


@click.group(cls=RootGroup)
def root() -> None:
    pass


@root.command()
@click.pass_context
def work(ctx: click.Context) -> None:
    ROOM.debug("a detail")
    ROOM.info("one step")
    ROOM.warning("a doubt about %s", "café")
    click.echo("the result")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["work", *arguments])


@pytest.mark.parametrize(("options", "lines"), [
    ((), ["one step", "warning: a doubt about café"]),
    (("-v",), ["a detail", "one step", "warning: a doubt about café"]),
    (("--quiet",), ["warning: a doubt about café"]),
])  # fmt: skip
def test_the_log_goes_to_standard_error_and_the_result_to_standard_output(options, lines):
    result = run(*options)
    assert (result.stdout, result.stderr.splitlines()) == ("the result\n", lines)


def test_json_lines_carry_time_level_room_and_message():
    first, second = map(json.loads, run("--log-format", "json").stderr.splitlines())
    assert datetime.fromisoformat(first.pop("time")).utcoffset().total_seconds() == 0
    assert first == {"level": "info", "logger": "hspcgan.pipeline", "message": "one step"}
    assert (second["level"], second["message"]) == ("warning", "a doubt about café")


def test_a_run_leaves_no_handler_and_no_level_behind():
    before = logging.getLogger("hspcgan").level
    for _ in range(2):
        assert run("-v", "--log-format", "json").stderr.count("one step") == 1
    assert run().stderr.splitlines()[0] == "one step"
    assert (logging.getLogger("hspcgan").handlers, logging.getLogger("hspcgan").level) == ([], before)


def test_every_command_takes_the_options_before_and_after_its_name(tmp_path, tiny_clip_path):
    path = str(manifest(tmp_path / "small.yaml", folder_dataset(tmp_path / "data", 2), tiny_clip_path))
    loud = CliRunner().invoke(main, ["prepare", path])
    assert "ingest" in loud.stderr
    assert "2 images" in loud.stdout
    for arguments in (["-q", "prepare", path], ["prepare", path, "-q"]):
        quiet = CliRunner().invoke(main, arguments)
        assert (quiet.exit_code, quiet.stderr) == (0, "")
        assert "Nothing to do" in quiet.stdout
