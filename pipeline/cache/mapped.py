"""A dataset of an HDF5 file as an array that is mapped into memory: its pages are read when they are used."""

from pathlib import Path

import h5py
import numpy as np

from hspcgan.model.common.errors import UserError
from hspcgan.pipeline.cache.cache_json import REBUILD_HINT, unreadable
from hspcgan.pipeline.cache.hdf5_file import open_hdf5


def mapped(path: Path, dataset: str) -> np.ndarray:
    """The dataset, read-only. UserError, with the fix, when the file is damaged, truncated or compressed.

    OSError where the file cannot be read for another reason.
    """
    try:
        with open_hdf5(path) as file:
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
