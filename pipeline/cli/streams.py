"""Ensures that the standard streams of a command are open and can write every character."""

import io
import os
import sys

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """
    Opens closed streams on the null device; characters that the encoding of a stream lacks are written as escapes.

    The number of a closed stream (`>&-`, as set by some schedulers) is free: the next file that is opened would get
    that number, and output of libraries would be written into that file.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # in the C locale the encoding is ASCII
            stream.reconfigure(errors="backslashreplace")


def discard_unwritten_errors() -> None:
    """Discards output to a standard error on a full disk; Python would otherwise exit with the code 120."""
    if sys.stderr is None or sys.stderr.closed:
        return
    try:
        sys.stderr.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
