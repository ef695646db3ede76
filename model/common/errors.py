"""Errors that a user can fix; the command line prints the message without a traceback and exits with `exit_code`."""


class UserError(ValueError):
    """An error in data, weights or environment. The message states the problem, the expected value and the fix."""

    exit_code = 3


class UsageError(UserError):
    """An error in the arguments or options of a command: they are invalid or cannot be combined."""

    exit_code = 2


class ManifestError(UsageError):
    """An error in a manifest or in an override of its keys."""


class CheckFailedError(UserError):
    """A failed check, for example an invalid cache, a value outside its expected range, or a limit that is not met."""

    exit_code = 1


def install_command(extra: str) -> str:
    """Returns the command that installs hspcgan with an optional extra such as "evaluate", or without extras for ""."""
    part = f"'.[{extra}]'" if extra else "."
    return f"pip install -e {part} in hspcgan's checkout"
