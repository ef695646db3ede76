"""The standard streams of a command: always open, and able to write every character, however it was started."""

import io
import os
import sys

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """
    Opens closed streams on the null device; characters that a stream's encoding lacks are written as escapes.

    A closed stream (`>&-`, as some schedulers start commands) leaves its number free: the next file that is opened
    would get it, and what libraries print would be written into that file.
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
