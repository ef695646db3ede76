"""Mappers for tests of the engines, in a module that worker processes can import."""

import functools
import os

from hspcgan.pipeline.stages import executors


def double(offset: int, batch: list[int]) -> list[int]:
    if -1 in batch:
        raise ValueError("minus one")
    if -2 in batch:
        os._exit(1)
    return [2 * value + offset for value in batch]


def make_double(offset: int) -> functools.partial:
    return functools.partial(double, offset)


def pid(batch: int) -> int:
    return os.getpid()


def make_pid() -> executors.Mapper:
    return pid


def talk(batch: int) -> bytes:
    os.write(1, f"{os.getpid()}\n".encode())
    return bytes(2**20)  # more than a pipe holds: whoever sends this waits until the parent reads it


def make_talk() -> executors.Mapper:
    return talk
