"""SIGTERM and SIGHUP end a command, also if they arrive inside a callback, where Python drops exceptions."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import gc, os, time, weakref
from hspcgan.pipeline.cli.signals import exit_on_signals

class Thing:
    def __del__(self):
        if {place!r} == "del":
            os.kill(os.getpid(), {number})

thing = Thing()
reference = weakref.ref(thing, lambda _: {place!r} == "weakref" and os.kill(os.getpid(), {number}))
with exit_on_signals():
    try:
        del thing
        if {place!r} == "body":
            os.kill(os.getpid(), {number})
        time.sleep(30)
        print("lost")
    finally:
        print("cleaned")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("place", ["body", "del", "weakref"])
def test_a_signal_ends_the_block_wherever_it_arrives(place, number):
    script = SCRIPT.format(place=place, number=int(number))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "cleaned\n", "")


def test_other_dropped_exceptions_are_still_reported():
    script = """
from hspcgan.pipeline.cli.signals import exit_on_signals
class Thing:
    def __del__(self):
        raise ValueError("dropped")
with exit_on_signals():
    Thing()
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, "ValueError: dropped" in done.stderr) == (0, "went on\n", True)
