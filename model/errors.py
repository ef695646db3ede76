"""Errors that a user can fix; the command line shows their message without a traceback and exits with their code."""


class UserError(ValueError):
    """Data, weights or an environment that do not fit; the message says what, where, got, expected, and the fix."""

    exit_code = 3


class ManifestError(UserError):
    """A manifest, an override or an argument that cannot be used."""

    exit_code = 2


class CheckFailedError(UserError):
    """A check that ran and failed: an invalid cache, a figure outside its expectation, a missed bar."""

    exit_code = 1
