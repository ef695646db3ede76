"""Runs `hspcgan` commands, in this process or in one of its own."""

import os
import subprocess
import sys

from click.testing import CliRunner, Result

from hspcgan.pipeline.cli.root import main

MAIN = "from hspcgan.pipeline.cli.root import main; main()"


def hspcgan(*arguments: object) -> Result:
    """Runs `hspcgan ARGUMENTS` in this process; `exit_code` and `output` (both streams) are on the result."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def hspcgan_process(*arguments: object, before: str = "", main: str = MAIN, **environment: str) -> subprocess.Popen:
    """Starts `hspcgan ARGUMENTS` as a process with pipes for its streams, which are text.

    Args:
        before: Python statements that the process runs first.
        main: the Python statements that run the command.
        environment: variables in addition to this process's.
    """
    code = f"{before}\n{main}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
