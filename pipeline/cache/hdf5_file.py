"""HDF5 files of a cache: datasets that are mapped into memory, pages read when used; new files, safe on a full disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, unreadable

RESERVE = 2**20  # bytes; HDF5's description of a file and its buffers take less


def mapped(path: Path, dataset: str) -> np.ndarray:
    """The dataset, read-only. UserError, with the fix, when the file is damaged, truncated or compressed.

    OSError where the file cannot be read for another reason.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:  # not every file system has locks, and readers need none
            found = file[dataset]
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
                raise TypeError("not a dataset of numbers")
            offset, shape, dtype = found.id.get_offset(), found.shape, found.dtype
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # h5py's, of links and types too
        raise unreadable(path, error, f"{dataset} cannot be read") from error
    size = int(np.prod(shape)) * dtype.itemsize
    if size == 0:
        return np.zeros(shape, dtype)
    if offset is None:
        raise UserError(f"{path}: {dataset} is chunked or compressed, so it cannot be mapped; {REBUILD_HINT}")
    if offset + size > path.stat().st_size:
        raise UserError(f"{path} is truncated: {dataset} extends past the end of the file; {REBUILD_HINT}")
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))  # a plain array: slices of a memmap are slow


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
