"""Errors of a command: a message and a documented exit code for what a user can fix, a traceback for a bug."""

import errno
import resource

import click
import pytest
from click.testing import CliRunner, Result
from helpers.datasets import write

from hspcgan.model.common.errors import CheckFailedError, ManifestError, UsageError, UserError
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
    assert result.exit_code == 3
    assert "pip install -e '.[evaluate]' in hspcgan's checkout" in result.output


def test_a_full_disk_is_a_message_not_a_traceback():
    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def write() -> None:
        with open("/dev/full", "w") as file:
            file.write("x")

    result = CliRunner().invoke(root, ["write"])
    assert result.exit_code == 3
    assert "No space left on device. Finished parts are kept" in result.output


@pytest.mark.parametrize("out", ["captions.jsonl/out", "x" * 300])
def test_a_place_that_cannot_be_written_is_a_message_not_a_traceback(tmp_path, out):
    write(tmp_path / "captions.jsonl", '{"caption": "a bird"}')
    result = CliRunner().invoke(main, ["parse", "--jsonl", str(tmp_path / "captions.jsonl"), str(tmp_path / out)])
    assert result.exit_code == 3
    assert isinstance(result.exception, SystemExit)
    assert out[:14] in result.output


def failing(error: BaseException) -> Result:
    """A command that raises this error, run under the root group."""

    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(root, ["fail"])


@pytest.mark.parametrize(("error", "code"), [
    (CheckFailedError("a figure drifted"), 1), (UsageError("two of them"), 2), (ManifestError("no such key"), 2),
    (UserError("no images"), 3), (FileNotFoundError("no such file"), 3), (MemoryError("8 GB"), 3),
    (OSError(errno.ENOSPC, "No space left on device"), 3), (ImportError("x.so: failed to map segment"), 3),
])  # fmt: skip
def test_what_a_user_can_fix_is_its_message_alone_and_its_code(error, code):
    result = failing(error)
    assert result.exit_code == code
    assert result.stderr.startswith("Error: ")
    assert str(error.args[-1]) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("number", "fix"), [
    (errno.EFBIG, "raise the limit on the size of files (ulimit -f) and run"),
    (errno.ENOSPC, "free some space and run"),
])  # fmt: skip
def test_the_fix_of_a_file_that_cannot_grow_names_its_cause(number, fix):
    assert f"Finished parts are kept; {fix} the same command again" in failing(OSError(number, "no")).stderr


@pytest.mark.parametrize(("limit", "fix", "warned"), [
    (resource.RLIM_INFINITY, "use smaller batches or fewer processes", False),
    (3 * 10**9, "raise the limit on the memory of a process (ulimit -v)", True),
])  # fmt: skip
def test_a_limit_on_memory_is_named(monkeypatch, limit, fix, warned):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    told = failing(MemoryError("8 GB")).stderr
    assert told.endswith(f"Error: out of memory (8 GB); {fix}\n")
    assert ("the memory of a process is limited to 3.0 GB (ulimit -v)" in told) == warned


def test_too_many_open_files_have_a_fix_without_a_path():
    result = failing(OSError(errno.EMFILE, "Too many open files"))
    assert result.stderr == "Error: Too many open files; raise the limit on open files (ulimit -n)\n"


@pytest.mark.parametrize("error", [KeyError("a bug"), ValueError("zip() argument 2 is shorter"), OSError("strange")])
def test_a_bug_is_an_internal_error_with_its_traceback_and_where_to_report_it(error):
    result = failing(error)
    assert result.exit_code == 70
    assert "Traceback (most recent call last)" in result.stderr
    assert f"internal error: {type(error).__name__}: {error}" in result.stderr
    assert "Report it in the issue tracker" in result.stderr


def test_ctrl_c_ends_a_command_with_130():
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, "interrupted" in result.stderr) == (130, True)


def test_a_command_that_a_command_runs_leaves_errors_to_the_outer_one():
    @click.group(cls=RootGroup)
    def root() -> None:
        pass

    @root.command()
    def inner() -> None:
        raise KeyError("a bug")

    @root.command()
    def outer() -> None:
        root.main(["inner"], standalone_mode=False)

    result = CliRunner().invoke(root, ["outer"])
    assert (result.exit_code, result.stderr.count("internal error")) == (70, 1)
