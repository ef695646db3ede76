"""Maps datasets of a cache's HDF5 files into memory; writes HDF5 files, and raises OSError if the disk is full."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, unreadable_error

RESERVE = 2**20  # bytes; more than the metadata and buffers that HDF5 writes on close


def mapped(path: Path, dataset: str) -> np.ndarray:
    """Returns the dataset as a read-only, memory-mapped array.

    Raises UserError, with the fix, if the file is damaged, truncated or compressed; OSError if it cannot be read for
    another reason.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:  # not every file system has locks, and readers need none
            _require_no_link(file, dataset)
            found = file[dataset]
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu" or found.shape is None:
                raise TypeError("not a dataset of numbers")
            offset, shape, dtype, stored = found.id.get_offset(), found.shape, found.dtype, _storage(found)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # for links and types too
        raise unreadable_error(path, error, f"{dataset} cannot be read") from error
    size = math.prod(shape) * dtype.itemsize  # np.prod would overflow for an invalid shape
    if size == 0:
        return np.zeros(shape, dtype)
    if offset is None:
        raise UserError(f"{path}: {dataset} {stored}, so it cannot be mapped; {REBUILD_HINT}")
    if offset + size > path.stat().st_size:
        raise UserError(f"{path} is truncated: {dataset} extends past the end of the file; {REBUILD_HINT}")
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))  # a plain array: slices of a memmap are slow


def _storage(dataset: h5py.Dataset) -> str:
    """Returns why a dataset that has no offset in its file cannot be mapped."""
    if dataset.is_virtual or dataset.external:
        return "is stored in another file"
    return "is chunked or compressed" if dataset.chunks else "has no values"


def _require_no_link(file: h5py.File, dataset: str) -> None:
    """Raises ValueError for a link in the path of a dataset: HDF5 would open the other file, which may be a pipe."""
    names = dataset.split("/")
    for number in range(1, len(names) + 1):
        link = file.get("/".join(names[:number]), getlink=True)
        if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            raise ValueError("it is a link to another file" if isinstance(link, h5py.ExternalLink) else "it is a link")


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """
    Creates an HDF5 file for writing, in a locked work folder; raises OSError with an errno if the disk is full.

    HDF5 aborts the process if the disk is full when it closes a file. Therefore a reserve file is written first, and
    removed before the HDF5 file is closed.
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
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error  # h5py's message has ten lines
    finally:
        reserve.unlink(missing_ok=True)
