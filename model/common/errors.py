"""Errors that a user can fix; the command line shows their message without a traceback and exits with their code."""


class UserError(ValueError):
    """Data, weights or an environment that do not fit; the message says what, where, got, expected, and the fix."""

    exit_code = 3


class UsageError(UserError):
    """Arguments or options of a command that cannot be used, or not together."""

    exit_code = 2


class ManifestError(UsageError):
    """A manifest or an override that cannot be used."""


class CheckFailedError(UserError):
    """A check that ran and failed: an invalid cache, a figure outside its expectation, a missed bar."""

    exit_code = 1


def install(extra: str) -> str:
    """The command that installs an optional part of the package, such as "evaluate"; "" is the core."""
    part = f"'.[{extra}]'" if extra else "."
    return f"pip install -e {part} in hspcgan's checkout"
