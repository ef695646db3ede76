"""Errors that a user can fix; the command line prints the message without a traceback and exits with `exit_code`."""


class UserError(ValueError):
    """Unusable data, weights or environment; the message gives what, where, got, expected, and the fix."""

    exit_code = 3


class UsageError(UserError):
    """Arguments or options of a command that are invalid or cannot be combined."""

    exit_code = 2


class ManifestError(UsageError):
    """An invalid manifest or override."""


class CheckFailedError(UserError):
    """A check that ran and failed: an invalid cache, a value outside its expected range, a missed limit."""

    exit_code = 1


def install(extra: str) -> str:
    """Returns the command that installs an optional extra of the package, such as "evaluate"; "" means the core."""
    part = f"'.[{extra}]'" if extra else "."
    return f"pip install -e {part} in hspcgan's checkout"
