"""HDF5 files of a cache, opened without HDF5's own locks: read as they are, written with room for a full disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

RESERVE = 2**20  # bytes; HDF5's description of a file and its buffers take less


def open_hdf5(path: Path) -> h5py.File:
    """A file to read, as a context manager. It takes no lock: not every file system has locks, readers need none."""
    return h5py.File(path, "r", locking=False)


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """
    A new file to write; the work folder around it is locked already. OSError with its errno when the disk is full.

    HDF5 ends the process where a disk has no room for what it writes as it closes a file. A reserve is therefore
    written first, and removed before the file is closed.
    """
    reserve = path.with_name(f".{path.name}.reserve")
    try:
        reserve.write_bytes(bytes(RESERVE))
        with h5py.File(path, "w", libver=("v110", "v110"), locking=False) as file:
            try:
                yield file
                file.flush()
            finally:
                reserve.unlink()
    except OSError as error:
        if error.errno is None or error.filename:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error  # h5py's text takes ten lines
    finally:
        reserve.unlink(missing_ok=True)
